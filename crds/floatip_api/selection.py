"""Which entry of `spec.nodes` is a node's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from floatip_api.floatingip import LabelSelector, LabelSelectorRequirement, NodeEntry


def first_match(entries: Iterable[NodeEntry], name: str, labels: Mapping[str, str]) -> NodeEntry | None:
    """The first entry that matches the node wins."""
    return next((entry for entry in entries if _matches(entry, name, labels)), None)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """A label selector as Kubernetes means it: all parts must hold, an empty one selects everything."""
    wanted = selector.match_labels or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions or []
    )


def _matches(entry: NodeEntry, name: str, labels: Mapping[str, str]) -> bool:
    if entry.name is not None:
        return entry.name == name
    return entry.selector is not None and selects(entry.selector, labels)


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in (requirement.values or [])
        case "NotIn":
            return value not in (requirement.values or [])
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
