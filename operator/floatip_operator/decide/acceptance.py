"""Whether a floating IP can be served at all, beside the others and the cluster's own addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from floatip_api import wire
from floatip_api.conditions import Reason
from floatip_api.v1alpha1 import VirtualRouter

from floatip_operator.decide import links, priorities
from floatip_operator.decide.allocation import allocate
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.decide.standing import Standing

Refusal = tuple[Reason, str]
_REFUSED = "refused: "
"""How an agent begins its reason for an entry that it cannot run."""


def refusal(standing: Standing, older: Iterable[Standing], snapshot: Snapshot) -> Refusal | None:
    """Why it is not accepted, or None. The older of two that want the same address or router ID wins; `older` are those that
    have its router ID."""
    return (
        _address_in_use(standing, snapshot)
        or _address_carried(standing, snapshot)
        or _node_address(standing, snapshot)
        or _not_node_address(standing, snapshot)
        or _cluster_range(standing, snapshot)
        or _virtual_router_id_in_use(standing, older)
        or _virtual_router_id_carried(standing, snapshot)
    )


def unsupported(standing: Standing, snapshot: Snapshot) -> Refusal | None:
    """What an agent of another version does not do of what it was told: it passed over a field, or refused the entry and runs an earlier
    form. The entries go on all the same: they are what is to run once the agents can."""
    for node in sorted(standing.present):
        document = snapshot.document_of[node]
        status = document.status
        if status is None or status.agent is None or not snapshot.is_confirmed(node):
            continue
        agent = f"the agent of node {node}, version {status.agent.version},"
        for index, field in filter(None, map(_ignored, status.ignored_fields)):
            routers = document.spec.virtual_routers
            if index < len(routers) and routers[index].name == standing.name and _asks(routers[index], field):
                return Reason.UNSUPPORTED_BY_AGENTS, f"{agent} does not know {field}"
        if status.agent.version != snapshot.version and (reason := _refused(standing, node)):
            return Reason.UNSUPPORTED_BY_AGENTS, f"{agent} refuses it: {reason}"
    return None


def secret_missing(standing: Standing, snapshot: Snapshot) -> Refusal | None:
    """By the agents' word, since the operator reads no Secrets: a node does not run its entry as it is written for want of one. One that
    goes on with the last known value is no reason."""
    for node in sorted(standing.present):
        for said in standing.reported.get(node, []) if snapshot.is_fresh(node) else []:
            missing = [warning for warning in said.warnings if warning.reason == Reason.SECRET_MISSING]
            wanted = [router for router in standing.present[node] if router.family == said.family]
            if missing and said.digest not in [wire.digest(router) for router in wanted]:
                return Reason.SECRET_MISSING, f"node {node}: {missing[0].message}"
    return None


def _ignored(text: str) -> tuple[int, str] | None:
    """spec.virtualRouters[2].probes[0].udp -> 2, probes[0].udp"""
    found = re.fullmatch(r"spec\.virtualRouters\[(\d+)\]\.(.+)", text)
    return (int(found[1]), found[2]) if found else None


def _asks(router: VirtualRouter, field: str) -> bool:
    """Whether the entry wants something with this field. The defaults of newer fields stand in every entry and ask for nothing; a roll-out
    knows that an agent may not know `leave`."""
    if field == "leave":
        return False
    found: Any = router.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for word in re.findall(r"[^.\[\]]+", field):
        is_there = word.isdigit() and int(word) < len(found) if isinstance(found, list) else word in found
        if not is_there:
            return False
        found = found[int(word) if isinstance(found, list) else word]
    return True


def _refused(standing: Standing, node: str) -> str | None:
    """The agent's reason why it does not run the entry as it is written."""
    for said in standing.reported.get(node, []):
        if said.state == "Fault" and said.reason and said.reason.startswith(_REFUSED):
            return said.reason.removeprefix(_REFUSED)
        for warning in said.warnings:
            if warning.reason == "Refused":
                return warning.message
    return None


def _address_in_use(standing: Standing, snapshot: Snapshot) -> Refusal | None:
    own = set(links.addresses_of(standing.floating_ip))
    oldest = {snapshot.listing[address][0].metadata.name for address in own}
    other = min(oldest, key=snapshot.place_of.__getitem__)
    if other == standing.name:
        return None
    common = own.intersection(links.addresses_of(snapshot.floating_ip_of[other]))
    message = f"address {min(map(str, common))} belongs to FloatingIP {other}, which is older"
    return Reason.ADDRESS_IN_USE, message


def _address_carried(standing: Standing, snapshot: Snapshot) -> Refusal | None:
    """Older or not: an address that the nodes hold for somebody else is taken up only after they have let it go."""
    for address in sorted(map(str, links.addresses_of(standing.floating_ip))):
        if others := snapshot.carriers.get(address, set()) - {standing.name}:
            return Reason.ADDRESS_IN_USE, f"address {address} is still served on the nodes for {min(others)}"
    return None


def _node_address(standing: Standing, snapshot: Snapshot) -> Refusal | None:
    """An address of a node itself may only float from the node that owns it, with priority 255 there."""
    for address in links.addresses_of(standing.floating_ip):
        for node in sorted(snapshot.places.owners.get(address, ())):
            entry = standing.matching.get(node)
            if entry is None or entry.priority != priorities.OWNER:
                return Reason.ADDRESS_IS_NODE_ADDRESS, f"address {address} is node {node}'s own"
    return None


def _not_node_address(standing: Standing, snapshot: Snapshot) -> Refusal | None:
    """RFC 9568 5.2.4: 255 is "for the VRRP Router that owns the IPvX address"."""
    if all(entry.priority != priorities.OWNER for entry in standing.floating_ip.spec.nodes or []):
        return None
    owners = snapshot.places.owners
    for node, entry in sorted(standing.matching.items()):
        status = snapshot.document_of[node].status
        has_said = status is not None and status.agent is not None
        missing = [a for a in links.carried_by(standing.floating_ip) if node not in owners.get(a, ())]
        if entry.priority == priorities.OWNER and has_said and missing:
            message = f"priority 255 on node {node}, which does not own {min(map(str, missing))}"
            return Reason.ADDRESS_IS_NOT_NODE_ADDRESS, message
    return None


def _cluster_range(standing: Standing, snapshot: Snapshot) -> Refusal | None:
    for text in snapshot.cluster_ranges:
        network = ipaddress.ip_network(text, strict=False)
        for address in links.addresses_of(standing.floating_ip):
            if address.version == network.version and address in network:
                message = f"address {address} lies in {network}, a Pod or Service range of the cluster"
                return Reason.ADDRESS_IN_CLUSTER_RANGE, message
    return None


def _virtual_router_id_in_use(standing: Standing, older: Iterable[Standing]) -> Refusal | None:
    wanted = standing.virtual_router_id
    for other in older if wanted is not None else ():
        if standing.lans & other.lans:
            message = f"virtual router ID {wanted} is used by FloatingIP {other.name} on a subnet that both share"
            return Reason.VIRTUAL_ROUTER_ID_IN_USE, message
    return None


def _virtual_router_id_carried(standing: Standing, snapshot: Snapshot) -> Refusal | None:
    """Older or not: one that begins does not take an ID that nodes run for another on a subnet that both would share, be it without a
    FloatingIP and an entry (a store restored from a backup has lost both)."""
    if standing.entries:
        return None
    for carried in snapshot.carried_ids.get(standing.virtual_router_id or 0, []):
        place = snapshot.place(carried)
        if carried.name != standing.name and place is not None and standing.lans & place.networks:
            message = f"virtual router ID {carried.virtual_router_id} is in use for {carried.name} on {carried.node}"
            return Reason.VIRTUAL_ROUTER_ID_IN_USE, message
    return None


def allocated(
    standing: Standing, others: Iterable[Standing], chosen: Mapping[str, int], snapshot: Snapshot
) -> int | None:
    """The router ID it has, or a new one; `chosen` are those given in this very step. None: all are in use."""
    if standing.virtual_router_id is not None:
        return standing.virtual_router_id
    used = _heard(standing, snapshot)
    for other in (other for other in others if other is not standing):
        known = other.virtual_router_id or chosen.get(other.name)
        if known is not None and standing.lans & other.lans:
            used.add(known)
    return allocate(snapshot.cluster_uid, snapshot.virtual_router_ids, used)


def _heard(standing: Standing, snapshot: Snapshot) -> set[int]:
    """IDs that agents hear from strangers, or that agents run on these LANs by their own word or an entry nobody owns any more."""
    return {
        virtual_router_id
        for network in standing.lans
        for virtual_router_id, names in snapshot.spoken.get(network, {}).items()
        if names != {standing.name}
    }
