"""The parts that both kinds share: how a virtual router speaks, preempts and is probed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from floatip_api.base import Model

Family = Literal["IPv4", "IPv6"]
State = Literal["Initialize", "Backup", "Active", "Fault", "Unknown"]

AddressWithPrefix = Annotated[str, Field(min_length=1, max_length=43)]
IPAddress = Annotated[str, Field(min_length=1, max_length=39)]
InterfaceName = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[!-.0-9;-~]+$")]
"""ASCII without space, slash and colon: what the kernel takes."""
ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
]
NodeName = ObjectName
VirtualRouterID = Annotated[int, Field(ge=1, le=255)]
Priority = Annotated[int, Field(ge=1, le=255)]
SyncGroup = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
DateTime = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]


class SecretKeyReference(Model):
    """One key of a Secret in floatip's namespace. In static mode the file NAME/KEY beside the document."""

    name: ObjectName = Field(description="The Secret's name.")
    # A file's name in static mode: neither "." nor anything that begins with "..", as the API has it for keys.
    key: Annotated[
        str, Field(min_length=1, max_length=253, pattern=r"^([-_a-zA-Z0-9]|\.[-_a-zA-Z0-9])[-._a-zA-Z0-9]*$")
    ] = Field(description="The key in the Secret's data.")


class AuthenticationKey(Model):
    """A key of HMACSHA256."""

    id: Annotated[int, Field(ge=0, le=255)] = Field(
        description="The key's number in advertisements; unique in the list."
    )
    secret_ref: SecretKeyReference = Field(
        description="Where the key is: text of 32 to 64 bytes, or hex: and the key in hexadecimal digits."
    )


class Authentication(Model):
    """Who may speak for the virtual router."""

    type: Literal["Password", "HMACSHA256"] = Field(
        description="Password: the plain-text password of version 2, of which 8 bytes count; keepalived's auth_type PASS. HMACSHA256: "
        "version 3's advertisements are signed, as with keepalived 2.4's auth_hmac, and a replayed one is refused."
    )
    secret_ref: SecretKeyReference | None = Field(default=None, description="With Password: where it is.")
    keys: Annotated[list[AuthenticationKey], Field(min_length=1, max_length=8)] | None = Field(
        default=None, description="With HMACSHA256: every key that is taken."
    )
    active_key_id: Annotated[int, Field(ge=0, le=255)] | None = Field(
        default=None, description="With HMACSHA256: the key that signs what is sent; one of keys."
    )
    mode: Literal["ReceiveOnly", "Permissive", "Enforce"] | None = Field(
        default=None,
        description="With HMACSHA256. ReceiveOnly: sends unsigned, takes both. Permissive: signs, takes both. Enforce (default): signs, "
        "takes only what is signed. To introduce it, or to change keys, go one step at a time on all routers.",
    )


class Announcement(Model):
    """Gratuitous ARP and unsolicited Neighbor Advertisements: how the LAN learns where the addresses are."""

    count: Annotated[int, Field(ge=1, le=100)] = Field(default=5, description="Frames for each address at a takeover.")
    repeat_after_seconds: Annotated[int, Field(ge=0, le=255)] = Field(
        default=5, description="They are sent once more after this time; 0: not."
    )
    refresh_seconds: Annotated[int, Field(ge=0, le=86400)] = Field(
        default=0, description="While Active they are sent again each time this has passed; 0: never."
    )


Prefix = Annotated[str, Field(min_length=1, max_length=43)]
RoutingTable = Annotated[int, Field(ge=1, le=2147483647)]


class Route(Model):
    """A route that is there only while the node is Active (keepalived's virtual_routes)."""

    to: Prefix = Field(description="The destination: a subnet in canonical text, or default.")
    via: IPAddress | None = Field(default=None, description="The gateway. Absent: the destination is on the interface.")
    interface: InterfaceName | None = Field(default=None, description="Absent: the router's own.")
    source: IPAddress | None = Field(
        default=None,
        description="The source address that the node uses towards the destination, such as a floating one. Absent: the kernel chooses.",
    )
    table: RoutingTable = Field(default=254, description="The routing table; 254 is main.")
    metric: Annotated[int, Field(ge=0, le=2147483647)] = Field(
        default=0, description="The lowest is preferred. 0: the kernel's default."
    )


class RoutingRule(Model):
    """A routing rule that is there only while the node is Active (keepalived's virtual_rules)."""

    from_: Annotated[Prefix | None, Field(alias="from")] = Field(
        default=None, alias="from", description="A source subnet. At least one of from and to."
    )
    to: Prefix | None = Field(default=None, description="A destination subnet. At least one of from and to.")
    table: RoutingTable = Field(description="The routing table to look into.")
    priority: Annotated[int, Field(ge=1, le=32765)] = Field(
        description="The rule's place among the others, the lowest first."
    )


class VRRP(Model):
    """How the virtual router speaks on the wire."""

    version: Annotated[int, Field(ge=2, le=3)] = Field(default=3, description="The VRRP version, 3 or 2.")
    advertisement_period_milliseconds: Annotated[int, Field(ge=10, le=255000)] = Field(
        default=1000,
        description="Time between two advertisements. Version 3: 10 to 40950, a multiple of 10; version 2: whole seconds to 255000.",
    )
    transport: Literal["Multicast", "Unicast"] = Field(
        default="Multicast",
        description="Multicast: to 224.0.0.18 and ff02::12, as the RFC has it. Unicast: to each peer, for networks without multicast; "
        "the peers are the other nodes' source addresses, and extraPeers.",
    )
    extra_peers: Annotated[list[IPAddress], Field(max_length=32)] | None = Field(
        default=None, description="With Unicast: routers outside the cluster, keepalived or hardware."
    )
    ipv4_checksum: Annotated[Literal["PseudoHeader", "MessageOnly"], Field(alias="ipv4Checksum")] = Field(
        default="PseudoHeader",
        alias="ipv4Checksum",
        description="What version 3 sends over IPv4: PseudoHeader (RFC 5798, keepalived and FRR) or MessageOnly (RFC 9568, many "
        "switches). Both are accepted.",
    )
    link_local: Literal["Derived", "None"] = Field(
        default="Derived",
        description="IPv6: the RFC wants a link-local address first. Derived adds fe80::200:5eff:fe00:2XX (XX: the router ID) when none "
        "is listed; None adds nothing.",
    )
    authentication: Authentication | None = Field(default=None, description="Absent: none.")
    virtual_mac: Annotated[Literal["Disabled", "Enabled"], Field(alias="virtualMAC")] = Field(
        default="Disabled",
        alias="virtualMAC",
        description="Enabled: the addresses answer with 00-00-5E-00-01-{VRID} (IPv6: 00-00-5E-00-02-{VRID}), which moves with them, on a "
        "macvlan that is there while the node is Active. The network must let a second MAC address through.",
    )
    announcement: Announcement = Field(
        default=Announcement(), description="How the LAN learns where the addresses are."
    )


class Preemption(Model):
    """Whether a node of higher priority takes the addresses back."""

    policy: Literal["PreemptLowerPriority", "Never"] = Field(
        default="PreemptLowerPriority",
        description="PreemptLowerPriority: a node of higher priority takes over from a lower one. Never: whoever holds the addresses keeps "
        "them while it can (keepalived's nopreempt).",
    )
    delay_seconds: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0, description="How long a node of higher priority waits before it takes over from a living lower one."
    )


class TrackedInterface(Model):
    """An interface that the node must have up."""

    name: InterfaceName = Field(description="The interface.")
    lower_priority_by: Annotated[int, Field(ge=1, le=253)] | None = Field(
        default=None,
        description="Taken off the node's priority while the interface is down or missing. Absent: that keeps the node out (state Fault).",
    )


class LinkDamping(Model):
    """A link counts as down, or as up again, only after it has been so for a while."""

    down_milliseconds: Annotated[int, Field(ge=0, le=509999)] = Field(
        default=0,
        description="How long a link must be down before that counts; less than two advertisement periods, so that the node has let go "
        "before another one takes over.",
    )
    up_milliseconds: Annotated[int, Field(ge=0, le=3600000)] = Field(
        default=0, description="How long a link that came back must be up before that counts."
    )


class TCPSocket(Model):
    """Succeeds when a TCP connection can be opened."""

    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="The TCP port.")
    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._:%a-zA-Z0-9]+$")] | None = Field(
        default=None,
        description="Absent: the node's own first address on the router's interface, of the first address's family.",
    )


class Probe(Model):
    """A check that each node runs on itself; one that fails lowers the node's priority or keeps it out."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] = Field(
        description="Unique in the list; lower-case letters, digits and dashes."
    )
    tcp_socket: Annotated[TCPSocket, Field(alias="tcpSocket")] = Field(
        alias="tcpSocket", description="Succeeds when a TCP connection can be opened."
    )
    period_seconds: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        default=1.0, description="Time between two runs; a multiple of 0.1."
    )
    timeout_seconds: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        default=1.0, description="A run that takes longer failed; at most periodSeconds, a multiple of 0.1."
    )
    failure_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="Failures in a row until the probe counts as failing (keepalived's fall)."
    )
    success_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="Successes in a row until it counts as succeeding again (keepalived's rise)."
    )
    initially: Literal["FirstResult", "Failing"] = Field(
        default="FirstResult",
        description="FirstResult: the node takes no part until there is a first result, which decides. Failing: until proven otherwise.",
    )
    lower_priority_by: Annotated[int, Field(ge=1, le=253)] | None = Field(
        default=None,
        description="Taken off the node's priority while failing; several add up, the result is at least 1. Absent: a failing probe keeps "
        "the node out (state Fault).",
    )


class Warning(Model):  # noqa: A001 - the word for it
    """Something odd that does not keep a virtual router from working."""

    reason: Annotated[str, Field(max_length=64)] = Field(
        description="AddressClaimed, AddressLost, LoopedBack, NotInDocument, OtherCluster, ProbesStale, RivalHeard, WireMismatch ..."
    )
    message: Annotated[str, Field(max_length=1024)] = Field(description="A sentence for people.")


class Condition(Model):
    """A condition as the Kubernetes API conventions have it."""

    type: Annotated[str, Field(max_length=316)] = Field(description="Which condition.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Annotated[str, Field(min_length=1, max_length=1024)] = Field(description="One word for programs.")
    message: Annotated[str, Field(max_length=32768)] = Field(description="A sentence for people.")
    last_transition_time: DateTime = Field(description="When the status changed last.")
    observed_generation: int | None = Field(default=None, description="The generation of the object it was made from.")
