"""Requests to hand the role over once, on purpose: what a planned move needs where a higher priority alone takes nothing over; and what
a hand-over looks like while it is under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from floatip_api.conditions import Reason
from floatip_api.v1alpha1 import Request, VirtualRouter

from floatip_operator.decide import priorities
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.decide.standing import Standing

_MOVE = "move-to-"


def for_move(standing: Standing, snapshot: Snapshot) -> dict[str, Request]:
    """By node, the request to leave. With preemption at once there is none: the preferred node takes over by its priority, without a gap.

    The Active is asked when the preferred node stands by with the highest priority; the request stands until another node is Active.
    """
    target = standing.preferred
    if target is None or _preempts_at_once(standing) or not _stands_by(standing, target, snapshot):
        return {}
    request = Request(request_id=f"{_MOVE}{target}"[:128])
    asked = {node for node, routers in standing.present.items() if any(r.leave == request for r in routers)}
    kept = {node for node in asked if not standing.active - {node}}
    new = standing.active if snapshot.is_confirmed(target) and _comes_first(standing, target) else set()
    return dict.fromkeys(sorted((kept | new) - {target}), request)


def with_leave(routers: Iterable[VirtualRouter], request: Request | None) -> list[VirtualRouter]:
    """The entries of one node, asked to hand over or not any more; one on its way out is asked for nothing else."""
    wanted = [(router, None if router.release else request) for router in routers]
    return [r if r.leave == leave else r.model_copy(update={"leave": leave}) for r, leave in wanted]


def unusable_preference(standing: Standing, own: Mapping[str, list[VirtualRouter]]) -> str | None:
    """Why the node that a human wants first does not come first, or None."""
    target = standing.preferred
    if target is None:
        return None
    entries = {node: [r for r in routers if r.release is None] for node, routers in own.items()}
    if not entries.get(target):
        return f"{target} is to come first but takes no part"
    owners = [node for node, routers in entries.items() if any(r.priority == priorities.OWNER for r in routers)]
    return f"{target} is to come first, but {owners[0]} owns the address" if owners and target not in owners else None


def under_way(standing: Standing, snapshot: Snapshot) -> str | None:
    """Who hands the role over to whom, while neither says Active: the old holder's word comes at once, the next one's up to a second
    later. A loss looks otherwise: who lost the role is in Fault, not heard of, or still comes before all who stand by."""
    standing_by = [node for node in sorted(standing.present) if _stands_by(standing, node, snapshot)]
    new = max(standing_by, key=lambda node: _rank_by_entry(standing, node), default=None)
    before = standing.floating_ip.status
    if new is None or before is None or _hears_a_stranger(standing, new, snapshot):
        return None
    old = before.active_node
    if old is not None and old != new and _lets_go(standing, old, new, snapshot):
        return f"{old} hands it over to {new}"
    texts = (condition.message for condition in before.conditions if condition.reason == Reason.HANDING_OVER)
    return next((text for text in texts if text.endswith(f" to {new}")), None)


def _lets_go(standing: Standing, old: str, new: str, snapshot: Snapshot) -> bool:
    """It was asked to, or it leaves the role to a higher priority."""
    routers = standing.entries.get(old, [])
    if routers and all(router.release for router in routers):
        return snapshot.is_fresh(old)
    yields = _preempts_at_once(standing) or any(router.leave for router in routers)
    is_outranked = _rank_by_entry(standing, old) < _rank_by_entry(standing, new)
    return yields and _stands_by(standing, old, snapshot) and is_outranked


def _hears_a_stranger(standing: Standing, node: str, snapshot: Snapshot) -> bool:
    heard = {router.active_router for router in standing.reported[node]} - {None}
    return not heard <= set(map(str, snapshot.places.owners))


def _preempts_at_once(standing: Standing) -> bool:
    preemption = standing.floating_ip.spec.preemption
    return preemption.policy == "PreemptLowerPriority" and not preemption.delay_seconds


def _stands_by(standing: Standing, node: str, snapshot: Snapshot) -> bool:
    """It lives and is Backup in every family."""
    said = {router.family: router.state for router in standing.reported.get(node, [])}
    wanted = standing.present.get(node, [])
    return bool(wanted) and snapshot.is_fresh(node) and all(said.get(r.family) == "Backup" for r in wanted)


def _comes_first(standing: Standing, node: str) -> bool:
    """Its effective priority is above that of every other node that stands by."""
    others = [
        router.effective_priority or 0
        for other, routers in standing.reported.items()
        for router in routers
        if other != node and router.state == "Backup"
    ]
    return _rank(standing, node) > max(others, default=0)


def _rank(standing: Standing, node: str) -> int:
    """Its effective priority by its own word; one that was asked to leave comes last."""
    return min((router.effective_priority or 0 for router in standing.reported[node]), default=0)


def _rank_by_entry(standing: Standing, node: str) -> int:
    """As its entry has it, less what its probes take: its word of a new priority may come after the old holder's last one."""
    lowered = [(r.priority or 0) - (r.effective_priority or 0) for r in standing.reported[node] if r.effective_priority]
    lowest = min(1 if router.leave else router.priority for router in standing.present[node])
    return lowest - max(lowered, default=0)
