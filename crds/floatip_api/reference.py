"""docs/reference.md: every field of both kinds, from the same schemas that the API server gets."""

from __future__ import annotations

import re
from typing import Any

_HEAD = """# API reference

Generated from `crds/floatip_api` by `make generate`. `kubectl explain floatingip.spec` says the same in a cluster.
"""


def page(definitions: list[dict[str, Any]]) -> str:
    parts = [_HEAD]
    for definition in definitions:
        kind = definition["spec"]["names"]
        made = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        parts.append(f"## {kind['kind']}\n\n{made['description']} Short name `{kind['shortNames'][0]}`.\n")
        for section in ("spec", "status"):
            rows = ["| field | type | default | |", "|---|---|---|---|", *_rows(made["properties"][section], section)]
            parts.append(f"### {kind['kind']} {section}\n\n" + "\n".join(rows) + "\n")
        if rules := _rules(made, ""):
            parts.append(f"### {kind['kind']} rules\n\n" + "\n".join(rules) + "\n")
    return "\n".join(parts)


def _rows(node: dict[str, Any], path: str) -> list[str]:
    rows = []
    for name, part in node.get("properties", {}).items():
        own = f"{path}.{name}"
        is_list = part.get("type") == "array"
        inner = part["items"] if is_list else part
        mark = " (required)" if name in node.get("required", []) else ""
        default = part.get("default")
        shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
        plain = "" if default is None or isinstance(default, dict) else shown
        rows.append(
            f"| `{own}{'[]' if is_list else ''}`{mark} | {_type(inner)} | {plain} | {part.get('description', '')} |"
        )
        rows += _rows(inner, f"{own}{'[]' if is_list else ''}")
    return rows


def _type(node: dict[str, Any]) -> str:
    if "enum" in node:
        return " \\| ".join(map(str, node["enum"]))
    limits = [str(node[key]) for key in ("minimum", "maximum") if key in node]
    return f"{node['type']} {' to '.join(limits)}".strip()


def _rules(node: dict[str, Any], path: str) -> list[str]:
    rows = []
    for rule in node.get("x-kubernetes-validations", []):
        where = ".".join(part for part in (path, rule.get("fieldPath", "").lstrip(".")) if part)
        said = f"`{where}`: " if where else ""
        rows.append(f"- {said}{rule.get('message') or _spoken(rule['messageExpression'])}")
    for name, part in node.get("properties", {}).items():
        rows += _rules(part, f"{path}.{name}".lstrip("."))
    if "items" in node:
        rows += _rules(node["items"], f"{path}[]")
    return rows


def _spoken(expression: str) -> str:
    """The text of a messageExpression, with dots where a value comes in: `'%d: too long'.format([self.x])`, `self + ': too long'`."""
    text = (
        expression.partition("'")[2].rpartition("'")[0]
        if ".format(" not in expression
        else expression[1:].partition("'.format(")[0]
    )
    return re.sub("%[sd]", "...", text).replace("\\'", "'").removeprefix("...").removeprefix(":").strip()
