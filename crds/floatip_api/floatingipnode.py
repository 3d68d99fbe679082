"""The FloatingIPNode: an agent's whole input (spec, by the operator) and all it says (status, by the agent)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from floatip_api.base import Metadata, Model
from floatip_api.parts import (
    VRRP,
    AddressWithPrefix,
    DateTime,
    Family,
    InterfaceName,
    IPAddress,
    LinkDamping,
    ObjectName,
    Preemption,
    Priority,
    Probe,
    Route,
    RoutingRule,
    SyncGroup,
    TrackedInterface,
    VirtualRouterID,
    Warning,  # noqa: A004
)

RequestID = Annotated[str, Field(min_length=1, max_length=128)]


class Request(Model):
    """An order to the agent, confirmed in its status."""

    request_id: RequestID = Field(description="What the agent confirms with.")


class VirtualRouter(Model):
    """One virtual router of this node; name and family together are unique."""

    name: Annotated[ObjectName, Field(max_length=63)] = Field(description="The FloatingIP.")
    family: Family = Field(description="IPv4 or IPv6; the family of all its addresses.")
    virtual_router_id: VirtualRouterID = Field(description="1 to 255.")
    addresses: Annotated[list[AddressWithPrefix], Field(min_length=1, max_length=64)] = Field(
        description="With prefix length, in canonical text, of one family."
    )
    excluded_addresses: Annotated[list[AddressWithPrefix], Field(max_length=64)] = Field(
        default=[], description="Held with the others but not carried in advertisements; of either family."
    )
    priority: Priority = Field(description="1 to 254; 255 for the node that owns the address.")
    interface: InterfaceName | None = Field(default=None, description="Absent: found on the node.")
    source_address: IPAddress | None = Field(default=None, description="Absent: the interface's own.")
    peers: Annotated[list[IPAddress], Field(max_length=64)] = Field(
        default=[],
        description="With Unicast: where advertisements go and from whom they are taken. Empty: the router is silent and takes no part.",
    )
    leave: Request | None = Field(
        default=None,
        description="A request to hand the role over once, on purpose. While it stands the router comes last (effective priority 1): "
        "it is Active only when no other is there. Absent: none.",
    )
    release: Request | None = Field(default=None, description="A request to let go for good. Absent: none.")
    vrrp: VRRP = Field(default=VRRP(), description="How the virtual router speaks on the wire.")
    preemption: Preemption = Field(default=Preemption(), description="Whether a higher priority takes over.")
    probes: Annotated[list[Probe], Field(max_length=16)] = Field(
        default=[], description="Checks that the node runs on itself, once for each FloatingIP."
    )
    tracked_interfaces: Annotated[list[TrackedInterface], Field(max_length=16)] = Field(
        default=[], description="Other interfaces that must be up."
    )
    link_damping: LinkDamping | None = Field(
        default=None,
        description="Flaps of the interfaces that are not worth a transition. Absent: none.",
    )
    routes: Annotated[list[Route], Field(max_length=64)] = Field(
        default=[], description="Routes that are there only while Active, in the order in which they are made."
    )
    rules: Annotated[list[RoutingRule], Field(max_length=64)] = Field(
        default=[], description="Routing rules that are there only while Active."
    )
    sync_group: SyncGroup | None = Field(
        default=None,
        description="Routers with one value are Active together or not at all. Absent: those of the FloatingIP.",
    )


class FloatingIPNodeSpec(Model):
    """The virtual routers that this node runs; written by the operator."""

    virtual_routers: Annotated[list[VirtualRouter], Field(max_length=1024)] = Field(
        default=[], description="A missing entry is never an order to let go: release is."
    )


class AgentInfo(Model):
    """The agent and what the node grants it."""

    version: Annotated[str, Field(max_length=64)] = Field(description="floatip's version.")
    scheduling: Literal["RealTime", "Nice", "Normal"] = Field(description="The scheduling class that the engine got.")
    fence: Literal["Nftables", "AddressLifetime"] = Field(
        description="What takes an address away when the agent is gone: the kernel's lifetime of addresses, or nftables."
    )


class Interface(Model):
    """A network interface of the node."""

    name: InterfaceName = Field(description="Its name.")
    up: bool = Field(description="Administratively up and with carrier.")
    addresses: list[AddressWithPrefix] = Field(default=[], description="The node's own addresses on it.")


class VirtualRouterStatus(Model):
    """One virtual router as the engine runs it."""

    name: str = Field(description="The FloatingIP.")
    family: Family = Field(description="IPv4 or IPv6.")
    virtual_router_id: VirtualRouterID | None = Field(default=None, description="1 to 255.")
    state: Literal["Initialize", "Backup", "Active", "Fault"] = Field(
        description="Initialize, Backup, Active or Fault."
    )
    priority: int | None = Field(default=None, description="As configured.")
    effective_priority: int | None = Field(default=None, description="Less what failing probes take off.")
    interface: str | None = Field(default=None, description="The interface it speaks on.")
    source_address: str | None = Field(default=None, description="Where its advertisements come from.")
    active_router: str | None = Field(default=None, description="The source address of the Active it follows.")
    since: DateTime | None = Field(default=None, description="When the state changed last, by the node's clock.")
    transitions: int | None = Field(default=None, description="State changes since the engine started.")
    reason: Annotated[str, Field(max_length=1024)] | None = Field(default=None, description="Why it is in this state.")
    addresses: Annotated[list[AddressWithPrefix], Field(max_length=128)] = Field(
        default=[], description="What it holds while Active, excluded addresses too."
    )
    digest: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="Of what it speaks and where (version, transport, authentication, interface ...): by it the operator sees what a node "
        "that it cannot reach goes on with.",
    )
    left_request_id: str | None = Field(
        default=None, description="The leave request that is done: the router stands by, and another one is Active."
    )
    released_request_id: str | None = Field(
        default=None, description="The release request that is done: the addresses are out of the kernel."
    )
    warnings: Annotated[list[Warning], Field(max_length=16)] = Field(default=[], description="What is odd.")


class ForeignRouter(Model):
    """A router ID heard from a stranger on an interface in use."""

    virtual_router_id: VirtualRouterID = Field(description="The ID it uses.")
    interface: str = Field(description="Where it was heard.")
    address: IPAddress = Field(description="Its source address.")
    last_seen: DateTime | None = Field(default=None, description="By the node's clock, not finer than a minute.")


class FloatingIPNodeStatus(Model):
    """What the node's agent says; written when something changed, never on a timer."""

    observed_generation: int | None = Field(default=None, description="The generation that the engine runs.")
    agent: AgentInfo | None = Field(default=None, description="The agent; absent until one ran.")
    interfaces: Annotated[list[Interface], Field(max_length=64)] = Field(
        default=[], description="The node's interfaces."
    )
    virtual_routers: Annotated[list[VirtualRouterStatus], Field(max_length=1024)] = Field(
        default=[], description="The virtual routers as they stand."
    )
    foreign_routers: Annotated[list[ForeignRouter], Field(max_length=64)] = Field(
        default=[], description="Router IDs of strangers."
    )
    ignored_fields: Annotated[list[str], Field(max_length=64)] = Field(
        default=[], description="Fields of a newer operator that this agent does not know."
    )


class FloatingIPNode(Model):
    """One node's share of all floating IPs. The operator writes spec, the node's agent status; nobody else either."""

    api_version: Literal["floatip.dev/v1alpha1"] = "floatip.dev/v1alpha1"
    kind: Literal["FloatingIPNode"] = "FloatingIPNode"
    metadata: Metadata
    spec: FloatingIPNodeSpec = FloatingIPNodeSpec()
    status: FloatingIPNodeStatus | None = None
