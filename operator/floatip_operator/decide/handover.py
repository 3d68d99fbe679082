"""Requests to hand the role over once, on purpose: what a planned move needs where a higher priority alone takes nothing over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from floatip_api.v1alpha1 import Request, VirtualRouter

from floatip_operator.decide import priorities
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.decide.standing import Standing

_MOVE = "move-to-"


def for_move(standing: Standing, snapshot: Snapshot) -> dict[str, Request]:
    """By node, the request to leave. With preemption at once there is none: the preferred node takes over by its priority, without a gap.

    The Active is asked when the preferred node stands by with the highest priority; the request stands until another node is Active.
    """
    target, preemption = standing.preferred, standing.floating_ip.spec.preemption
    preempts_at_once = preemption.policy == "PreemptLowerPriority" and not preemption.delay_seconds
    if target is None or preempts_at_once or not _stands_by(standing, target, snapshot):
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


def _stands_by(standing: Standing, node: str, snapshot: Snapshot) -> bool:
    """It lives and is Backup in every family."""
    said = {router.family: router.state for router in standing.reported.get(node, [])}
    wanted = standing.present.get(node, [])
    return bool(wanted) and snapshot.is_fresh(node) and all(said.get(r.family) == "Backup" for r in wanted)


def _comes_first(standing: Standing, node: str) -> bool:
    """Its effective priority is above that of every other node that stands by."""
    lowest = min((r.effective_priority or 0 for r in standing.reported[node]), default=0)
    others = [
        router.effective_priority or 0
        for other, routers in standing.reported.items()
        for router in routers
        if other != node and router.state == "Backup"
    ]
    return lowest > max(others, default=0)
