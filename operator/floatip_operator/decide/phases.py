"""A change of the wire, step by step: Backups out and confirmed, the Active changed and confirmed, Backups in.

Two nodes are settled by VRRP only while they hear each other and agree on the wire. So nothing begins while a node cannot be reached:
what it runs is its own last word (`digest` in its status), whatever stands in its document since.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from floatip_api import wire
from floatip_api.v1alpha1 import VirtualRouter

from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.decide.standing import Standing

Entries = dict[str, list[VirtualRouter]]


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """What is not done yet, and why. `is_stuck`: it waits for a node that cannot be reached, perhaps for ever."""

    text: str
    is_stuck: bool = False


def waiting(what: str, nodes: Iterable[str], snapshot: Snapshot) -> Wait:
    """For these nodes. For one that cannot be reached there is a way out, and it is named."""
    names = sorted(nodes)
    away = [node for node in names if not snapshot.is_fresh(node)]
    if not away:
        return Wait(f"{what} waits for {', '.join(names)}")
    way_out = f"floatip forget {away[0]}"
    return Wait(
        f"{what} waits for {', '.join(names)}; no word of {', '.join(away)} (if it is off: {way_out})", is_stuck=True
    )


def step(standing: Standing, desired: Entries, snapshot: Snapshot) -> tuple[Entries, Wait | None]:
    """What of the desired entries is safe to have now, and what waits; a node that is left out is asked to let go."""
    present = {node: routers for node, routers in standing.present.items() if node not in standing.abandoned}
    off = {node: desired[node] for node in standing.present.keys() & standing.abandoned & desired.keys()}
    changed = {node for node in present.keys() & desired.keys() if _differ(present[node], desired[node])}
    if not changed:
        return _with_newcomers(standing, desired, snapshot)
    live = {node for node in standing.entries.keys() | standing.unlisted.keys() if node not in standing.abandoned}
    has_begun = any(node in desired and node not in present for node in live)
    behind = {
        node for node in live if not snapshot.is_fresh(node) or not standing.has_taken_up(node)
    } | standing.unlisted.keys()
    if behind and not has_begun:
        return {**present, **off}, waiting("the change of the wire", behind, snapshot)
    stays = all(_interfaces(present[node]) == _interfaces(desired[node]) for node in changed)
    if stays and all(_agree(present[node], routers) for node in present for routers in desired.values()):
        return {**{node: desired.get(node, present[node]) for node in present}, **off}, None
    keeper = _keeper(standing, present)
    others = live - {keeper}
    if others:
        return {keeper: present[keeper], **off}, waiting("the change of the wire", others, snapshot)
    return {**({keeper: desired[keeper]} if keeper in desired else {}), **off}, None


def _with_newcomers(standing: Standing, desired: Entries, snapshot: Snapshot) -> tuple[Entries, Wait | None]:
    """Newcomers come when all who may hold the addresses speak as they will."""
    newcomers = desired.keys() - standing.present.keys()
    if not newcomers:
        return desired, None
    hold_up = {
        node
        for node in {*standing.entries, *standing.unlisted} - standing.abandoned
        if not standing.has_taken_up(node) or _disagrees(standing, node, desired)
    }
    if not hold_up:
        return desired, None
    if len(hold_up) == 1 and hold_up == goes_on(standing, desired, {}):
        return {node: desired[node] for node in hold_up}, None
    kept = {node: routers for node, routers in desired.items() if node not in newcomers}
    return kept, waiting(f"{', '.join(sorted(newcomers))}, which is to take part,", hold_up, snapshot)


def goes_on(standing: Standing, desired: Entries, keeps: Entries) -> set[str]:
    """The Active that no document lists (they were deleted, or the store jumped back), where none lists another and it is to take part:
    it is left as it is until the others have let go, and then gets its entry."""
    if standing.present or keeps:
        return set()
    able = standing.active & standing.unlisted.keys() & desired.keys()
    return {max(able)} if able else set()


def _disagrees(standing: Standing, node: str, desired: Entries) -> bool:
    """The node may still hold the addresses, be it on its way out or unlisted, and would not hear the desired routers."""
    live = [router for router in standing.entries.get(node, []) if not standing.is_released(node, router)]
    digests = {digest for routers in desired.values() for digest in _digests(routers).values()}
    said = standing.reported.get(node, []) if node not in standing.present else standing.unlisted.get(node, [])
    runs = {router.digest for router in said if router.released_request_id is None} - {None}
    is_odd = not runs <= digests
    return is_odd or not all(_agree(live, routers) for routers in desired.values())


def _agree(some: Iterable[VirtualRouter], others: Iterable[VirtualRouter]) -> bool:
    """In every family that both have."""
    by_family = {router.family: router for router in others}
    return all(wire.agree(router, by_family.get(router.family, router)) for router in some)


def _interfaces(routers: Iterable[VirtualRouter]) -> Mapping[str, str | None]:
    return {router.family: router.interface for router in routers}


def _differ(present: list[VirtualRouter], desired: list[VirtualRouter]) -> bool:
    return present != desired and _digests(present) != _digests(desired)


def _digests(routers: Iterable[VirtualRouter]) -> Mapping[str, str]:
    return {router.family: wire.digest(router) for router in routers}


def _keeper(standing: Standing, present: Entries) -> str:
    """The node that goes on through a change of the wire: the Active, else the one of highest priority."""
    return max(present, key=lambda node: (node in standing.active, present[node][0].priority, node))
