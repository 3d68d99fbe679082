"""A rule in both its forms, and where a document breaks it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """`message` is CEL's messageExpression when `is_expression`. `check` returns the fault's text, None for none; it is absent where
    only a change of a stored object can break the rule. `field` is the part of the value that the fault is about."""

    at: str
    cel: str
    message: str
    check: Callable[[Any], str | None] | None = None
    is_expression: bool = False
    field: str = ""


def faults_of(rule: Rule, document: dict[str, Any]) -> list[tuple[str, str]]:
    """(field path, text) of each place where the document breaks the rule."""
    if rule.check is None:
        return []
    found = []
    for path, value in _places(rule.at, document):
        if text := rule.check(value):
            found.append((".".join(part for part in (path, rule.field) if part), text))
    return found


def _places(at: str, document: Any) -> list[tuple[str, Any]]:
    places = [("", document)]
    for step in at.split(".") if at else []:
        name = step.removesuffix("[]")
        places = [(f"{path}.{name}".lstrip("."), value[name]) for path, value in places if name in value]
        if step.endswith("[]"):
            places = [(f"{path}[{index}]", entry) for path, value in places for index, entry in enumerate(value)]
    return places
