"""From a snapshot to the next writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence, Set

from floatip_api import names
from floatip_api.conditions import Reason
from floatip_api.v1alpha1 import (
    FloatingIP,
    FloatingIPNode,
    FloatingIPNodeSpec,
    FloatingIPStatus,
    Request,
    VirtualRouter,
)

from floatip_operator.decide import acceptance, handover, priorities, rollout, strays, sync_groups, taints, upgrade
from floatip_operator.decide.events import Event, events_between
from floatip_operator.decide.phases import Wait
from floatip_operator.decide.snapshot import EXCLUDED, MOST_ROUTERS, Snapshot
from floatip_operator.decide.standing import Standing
from floatip_operator.decide.status import Verdict, fold

_NAMED = 3
"""Nodes that a message names at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Writes that are safe now, each only where something differs, in sorted order."""

    create_documents: tuple[str, ...] = ()
    delete_documents: tuple[FloatingIPNode, ...] = ()
    specs: tuple[tuple[FloatingIPNode, FloatingIPNodeSpec], ...] = ()
    add_finalizer: tuple[FloatingIP, ...] = ()
    remove_finalizer: tuple[FloatingIP, ...] = ()
    heard_again: tuple[tuple[FloatingIP, str | None], ...] = ()
    """FloatingIPs whose abandon annotation names nodes that live: its new value, None to take it off."""
    statuses: tuple[tuple[FloatingIP, FloatingIPStatus], ...] = ()
    events: tuple[Event, ...] = ()
    strays: tuple[Event, ...] = ()
    """What is to be known as long as it is so, not only when it begins."""
    secrets: frozenset[str] = frozenset()
    """The Secrets that agents must read: the whole set, to be compared by the writer."""
    rollout: upgrade.Step = dataclasses.field(default_factory=upgrade.Step)
    is_whole: bool = True
    """False: only some floating IPs were looked at. Documents, strays and the roll-out are not spoken of, and not all Secrets named."""


def decide(snapshot: Snapshot, only: Set[str] | None = None) -> Plan:
    """The next step for the whole cluster; or for the named floating IPs alone and those that move with them, seen among all others. What
    that makes possible for others follows with the next whole decision."""
    everyone = [Standing(floating_ip, snapshot) for floating_ip in snapshot.by_age]
    concerned = everyone if only is None else _with_their_groups(everyone, only)
    step = upgrade.next_step(snapshot)
    verdicts, entries = _verdicts(concerned, everyone, step, snapshot)
    beside = _unowned(everyone, step, snapshot) if only is None else _others(concerned, entries, snapshot)
    for node, routers in beside.items():
        entries[node] = [*routers, *entries.get(node, [])]
    documents = snapshot.documents if only is None else [snapshot.document_of[node] for node in entries]
    plan = dataclasses.replace(
        _for_floating_ips(verdicts, snapshot),
        specs=changed_specs(entries, documents, snapshot),
        heard_again=tuple(change for standing in concerned if (change := _annotation(standing))),
        secrets=frozenset(secrets(entries)),
    )
    if only is not None:
        return dataclasses.replace(plan, is_whole=False)
    return dataclasses.replace(
        plan,
        create_documents=tuple(sorted(n.name for n in snapshot.nodes if _wants_document(n.name, snapshot))),
        delete_documents=tuple(d for d in snapshot.documents if _is_over(d, snapshot)),
        strays=strays.found(snapshot),
        rollout=step,
    )


def _with_their_groups(everyone: Sequence[Standing], only: Set[str]) -> list[Standing]:
    groups = {one.floating_ip.spec.sync_group for one in everyone if one.name in only} - {None}
    return [one for one in everyone if one.name in only or one.floating_ip.spec.sync_group in groups]


def _verdicts(
    concerned: Sequence[Standing], everyone: Sequence[Standing], step: upgrade.Step, snapshot: Snapshot
) -> tuple[list[tuple[Standing, Verdict]], dict[str, list[VirtualRouter]]]:
    """What becomes of each, and their entries by node."""
    refusals = _refusals(concerned, everyone, snapshot)
    chosen: dict[str, int] = {}
    verdicts = []
    entries: dict[str, list[VirtualRouter]] = {}
    for standing in concerned:
        own, leaving = standing.entries, dict[str, Request]()
        # With an unreadable document it depends on a node of which nothing is known: it is left as it is, and as it is told.
        if standing.name not in snapshot.unread:
            verdict, own = _one(standing, everyone, refusals, chosen, snapshot)
            leaving = handover.for_move(standing, snapshot)
            if standing.name not in step.lonely:
                leaving |= step.asked
            if step.stopped is not None and step.stopped.node in standing.present:
                verdict = dataclasses.replace(verdict, rollout_stopped=str(step.stopped))
            verdicts.append((standing, verdict))
        for node, routers in own.items():
            entries.setdefault(node, []).extend(handover.with_leave(routers, leaving.get(node)))
    return verdicts, entries


def _unowned(everyone: Sequence[Standing], step: upgrade.Step, snapshot: Snapshot) -> dict[str, list[VirtualRouter]]:
    unowned = orphans(snapshot, {standing.name for standing in everyone})
    return {node: handover.with_leave(routers, step.asked.get(node)) for node, routers in unowned.items()}


def _others(concerned: Sequence[Standing], nodes: Iterable[str], snapshot: Snapshot) -> dict[str, list[VirtualRouter]]:
    """What stands in the same documents and is not looked at, as it is."""
    looked_at = {standing.name for standing in concerned}
    nodes = {*nodes}.union(*(standing.entries for standing in concerned))
    routers = {node: snapshot.document_of[node].spec.virtual_routers for node in nodes}
    return {node: [router for router in listed if router.name not in looked_at] for node, listed in routers.items()}


def _for_floating_ips(verdicts: Sequence[tuple[Standing, Verdict]], snapshot: Snapshot) -> Plan:
    """Finalizers, statuses and Events."""
    add, remove, statuses = [], [], []
    for standing, verdict in verdicts:
        floating_ip = standing.floating_ip
        is_deleted = floating_ip.metadata.deletion_timestamp is not None
        if names.FINALIZER not in floating_ip.metadata.finalizers:
            add += [] if is_deleted else [floating_ip]
        elif is_deleted and not snapshot.is_definition_deleted and is_gone(standing, snapshot):
            remove.append(floating_ip)
            continue  # the object ends with this write
        status = fold(standing, verdict, snapshot)
        if status != floating_ip.status:
            statuses.append((floating_ip, status))
    return Plan(
        add_finalizer=tuple(add),
        remove_finalizer=tuple(remove),
        statuses=tuple(statuses),
        events=tuple(event for change in statuses for event in events_between(*change)),
    )


def _refusals(
    concerned: Sequence[Standing], everyone: Sequence[Standing], snapshot: Snapshot
) -> dict[str, acceptance.Refusal | None]:
    """Why each is not accepted, or None; by itself first, then for the sync group it is in."""
    alone: dict[str, acceptance.Refusal | None] = {}
    with_id: dict[int | None, list[Standing]] = {}
    asked = {one.name for one in concerned}
    for one in everyone:
        older = with_id.setdefault(one.virtual_router_id, [])
        if one.name in asked:
            alone[one.name] = acceptance.refusal(one, older, snapshot)
        older.append(one)
    return {one.name: alone[one.name] or sync_groups.mismatch(one, everyone, alone, snapshot) for one in concerned}


def _one(
    standing: Standing,
    everyone: Sequence[Standing],
    refusals: Mapping[str, acceptance.Refusal | None],
    chosen: dict[str, int],
    snapshot: Snapshot,
) -> tuple[Verdict, dict[str, list[VirtualRouter]]]:
    """What becomes of one floating IP, and its entries by node."""
    floating_ip = standing.floating_ip
    if floating_ip.metadata.deletion_timestamp is not None:
        if snapshot.is_definition_deleted:
            return Verdict(waits=Wait("the CRD is being deleted: that is no order to let go")), standing.entries
        return Verdict(is_deleting=True), rollout.let_go(standing, snapshot)
    is_suspended = floating_ip.spec.suspend
    kept = rollout.let_go(standing, snapshot) if is_suspended else standing.entries
    if (refused := refusals[standing.name]) is not None:
        return Verdict(refusal=refused, is_suspended=is_suspended), kept
    virtual_router_id = acceptance.allocated(standing, everyone, chosen, snapshot)
    if virtual_router_id is None:
        lowest, highest = snapshot.virtual_router_ids
        message = f"every virtual router ID of {lowest} to {highest} is in use on its subnets"
        exhausted = (Reason.VIRTUAL_ROUTER_IDS_EXHAUSTED, message)
        return Verdict(unallocated=exhausted, is_suspended=is_suspended), kept
    chosen[standing.name] = virtual_router_id
    verdict = Verdict(virtual_router_id=virtual_router_id)
    if is_suspended:
        return dataclasses.replace(verdict, is_suspended=True), kept
    if names.FINALIZER not in floating_ip.metadata.finalizers:
        return verdict, standing.entries  # entries follow once their removal is certain
    try:
        group = sync_groups.members(standing, everyone, refusals)
        own, waits = rollout.next_entries(standing, group, virtual_router_id, snapshot)
    except priorities.PrioritiesExhausted as error:
        return dataclasses.replace(verdict, refusal=(Reason.PRIORITIES_EXHAUSTED, str(error))), standing.entries
    if not any(router.release is None for routers in own.values() for router in routers):
        verdict = dataclasses.replace(verdict, unallocated=(Reason.NO_MATCHING_NODES, _no_nodes(snapshot)))
    unserved = acceptance.unsupported(standing, snapshot) or acceptance.secret_missing(standing, snapshot)
    verdict = dataclasses.replace(verdict, refusal=unserved)
    if waits is None and (unusable := handover.unusable_preference(standing, own)):
        waits = Wait(unusable)
    return dataclasses.replace(verdict, waits=waits), own


def _no_nodes(snapshot: Snapshot) -> str:
    message = "no node with a living agent matches and has an interface whose subnet holds the first address"
    if not (excluded := snapshot.excluded_nodes):
        return message
    more = f" and {len(excluded) - _NAMED} more" if len(excluded) > _NAMED else ""
    return f"{message}; the label {EXCLUDED} keeps out {', '.join(excluded[:_NAMED])}{more}"


def orphans(snapshot: Snapshot, known: set[str]) -> dict[str, list[VirtualRouter]]:
    """Entries without a FloatingIP: nobody gave an order to let go (a store restored from a backup looks like this), so they stay, but one
    that was asked to let go leaves the list when that is confirmed."""
    found: dict[str, list[VirtualRouter]] = {}
    for document in snapshot.documents:
        said = document.status.virtual_routers if document.status else []
        done = {(router.name, router.family, router.released_request_id) for router in said}
        for router in document.spec.virtual_routers:
            request = router.release.request_id if router.release else None
            if router.name not in known and (request is None or (router.name, router.family, request) not in done):
                found.setdefault(document.metadata.name, []).append(router)
    return found


def changed_specs(
    entries: Mapping[str, list[VirtualRouter]], documents: Iterable[FloatingIPNode], snapshot: Snapshot
) -> tuple[tuple[FloatingIPNode, FloatingIPNodeSpec], ...]:
    """Of these documents, those that are to say something else than they do."""
    changed = []
    for document in sorted(documents, key=lambda document: document.metadata.name):
        routers = sorted(_fitting(entries.get(document.metadata.name, []), document), key=_key)
        is_ours = document.metadata.annotations.get(names.CLUSTER, "") == snapshot.cluster_uid
        if not is_ours or routers != sorted(document.spec.virtual_routers, key=_key):
            changed.append((document, FloatingIPNodeSpec(virtual_routers=routers)))
    return tuple(changed)


def _fitting(routers: list[VirtualRouter], document: FloatingIPNode) -> list[VirtualRouter]:
    """What a document takes: those that are there, then newcomers, the oldest FloatingIP's first."""
    if len(routers) <= MOST_ROUTERS:
        return routers
    there = {_key(router) for router in document.spec.virtual_routers}
    return sorted(routers, key=lambda router: _key(router) not in there)[:MOST_ROUTERS]


def _key(router: VirtualRouter) -> tuple[str, str]:
    """A list with keys has no order of its own on the API server."""
    return router.name, router.family


def is_gone(standing: Standing, snapshot: Snapshot) -> bool:
    """Every node has confirmed, or a human said that it is off. Of a document that cannot be read nobody knows."""
    live = {n for n, rs in standing.entries.items() if any(not standing.is_released(n, r) for r in rs)}
    return live | standing.unlisted.keys() | snapshot.unreadable <= standing.abandoned


def _wants_document(name: str, snapshot: Snapshot) -> bool:
    node = snapshot.node_of[name]
    selected = all(node.labels.get(key) == value for key, value in snapshot.node_selector.items())
    runs_agents = selected and taints.are_tolerated(node.taints, snapshot.tolerations)
    return runs_agents and name not in snapshot.document_of and name not in snapshot.unreadable


def _is_over(document: FloatingIPNode, snapshot: Snapshot) -> bool:
    """The Node is gone, and nothing is left that its agent could hold, by its own word or by a human's."""
    if document.metadata.name in snapshot.node_of:
        return False
    said = document.status.virtual_routers if document.status else []
    held = {router.name for router in said if router.released_request_id is None}
    if document.spec.virtual_routers:
        return held.union(router.name for router in document.spec.virtual_routers) <= _forgotten(document, snapshot)
    is_confirmed = document.status is None or snapshot.is_confirmed(document.metadata.name)
    return not held and is_confirmed


def _forgotten(document: FloatingIPNode, snapshot: Snapshot) -> set[str]:
    """The FloatingIPs of which a human said that the node is off, be it that they are gone since."""
    node, known = document.metadata.name, snapshot.floating_ip_of
    going = {router.name for router in document.spec.virtual_routers if router.release and router.name not in known}
    return going.union(name for name, entry in known.items() if node in snapshot.abandoned_by(entry))


def _annotation(standing: Standing) -> tuple[FloatingIP, str | None] | None:
    text = standing.floating_ip.metadata.annotations.get(names.ABANDON)
    if text is None:
        return None
    remaining = ",".join(sorted(standing.abandoned))
    return None if remaining == text else (standing.floating_ip, remaining or None)


def secrets(entries: dict[str, list[VirtualRouter]]) -> set[str]:
    authentications = [a for routers in entries.values() for r in routers if (a := r.vrrp.authentication) is not None]
    references = [a.secret_ref for a in authentications] + [
        key.secret_ref for a in authentications for key in a.keys or ()
    ]
    return {reference.name for reference in references if reference is not None}
