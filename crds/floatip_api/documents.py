"""Documents in files, checked by the API's own rules: every fault with file, line and field."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from floatip_api import names, yaml_lines
from floatip_api.base import Model, remove_at
from floatip_api.floatingip import FloatingIP
from floatip_api.floatingipnode import FloatingIPNode, VirtualRouter
from floatip_api.rule import faults_of
from floatip_api.rules import FLOATING_IP_RULES, virtual_router_faults
from floatip_api.schema import LIST_KEYS
from floatip_api.warnings import warnings_of

KINDS: dict[str, type[FloatingIP] | type[FloatingIPNode]] = {
    names.FLOATING_IP: FloatingIP,
    names.FLOATING_IP_NODE: FloatingIPNode,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong where. `field` is empty where the document as a whole is meant; lines count from 1, 0 is the whole file."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.message) if part)


class Unreadable(Exception):
    """A file that holds no documents that could be checked."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """One document of a file, as it was written."""

    file: str
    tree: yaml_lines.Tree

    @property
    def content(self) -> Any:
        return self.tree.content

    @property
    def normal(self) -> Any:
        """As the API server takes it: a field that is null is absent."""
        return _without_nulls(self.tree.content)

    @property
    def line(self) -> int:
        return self.tree.line(())

    @property
    def kind(self) -> str:
        """Empty when it is no object of the Kubernetes API."""
        return str(self.content.get("kind", "")) if isinstance(self.content, dict) else ""

    @property
    def is_ours(self) -> bool:
        """Meant for floatip, as far as can be told; what else stands in a file (a Secret) is no business of ours."""
        if not isinstance(self.content, dict) or "apiVersion" not in self.content or "kind" not in self.content:
            return True
        return self.kind in KINDS or str(self.content["apiVersion"]).partition("/")[0] == names.GROUP

    def fault(self, path: yaml_lines.Path, message: str) -> Fault:
        return Fault(self.file, self.tree.line(path), _field(path), message)


def load(path: Path) -> list[Document]:
    """The documents of a YAML or JSON file. Raises Unreadable."""
    try:
        return [Document(str(path), tree) for tree in yaml_lines.read(path.read_text(encoding="utf-8"))]
    except yaml_lines.Unreadable as error:
        raise Unreadable(Fault(str(path), error.line, "", error.message)) from None
    except OSError as error:
        raise Unreadable(Fault(str(path), 0, "", error.strerror or str(error))) from None
    except UnicodeDecodeError as error:
        raise Unreadable(Fault(str(path), 1, "", f"not UTF-8: {error.reason}")) from None


def validate(document: Document) -> list[Fault]:
    """All faults of a FloatingIP or FloatingIPNode; unknown fields are faults."""
    if not isinstance(document.content, dict):
        return [document.fault((), "must be an object with apiVersion and kind")]
    if document.content.get("apiVersion") != names.API_VERSION:
        written = document.content.get("apiVersion")
        return [document.fault(("apiVersion",), f"{_shown(written)}: must be {names.API_VERSION}")]
    model = KINDS.get(document.kind)
    if model is None:
        kinds = " or ".join(KINDS)
        return [document.fault(("kind",), f"{_shown(document.content.get('kind'))}: must be {kinds}")]
    found = [document.fault(path, message) for path, message in _faults(model, document.normal)]
    return sorted(found, key=lambda fault: fault.line)


def warnings(document: Document) -> list[Fault]:
    """What is allowed and yet odd in a valid FloatingIP."""
    if document.kind != names.FLOATING_IP:
        return []
    spec = FloatingIP.from_manifest(document.normal).spec.to_manifest()
    return [document.fault(_path(f"spec.{field}"), f"warning: {text}") for field, text in warnings_of(spec)]


def check_virtual_router(router: VirtualRouter) -> list[str]:
    """Which rules the router breaks: "addresses[0]: ...". Its structure is right, the model says so."""
    return virtual_router_faults(router.to_manifest())


def _faults(
    model: type[FloatingIP] | type[FloatingIPNode], content: dict[str, Any]
) -> list[tuple[yaml_lines.Path, str]]:
    """Rules are checked where the structure is right, apart from unknown fields: as the API server does it."""
    found, instance = _structural_faults(model, content)
    if instance is None:
        return found
    manifest = instance.to_manifest()
    found += _duplicates(manifest, model)
    if isinstance(instance, FloatingIP):
        broken = [fault for rule in FLOATING_IP_RULES for fault in faults_of(rule, manifest)]
    else:
        broken = [
            (f"spec.virtualRouters[{index}].{fault.partition(': ')[0]}", fault.partition(": ")[2])
            for index, router in enumerate(instance.spec.virtual_routers)
            for fault in check_virtual_router(router)
        ]
    return found + [(_path(field), message) for field, message in broken]


def _structural_faults(
    model: type[FloatingIP] | type[FloatingIPNode], content: dict[str, Any]
) -> tuple[list[tuple[yaml_lines.Path, str]], FloatingIP | FloatingIPNode | None]:
    """The faults, and the object if unknown fields are all that is wrong with it."""
    found: list[tuple[yaml_lines.Path, str]] = []
    while True:
        try:
            return found, model.from_manifest(content)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False)
        found += [(fault["loc"], _sentence(fault["type"], fault["msg"], fault["input"])) for fault in faults]
        if any(fault["type"] != "extra_forbidden" for fault in faults):
            return found, None
        for fault in faults:
            remove_at(content, fault["loc"])


def _sentence(kind: str, message: str, value: Any) -> str:
    if kind == "missing":
        return "required"
    if kind == "extra_forbidden":
        return "unknown field"
    if kind == "model_type":
        message = "must be an object"
    return f"{_shown(value)}: {re.sub('^(Input|String|List|Dictionary) should ', 'must ', message)}"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _without_nulls(value: Any) -> Any:
    """A copy in which a field that is null is absent: so the API server takes it."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _duplicates(manifest: dict[str, Any], model: type[Model]) -> list[tuple[yaml_lines.Path, str]]:
    """Entries of a list whose key another entry has already."""
    found = []
    for where, keys in LIST_KEYS.items():
        for path, entries in _lists(manifest, (), where.split(".")):
            seen = set()
            for index, entry in enumerate(entries):
                key = tuple(entry.get(name) for name in keys)
                if key in seen:
                    found.append(((*path, index), f"{'/'.join(map(str, key))}: {' and '.join(keys)} must be unique"))
                seen.add(key)
    return found


def _lists(value: Any, path: yaml_lines.Path, steps: list[str]) -> Iterator[tuple[yaml_lines.Path, list[Any]]]:
    """The lists at "spec.virtualRouters[].probes" and where they stand."""
    if not steps:
        yield path, value
        return
    name = steps[0].removesuffix("[]")
    if name not in value:
        return
    inside = value[name]
    if not steps[0].endswith("[]"):
        yield from _lists(inside, (*path, name), steps[1:])
        return
    for index, item in enumerate(inside):
        yield from _lists(item, (*path, name, index), steps[1:])


def _field(path: yaml_lines.Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _path(field: str) -> yaml_lines.Path:
    """ "spec.nodes[0].priority" -> ("spec", "nodes", 0, "priority")."""
    parts = re.findall(r"[^.\[\]]+|\[\d+\]", field)
    return tuple(int(part[1:-1]) if part.startswith("[") else part for part in parts)
