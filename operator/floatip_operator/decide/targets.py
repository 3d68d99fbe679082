"""Who is to take part, and with which priority in the end: one answer for a whole sync group."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from floatip_operator.decide import placement, priorities, sync_groups
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.decide.standing import Standing


def targets(group: Sequence[Standing], snapshot: Snapshot) -> dict[str, int]:
    """By node, those that only stay until another stands by among them. Raises `priorities.PrioritiesExhausted`."""
    lead = sync_groups.lead(group)
    present = lead.priorities
    active = {node for member in group for node in member.active}
    joinable = snapshot.able.intersection(*(member.places for member in group))
    chosen = placement.candidates(
        lead.floating_ip, sync_groups.seed(lead), lead.matching.keys(), present.keys(), active, joinable, snapshot
    )
    placed = [node for node in chosen if node in present or snapshot.has_room(node)]
    taking_part = [node for node in placed if _has_agent(node, snapshot)]
    given = {node: p for node in taking_part if (p := lead.matching[node].priority) is not None}
    held = [entry for member in group for entry in member.priorities_held().items()]
    leaving = {value for node, values in held if node not in chosen for value in values}
    preferred = next((member.preferred for member in group if member.preferred is not None), None)
    wanted = priorities.targets(taking_part, given, present, leaving, preferred)
    return wanted | _staying(group, active.difference(chosen), wanted, snapshot)


def stands_by(standing: Standing, node: str, snapshot: Snapshot) -> bool:
    """It lives, speaks as it should, and is Backup or Active in every family."""
    said = {router.family: router.state for router in standing.reported.get(node, [])}
    routers = standing.present.get(node, [])
    is_able = bool(routers) and all(said.get(router.family) in {"Backup", "Active"} for router in routers)
    return is_able and snapshot.is_fresh(node) and standing.has_taken_up(node)


def _staying(
    group: Sequence[Standing], leaving: Collection[str], wanted: Mapping[str, int], snapshot: Snapshot
) -> dict[str, int]:
    """Make before break: an Active that is to go stays until one of those that take part stands by. One that stays gives its priority up
    when somebody waits for it."""
    if not wanted or any(all(stands_by(member, node, snapshot) for member in group) for node in wanted):
        return {}
    lead, found = sync_groups.lead(group), dict(wanted)
    for node in sorted(leaving & lead.present.keys()):
        if snapshot.is_fresh(node) and all(_keeps_its_place(member, node) for member in group):
            present = lead.present[node][0].priority
            free = (value for value in range(priorities.OWNER - 1, 0, -1) if value not in found.values())
            found[node] = present if present not in found.values() else next(free)
    return {node: priority for node, priority in found.items() if node not in wanted}


def _keeps_its_place(standing: Standing, node: str) -> bool:
    """Its interface is what it was: on another LAN it and the others would not hear each other."""
    entry, spec = standing.matching.get(node), standing.floating_ip.spec
    named = (entry.interface if entry else None) or spec.interface
    return all(router.interface == named for router in standing.present.get(node, []))


def _has_agent(node: str, snapshot: Snapshot) -> bool:
    """Only a node whose agent has spoken gets entries: one without could never confirm that it let go."""
    status = snapshot.document_of[node].status
    return status is not None and status.agent is not None
