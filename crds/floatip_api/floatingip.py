"""The FloatingIP: what a user wants, and what has become of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from floatip_api.base import Metadata, Model
from floatip_api.parts import (
    VRRP,
    AddressWithPrefix,
    Condition,
    DateTime,
    Family,
    InterfaceName,
    IPAddress,
    LinkDamping,
    NodeName,
    Preemption,
    Priority,
    Probe,
    Route,
    RoutingRule,
    State,
    SyncGroup,
    TrackedInterface,
    VirtualRouterID,
    Warning,  # noqa: A004
)

LabelValue = Annotated[str, Field(max_length=63)]


class LabelSelectorRequirement(Model):
    """One requirement on a label."""

    key: Annotated[str, Field(min_length=1, max_length=317)] = Field(description="The label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label relates to the values."
    )
    values: Annotated[list[LabelValue], Field(max_length=32)] | None = Field(
        default=None, description="Required with In and NotIn, forbidden with the others."
    )


class LabelSelector(Model):
    """Selects nodes by their labels; all parts must hold."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=16)] | None = Field(
        default=None, description="Labels and the values they must have."
    )
    match_expressions: Annotated[list[LabelSelectorRequirement], Field(max_length=16)] | None = Field(
        default=None, description="Requirements on labels."
    )


class NodeEntry(Model):
    """Nodes that may hold the addresses, by name or by labels; the first entry that matches a node wins."""

    name: NodeName | None = Field(default=None, description="The node's name. Exactly one of name and selector.")
    selector: LabelSelector | None = Field(
        default=None, description="The nodes' labels. Exactly one of name and selector."
    )
    priority: Priority | None = Field(
        default=None,
        description="1 to 254, the highest living node holds the addresses; 255 only for the node that owns the address. Absent: given "
        "by the operator.",
    )
    interface: InterfaceName | None = Field(default=None, description="Absent: the FloatingIP's.")
    source_addresses: Annotated[list[IPAddress], Field(max_length=2)] | None = Field(
        default=None,
        description="Where advertisements are sent from, one for each family. Absent: the interface's own address.",
    )


class FloatingIPSpec(Model):
    """What the user wants."""

    addresses: Annotated[list[AddressWithPrefix], Field(min_length=1, max_length=64)] = Field(
        description="The addresses with their subnet's prefix length, in canonical text. One virtual router a family; the two always "
        "move together."
    )
    excluded_addresses: Annotated[list[AddressWithPrefix], Field(max_length=64)] = Field(
        default=[],
        description="Held with the others but not carried in advertisements (keepalived's virtual_ipaddress_excluded); of either family.",
    )
    virtual_router_id: VirtualRouterID | None = Field(
        default=None, description="1 to 255, immutable once set. Absent: allocated, kept for the object's life."
    )
    interface: InterfaceName | None = Field(
        default=None,
        description="Absent: on each node the interface whose subnet holds the first address (longest prefix, then lowest name).",
    )
    nodes: Annotated[list[NodeEntry], Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Absent: all nodes with an agent."
    )
    candidates: Annotated[int, Field(ge=1, le=16)] = Field(
        default=5, description="How many nodes take part at most; nodes given by name always do."
    )
    suspend: bool = Field(default=False, description="true: held by nobody, kept as it is.")
    vrrp: VRRP = Field(default=VRRP(), description="How the virtual router speaks on the wire.")
    preemption: Preemption = Field(
        default=Preemption(), description="Whether a node of higher priority takes the addresses back."
    )
    probes: Annotated[list[Probe], Field(max_length=16)] = Field(
        default=[], description="Checks that each node runs on itself."
    )
    tracked_interfaces: Annotated[list[TrackedInterface], Field(max_length=16)] = Field(
        default=[], description="Other interfaces that must be up; the floating IP's own always is tracked."
    )
    link_damping: LinkDamping | None = Field(
        default=None,
        description="Flaps of those interfaces that are not worth a transition (keepalived's interface_up_down_delays). Absent: every "
        "change of a link counts at once.",
    )
    routes: Annotated[list[Route], Field(max_length=64)] = Field(
        default=[], description="Routes that are there only while Active, in the order in which they are made."
    )
    rules: Annotated[list[RoutingRule], Field(max_length=64)] = Field(
        default=[], description="Routing rules that are there only while Active."
    )
    sync_group: SyncGroup | None = Field(
        default=None,
        description="Floating IPs with one value move together on every node: one that cannot be held on a node keeps all of them off it. "
        "They get the same candidates in the same order, so nodes (but for interface and sourceAddresses), candidates and preemption must "
        "be alike. On each node the lowest priority of its members counts for all.",
    )


class NodeStatus(Model):
    """One virtual router of one node, as its agent reported it."""

    name: NodeName = Field(description="The node.")
    family: Family = Field(description="IPv4 or IPv6.")
    state: State = Field(
        description="Initialize, Backup, Active (RFC 9568), Fault (a probe or an interface keeps the node out), Unknown (its agent has "
        "not been heard of)."
    )
    priority: int | None = Field(default=None, description="The priority the node was given.")
    effective_priority: int | None = Field(default=None, description="The priority less what failing probes take off.")
    interface: str | None = Field(default=None, description="The interface it speaks on.")
    since: DateTime | None = Field(default=None, description="When the state changed last, by the node's clock.")
    transitions: int | None = Field(default=None, description="State changes since the agent's engine started.")
    reason: Annotated[str, Field(max_length=1024)] | None = Field(default=None, description="Why it is in this state.")
    warnings: Annotated[list[Warning], Field(max_length=16)] = Field(
        default=[], description="What is odd, by its agent's word; each is also told as an Event when it appears."
    )


class Display(Model):
    """For kubectl's columns only."""

    addresses: Annotated[str, Field(max_length=4096)] = Field(description="The addresses without prefix lengths.")
    nodes: Annotated[str, Field(max_length=8192)] = Field(description="The nodes with their states.")


class FloatingIPStatus(Model):
    """What has become of it; written by the operator."""

    active_node: str | None = Field(default=None, description="Who holds it; absent while none or more than one does.")
    active_nodes: list[str] = Field(default=[], description="All nodes that are Active in every family the object has.")
    virtual_router_id: VirtualRouterID | None = Field(default=None, description="The router ID in use.")
    nodes: list[NodeStatus] = Field(default=[], description="The virtual routers by node and family.")
    display: Display | None = Field(default=None, description="For kubectl's columns only.")
    conditions: list[Condition] = Field(default=[], description="Accepted, Allocated, Ready, SingleHolder, Degraded.")
    observed_generation: int | None = Field(default=None, description="The generation that this status is about.")


class FloatingIP(Model):
    """Addresses that one node of the cluster holds at a time, elected by VRRP."""

    api_version: Literal["floatip.dev/v1alpha1"] = "floatip.dev/v1alpha1"
    kind: Literal["FloatingIP"] = "FloatingIP"
    metadata: Metadata
    spec: FloatingIPSpec
    status: FloatingIPStatus | None = None
