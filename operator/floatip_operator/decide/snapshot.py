"""The cluster as one decision sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from floatip_api import names, selection
from floatip_api.v1alpha1 import (
    FloatingIP,
    FloatingIPNode,
    LabelSelector,
    NodeEntry,
    VirtualRouter,
    VirtualRouterStatus,
)

from floatip_operator.decide import links

UNKNOWN_AFTER = 40.0
"""Seconds without a renewed Lease after which an agent counts as Unknown."""
MOST_ROUTERS = 1024
"""Virtual routers that a node's document takes."""
REPLACED_AFTER = 600.0
"""Seconds after which a candidate that stays away is replaced."""


ZONE = "topology.kubernetes.io/zone"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
"""Labels of Nodes that Kubernetes itself defines. The second counts whatever its value is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """What decisions need of a Kubernetes Node."""

    name: str
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    taints: tuple[Mapping[str, Any], ...] = ()
    is_ready: bool = True
    """Its kubelet is there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """An agent's Pod. `digest` tells from which settings it was made, `trouble` what the kubelet says of a container that does not run,
    `age` seconds since the Pod was first seen in this condition (ready or not, ending or not)."""

    name: str
    uid: str
    node: str
    digest: str
    is_ready: bool = True
    is_leaving: bool = False
    trouble: str | None = None
    age: float = 0.0


class Carried(NamedTuple):
    """A virtual router that a node has, or may have."""

    node: str
    name: str
    """The FloatingIP's."""
    virtual_router_id: int | None
    interface: str | None
    addresses: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """All ages are seconds by the operator's own monotonic clock: `lease_ages` since an agent's Lease was last seen to change,
    `claim_ages` since a node was first seen Active for a FloatingIP without a break (keys: FloatingIP, node), `asked_ages` since
    a roll-out's request to leave was first seen in a node's entries, `pod_gone_ages` since a node's last Pod was seen to go. `now`
    is RFC 3339 text, for people."""

    cluster_uid: str
    now: str
    floating_ips: tuple[FloatingIP, ...] = ()
    documents: tuple[FloatingIPNode, ...] = ()
    nodes: tuple[Node, ...] = ()
    lease_ages: Mapping[str, float] = dataclasses.field(default_factory=dict)
    heard: frozenset[str] = frozenset()
    """Nodes whose Lease this operator has seen to be renewed: a Lease that was there at its start may be a dead agent's."""
    unreadable: frozenset[str] = frozenset()
    """Nodes whose FloatingIPNode is there and cannot be read: nothing is known of what they hold."""
    unread: frozenset[str] = frozenset()
    """FloatingIPs that have an entry in one of those."""
    claim_ages: Mapping[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    asked_ages: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pod_gone_ages: Mapping[str, float] = dataclasses.field(default_factory=dict)
    version: str = ""
    """Of the operator itself."""
    agent_digest: str | None = None
    """Of the settings that agents' Pods are to be made from; None: their DaemonSet is somebody else's."""
    cluster_ranges: tuple[str, ...] = ()
    """Pod and Service ranges, in which no floating address may lie."""
    virtual_router_ids: tuple[int, int] = (20, 250)
    node_selector: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ({"operator": "Exists"},)
    """Like the node selector the agents': without a DaemonSet of ours every node may have one."""
    ignores_exclusion: bool = False
    """The label `EXCLUDED` counts for nothing."""
    is_definition_deleted: bool = False
    """The FloatingIP CRD is being deleted: its objects' deletionTimestamps are no order to let go."""

    @cached_property
    def document_of(self) -> dict[str, FloatingIPNode]:
        return {document.metadata.name: document for document in self.documents}

    @cached_property
    def node_of(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def usable_nodes(self) -> tuple[Node, ...]:
        """Those with a document that are not excluded from external load balancers."""
        excluded = set(self.excluded_nodes)
        return tuple(n for n in self.nodes if n.name in self.document_of and n.name not in excluded)

    @cached_property
    def excluded_nodes(self) -> tuple[str, ...]:
        """Those with a document that the label keeps out."""
        labelled = [n.name for n in self.nodes if n.name in self.document_of and EXCLUDED in n.labels]
        return () if self.ignores_exclusion else tuple(sorted(labelled))

    @cached_property
    def everyone(self) -> dict[str, NodeEntry]:
        """What a FloatingIP that names no nodes says of them."""
        return {node.name: NodeEntry(name=node.name) for node in self.usable_nodes}

    @cached_property
    def _selected(self) -> dict[str, list[str]]:
        return {}

    def selected(self, selector: LabelSelector) -> list[str]:
        """The usable nodes that it selects: many floating IPs have the same few selectors."""
        key = selector.model_dump_json()
        if key not in self._selected:
            self._selected[key] = [n.name for n in self.usable_nodes if selection.selects(selector, n.labels)]
        return self._selected[key]

    @cached_property
    def places(self) -> links.Places:
        return links.Places(self.documents)

    @cached_property
    def entries_of(self) -> dict[str, dict[str, list[VirtualRouter]]]:
        """What stands in the documents, by FloatingIP and node."""
        found: dict[str, dict[str, list[VirtualRouter]]] = {}
        for document in self.documents:
            for router in document.spec.virtual_routers:
                found.setdefault(router.name, {}).setdefault(document.metadata.name, []).append(router)
        return found

    @cached_property
    def reported_of(self) -> dict[str, dict[str, list[VirtualRouterStatus]]]:
        """What the agents say, fresh or not, by FloatingIP and node."""
        found: dict[str, dict[str, list[VirtualRouterStatus]]] = {}
        for document in self.documents:
            for said in document.status.virtual_routers if document.status else []:
                found.setdefault(said.name, {}).setdefault(document.metadata.name, []).append(said)
        return found

    @cached_property
    def listing(self) -> dict[links.Address, list[FloatingIP]]:
        """By address, the FloatingIPs that list it, the oldest first."""
        found: dict[links.Address, list[FloatingIP]] = {}
        for floating_ip in self.by_age:
            for address in links.addresses_of(floating_ip):
                found.setdefault(address, []).append(floating_ip)
        return found

    @cached_property
    def place_of(self) -> dict[str, int]:
        """By name, the FloatingIP's place in the order of age."""
        return {floating_ip.metadata.name: place for place, floating_ip in enumerate(self.by_age)}

    @cached_property
    def spoken(self) -> dict[links.Network, dict[int, set[str | None]]]:
        """By subnet, the router IDs that agents run there by their own word, with the FloatingIPs (None: a stranger's)."""
        found: dict[links.Network, dict[int, set[str | None]]] = {}
        for document in self.documents:
            status = document.status
            heard = [(f.interface, f.virtual_router_id, None) for f in status.foreign_routers] if status else []
            run = [(r.interface or "", r.virtual_router_id, r.name) for r in status.virtual_routers] if status else []
            for interface, virtual_router_id, name in (*heard, *run):
                place = self.places.named(document.metadata.name, interface)
                if place is None or virtual_router_id is None:
                    continue
                for network in place.networks:
                    found.setdefault(network, {}).setdefault(virtual_router_id, set()).add(name)
        return found

    @cached_property
    def carried_ids(self) -> dict[int, list[Carried]]:
        """By router ID, what the nodes carry with it."""
        found: dict[int, list[Carried]] = {}
        for carried in self._carried:
            if carried.virtual_router_id is not None:
                found.setdefault(carried.virtual_router_id, []).append(carried)
        return found

    def place(self, carried: Carried) -> links.Place | None:
        """Where the node carries it; None: it has no such interface (any more)."""
        if carried.interface is not None:
            return self.places.named(carried.node, carried.interface)
        first = next((links.read(text).ip for text in carried.addresses), None)
        return self.places.holding(first, None).get(carried.node) if first is not None else None

    @cached_property
    def able(self) -> frozenset[str]:
        """Nodes whose agent lives and that have room for one more."""
        return frozenset(node for node in self.document_of if self.has_room(node) and self.is_fresh(node))

    @cached_property
    def full(self) -> frozenset[str]:
        return frozenset(node for node in self.document_of if not self.has_room(node))

    def zone_of(self, node: str) -> str:
        """Nodes without a zone are in one, which has no name."""
        return self.zones[node]

    @cached_property
    def zones(self) -> dict[str, str]:
        return {node.name: node.labels.get(ZONE, "") for node in self.nodes}

    @cached_property
    def floating_ip_of(self) -> dict[str, FloatingIP]:
        return {floating_ip.metadata.name: floating_ip for floating_ip in self.floating_ips}

    @cached_property
    def by_age(self) -> tuple[FloatingIP, ...]:
        """The oldest first: it wins every conflict."""
        return tuple(sorted(self.floating_ips, key=lambda f: (f.metadata.creation_timestamp, f.metadata.uid)))

    @cached_property
    def carriers(self) -> dict[str, set[str]]:
        """By address without prefix, for whom nodes carry it."""
        found: dict[str, set[str]] = {}
        for carried in self._carried:
            for text in carried.addresses:
                found.setdefault(text.partition("/")[0], set()).add(carried.name)
        return found

    @cached_property
    def _carried(self) -> tuple[Carried, ...]:
        """By the nodes' entries, and by the agents' last words: a node that cannot be reached goes on with what it had, and so does one
        whose FloatingIP and entry a restored store has lost. An entry that was asked to let go and whose FloatingIP is gone does not
        count: that FloatingIP went only after the node confirmed, or after a human said that the node is off."""
        known = self.floating_ip_of
        found = []
        for document in self.documents:
            node, routers = document.metadata.name, document.spec.virtual_routers
            listed = {router.name for router in routers}
            for router in routers:
                if router.name in known or router.release is None:
                    held = [*router.addresses, *router.excluded_addresses]
                    found.append(Carried(node, router.name, router.virtual_router_id, router.interface, held))
            for said in document.status.virtual_routers if document.status else []:
                owner = known.get(said.name)
                is_over = node in self.abandoned_by(owner) if owner else said.name in listed
                if not is_over and said.released_request_id is None:
                    found.append(Carried(node, said.name, said.virtual_router_id, said.interface, said.addresses))
        return tuple(found)

    def abandoned_by(self, floating_ip: FloatingIP) -> frozenset[str]:
        """Nodes of which a human says that they are off; one that is heard again is not."""
        text = floating_ip.metadata.annotations.get(names.ABANDON, "")
        said = {name.strip() for name in text.split(",") if name.strip()}
        return frozenset(node for node in said if not (self.is_fresh(node) and node in self.heard))

    def has_room(self, node: str) -> bool:
        """For both families of one more floating IP."""
        return len(self.document_of[node].spec.virtual_routers) + 2 <= MOST_ROUTERS

    def lease_age(self, node: str) -> float:
        return self.lease_ages.get(node, float("inf"))

    def is_fresh(self, node: str) -> bool:
        """The node runs the agent: it has reported itself, and its Lease is renewed."""
        return node in self._fresh

    @cached_property
    def _fresh(self) -> frozenset[str]:
        heard = {node for node, age in self.lease_ages.items() if age < UNKNOWN_AFTER}
        return frozenset(d.metadata.name for d in self.documents if d.status and d.status.agent) & heard

    def is_confirmed(self, node: str) -> bool:
        """The agent runs the newest version of its document."""
        document = self.document_of[node]
        observed = document.status.observed_generation if document.status else None
        return observed is not None and observed >= document.metadata.generation

    def is_away(self, node: str) -> bool:
        return node not in self.node_of or self.lease_age(node) >= REPLACED_AFTER
