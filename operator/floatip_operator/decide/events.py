"""Kubernetes Events for what changed between two statuses."""

from __future__ import annotations

import dataclasses
from typing import Literal

from floatip_api import names
from floatip_api.conditions import Reason
from floatip_api.v1alpha1 import Condition, FloatingIP, FloatingIPStatus


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One Event about an object of ours."""

    name: str
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    kind: str = names.FLOATING_IP


_WANTED = {"Accepted": "True", "Allocated": "True", "Ready": "True", "SingleHolder": "True", "Degraded": "False"}


def events_between(floating_ip: FloatingIP, after: FloatingIPStatus) -> list[Event]:
    """What is worth an Event: another holder, a warning of a node that was not there, and each condition that turned."""
    before = floating_ip.status or FloatingIPStatus()
    name, uid = floating_ip.metadata.name, floating_ip.metadata.uid
    found = []
    if after.active_node is not None and after.active_node != before.active_node:
        came_from = f" (before: {before.active_node})" if before.active_node else ""
        found.append(Event(name, uid, "Normal", "ActiveNodeChanged", f"{after.active_node} holds it{came_from}"))
    known, warned = _warnings(before), _warnings(after)
    found += [
        Event(name, uid, "Warning", reason, f"{node}: {message}")
        for (node, reason), message in warned.items()
        if (node, reason) not in known
    ]
    told = {reason for _, reason in warned}
    old = {condition.type: condition for condition in before.conditions}
    for condition in after.conditions:
        is_well = condition.status == _WANTED[condition.type] and condition.reason != Reason.ACCEPTED_WITH_WARNINGS
        if _turned(old.get(condition.type), condition) and (is_well or condition.reason not in told):
            found.append(Event(name, uid, "Normal" if is_well else "Warning", condition.reason, condition.message))
    return found


def _warnings(status: FloatingIPStatus) -> dict[tuple[str, str], str]:
    """The sentence for each node and reason: once, when both families say it, and not anew when its details change."""
    return {(node.name, warning.reason): warning.message for node in status.nodes for warning in node.warnings}


def _turned(old: Condition | None, new: Condition) -> bool:
    """The status changed, or the reason of one that is not as wanted; a first status is news only when it is bad. A hand-over is told
    by its outcome: another holder, or none."""
    if new.reason == Reason.HANDING_OVER:
        return False
    if new.reason == Reason.ACCEPTED_WITH_WARNINGS:
        return old is None or old.reason != new.reason
    if old is None:
        return new.status != _WANTED[new.type]
    if old.reason == Reason.HANDING_OVER and new.status == _WANTED[new.type]:
        return False
    return old.status != new.status or (new.status != _WANTED[new.type] and old.reason != new.reason)
