"""The cluster as one decision sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from floatip_api import names
from floatip_api.v1alpha1 import FloatingIP, FloatingIPNode

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
        return tuple(n for n in self.nodes if n.name in self.document_of and EXCLUDED not in n.labels)

    def zone_of(self, node: str) -> str:
        """Nodes without a zone are in one, which has no name."""
        return self.node_of[node].labels.get(ZONE, "")

    @cached_property
    def floating_ip_of(self) -> dict[str, FloatingIP]:
        return {floating_ip.metadata.name: floating_ip for floating_ip in self.floating_ips}

    @cached_property
    def by_age(self) -> tuple[FloatingIP, ...]:
        """The oldest first: it wins every conflict."""
        return tuple(sorted(self.floating_ips, key=lambda f: (f.metadata.creation_timestamp, f.metadata.uid)))

    @cached_property
    def carriers(self) -> dict[str, set[str]]:
        """By address without prefix: whose entries carry it on a node, or whose router holds it by the agent's last word: a node that
        cannot be reached goes on with what it had, and so does one whose FloatingIP and entry a restored store has lost. An entry that was
        asked to let go and whose FloatingIP is gone does not count: that FloatingIP went only after the node confirmed, or after
        a human said that the node is off."""
        known = self.floating_ip_of
        found: dict[str, set[str]] = {}
        for document in self.documents:
            listed = {router.name for router in document.spec.virtual_routers}
            for router in document.spec.virtual_routers:
                if router.name in known or router.release is None:
                    for text in [*router.addresses, *router.excluded_addresses]:
                        found.setdefault(text.partition("/")[0], set()).add(router.name)
            for said in document.status.virtual_routers if document.status else []:
                owner = known.get(said.name)
                is_over = document.metadata.name in self.abandoned_by(owner) if owner else said.name in listed
                if not is_over and said.released_request_id is None:
                    for text in said.addresses:
                        found.setdefault(text.partition("/")[0], set()).add(said.name)
        return found

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
        document = self.document_of.get(node)
        has_agent = document is not None and document.status is not None and document.status.agent is not None
        return has_agent and self.lease_age(node) < UNKNOWN_AFTER

    def is_confirmed(self, node: str) -> bool:
        """The agent runs the newest version of its document."""
        document = self.document_of[node]
        observed = document.status.observed_generation if document.status else None
        return observed is not None and observed >= document.metadata.generation

    def is_away(self, node: str) -> bool:
        return node not in self.node_of or self.lease_age(node) >= REPLACED_AFTER
