"""The next entries of one floating IP in the FloatingIPNodes: added, changed, asked to let go, taken off once that is confirmed.

A priority is given on only after its owner left it; a change of the wire goes in phases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from floatip_api.rendering import virtual_routers
from floatip_api.v1alpha1 import Request, VirtualRouter

from floatip_operator.decide import phases, priorities
from floatip_operator.decide.peers import peers, unheard
from floatip_operator.decide.phases import Entries, Wait, waiting
from floatip_operator.decide.snapshot import MOST_ROUTERS, Snapshot
from floatip_operator.decide.standing import Standing
from floatip_operator.decide.targets import targets


def next_entries(
    standing: Standing, group: Sequence[Standing], virtual_router_id: int, snapshot: Snapshot
) -> tuple[Entries, Wait | None]:
    """Entries by node, and what is not done yet. `group` are all that move together with it, itself among them.

    Raises `priorities.PrioritiesExhausted`.
    """
    wanted = targets(group, snapshot)
    desired = _desired(standing, wanted, virtual_router_id, snapshot)
    keeps, waits = phases.step(standing, desired, snapshot)
    nodes = {*standing.entries, *standing.unlisted, *keeps} - phases.goes_on(standing, desired, keeps)
    merged = {node: _merge(standing, node, keeps.get(node, []), snapshot) for node in sorted(nodes)}
    entries = {node: routers for node, routers in merged.items() if routers}
    return entries, waits or _unfinished(standing, wanted, keeps, snapshot)


def _unfinished(standing: Standing, wanted: Mapping[str, int], keeps: Entries, snapshot: Snapshot) -> Wait | None:
    """What else waits for another node's word; what may wait for ever is said first."""
    waits = list(_waits(standing, wanted, keeps, snapshot))
    return next((wait for wait in waits if wait.is_stuck), waits[0] if waits else None)


def _waits(standing: Standing, wanted: Mapping[str, int], keeps: Entries, snapshot: Snapshot) -> Iterator[Wait]:
    """Priorities, places in lists of peers, nodes that are to leave."""
    held = standing.priorities_held()
    for node, priority in wanted.items():
        holders = {other for other, values in held.items() if priority in values and other != node}
        if holders and [router.priority for router in keeps.get(node, [])][:1] != [priority]:
            yield waiting(f"priority {priority} for {node}", holders, snapshot)
    for node in keeps:
        if deaf := unheard(standing, node, snapshot):
            yield waiting(f"{node}, which is silent until all list it as a peer,", deaf, snapshot)
    for node in sorted(snapshot.full & standing.matching.keys() - wanted.keys()):
        if standing.matching[node].name == node:
            yield Wait(f"node {node} has {MOST_ROUTERS:,} virtual routers and takes no more", is_stuck=True)
    if leaving := set(standing.unconfirmed()) - keeps.keys():
        yield waiting("the change of nodes", leaving, snapshot)


def let_go(standing: Standing, snapshot: Snapshot) -> Entries:
    """Everything on its way out: deleted or suspended."""
    merged = {node: _merge(standing, node, [], snapshot) for node in sorted({*standing.entries, *standing.unlisted})}
    return {node: entries for node, entries in merged.items() if entries}


def _desired(standing: Standing, wanted: Mapping[str, int], virtual_router_id: int, snapshot: Snapshot) -> Entries:
    """The entries of all who are to take part, with the priorities as far as these are free now."""
    spec, name = standing.floating_ip.spec, standing.name
    present = standing.priorities
    fresh = {node for node in wanted if snapshot.is_fresh(node)}
    steps = priorities.next_step(wanted, standing.priorities_held(), fresh)
    found: Entries = {}
    for node, granted in steps.items():
        priority = granted if granted is not None else present.get(node)
        if priority is not None:
            found[node] = virtual_routers(
                name,
                spec,
                virtual_router_id=virtual_router_id,
                priority=priority,
                entry=standing.matching.get(node),
                peers=peers(standing, node, wanted, snapshot),
            )
    return found


def _merge(standing: Standing, node: str, wanted: list[VirtualRouter], snapshot: Snapshot) -> list[VirtualRouter]:
    """The wanted entries, and those on their way out until the node has confirmed that they are gone."""
    families = {router.family for router in wanted}
    found = list(wanted)
    for router in standing.entries.get(node, []):
        if router.family in families or standing.is_released(node, router):
            continue
        request = router.release or _request(standing, node, snapshot)
        found.append(router.model_copy(update={"release": request}))
    families |= {router.family for router in found}
    found += [router for router in _told_off(standing, node, snapshot) if router.family not in families]
    return sorted(found, key=lambda router: router.family)


def _told_off(standing: Standing, node: str, snapshot: Snapshot) -> list[VirtualRouter]:
    """Entries for what the agent runs unlisted: only an entry can carry the order to let go."""
    found = []
    for said in standing.unlisted.get(node, []):
        virtual_router_id = said.virtual_router_id or standing.virtual_router_id
        if virtual_router_id is None:
            continue
        made = virtual_routers(
            standing.name,
            standing.floating_ip.spec,
            virtual_router_id=virtual_router_id,
            priority=said.priority or 1,
            entry=standing.matching.get(node),
        )
        request = _request(standing, node, snapshot)
        found += [router.model_copy(update={"release": request}) for router in made if router.family == said.family]
    return found


def _request(standing: Standing, node: str, snapshot: Snapshot) -> Request:
    """New for each time that an entry goes out, the same as long as nothing was written: an old confirmation fits no new request."""
    generation = snapshot.document_of[node].metadata.generation
    return Request(request_id=f"{standing.floating_ip.metadata.uid}-{generation}")
