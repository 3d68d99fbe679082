"""Floating IPs that move together: the same candidates in the same order for all members of a sync group.

Members that are served must agree before anything of theirs is placed anew: if one took a node on that another does not have, the two
would wait for each other and nobody would hold either. A newcomer that does not agree stays outside and disturbs nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from floatip_api.conditions import Reason
from floatip_api.v1alpha1 import FloatingIPSpec

from floatip_operator.decide import links
from floatip_operator.decide.acceptance import Refusal
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.decide.standing import Standing

_PER_MEMBER = {"interface", "source_addresses"}
"""What an entry of spec.nodes may say for one member alone."""


def members(
    standing: Standing, by_age: Sequence[Standing], refusals: Mapping[str, Refusal | None]
) -> tuple[Standing, ...]:
    """Those that are placed with it, itself among them, the oldest first. Alone it is a group of one."""
    group = standing.floating_ip.spec.sync_group
    if group is None:
        return (standing,)
    return tuple(other for other in by_age if other is standing or _belongs(other, group, refusals))


def lead(group: Sequence[Standing]) -> Standing:
    """The member whose candidates and priorities the others follow: the oldest that is served, else the oldest."""
    return next((member for member in group if member.present), group[0])


def seed(standing: Standing) -> str:
    """What the order of nodes is made from: the same for all members of a group, whoever comes and goes."""
    group = standing.floating_ip.spec.sync_group
    return standing.floating_ip.metadata.uid if group is None else f"sync group {group}"


def mismatch(
    standing: Standing, by_age: Sequence[Standing], refusals: Mapping[str, Refusal | None], snapshot: Snapshot
) -> Refusal | None:
    """With which other member it does not agree, and in which field. `refusals` are those for other reasons."""
    others = [other for other in members(standing, by_age, refusals) if other is not standing]
    is_served = bool(standing.present)
    for other in others:
        is_older = by_age.index(other) < by_age.index(standing)
        if (other.present or (is_older and not is_served)) and (field := _difference(standing, other)):
            message = (
                f"{field} differs from that of FloatingIP {other.name}, which is in sync group {_group(other)} too"
            )
            return Reason.SYNC_GROUP_MISMATCH, message
    if is_served or not others:
        return None
    return next(_unusable(standing, lead(others), snapshot), None)


def _belongs(other: Standing, group: str, refusals: Mapping[str, Refusal | None]) -> bool:
    floating_ip = other.floating_ip
    is_on = floating_ip.metadata.deletion_timestamp is None and not floating_ip.spec.suspend
    return floating_ip.spec.sync_group == group and is_on and (bool(other.present) or refusals[other.name] is None)


def _group(standing: Standing) -> str | None:
    return standing.floating_ip.spec.sync_group


def _difference(one: Standing, other: Standing) -> str | None:
    first, second = _agreed(one.floating_ip.spec), _agreed(other.floating_ip.spec)
    return next((field for field, value in first.items() if value != second[field]), None)


def _agreed(spec: FloatingIPSpec) -> dict[str, Any]:
    """What all members must have alike, by field."""
    nodes = (
        None if spec.nodes is None else [entry.model_copy(update=dict.fromkeys(_PER_MEMBER)) for entry in spec.nodes]
    )
    return {"spec.nodes": nodes, "spec.candidates": spec.candidates, "spec.preemption": spec.preemption}


def _unusable(standing: Standing, leader: Standing, snapshot: Snapshot) -> Iterator[Refusal]:
    """Candidates that have no place for a newcomer: joining would take the whole group off them."""
    first = links.addresses_of(standing.floating_ip)[0]
    for node in sorted(leader.present.keys() & standing.matching.keys()):
        if node not in standing.places:
            message = f"node {node} takes part in sync group {_group(leader)} and has no interface for {first}"
            yield Reason.SYNC_GROUP_MISMATCH, message
