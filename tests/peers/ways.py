"""The ways to speak VRRP that floatip and its peers have in common, each a virtual router of its own on one LAN.

So one test runs all of them at once in the same processes, and takes as long as the slowest.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

AGENT = {"IPv4": "172.16.69.91", "IPv6": "fe80::91"}
PEER = {"IPv4": "172.16.69.92", "IPv6": "fe80::92"}
"""Where advertisements come from. RFC 9568, 5.1.2.1: over IPv6 from a link-local address, unicast too."""
PREFIX = {"IPv4": 24, "IPv6": 64}
SECRET = ("elk-vrrp", "password")

Checksum = Literal["PseudoHeader", "MessageOnly", "OldUnicast"]


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One way, in neither program's words. `period` in milliseconds."""

    name: str
    virtual_router_id: int
    version: int
    family: Literal["IPv4", "IPv6"] = "IPv4"
    period: int = 1000
    is_unicast: bool = False
    password: str | None = None
    checksum: Checksum = "PseudoHeader"
    """What the peer sends over IPv4; OldUnicast is keepalived's before 1.3.6."""
    has_virtual_mac: bool = False
    """On both sides; FRR knows no other way."""
    host: int | None = None
    """The last part of the floating address; None: the router ID."""

    @property
    def address(self) -> str:
        host = self.host or self.virtual_router_id
        return f"172.16.69.{host}" if self.family == "IPv4" else f"2001:db8::{host}"

    @property
    def link_local(self) -> str:
        """RFC 9568, 5.2.9: the first address of an IPv6 virtual router; from its virtual MAC."""
        return f"fe80::200:5eff:fe00:2{self.virtual_router_id:02x}"

    @property
    def prefixed(self) -> str:
        return f"{self.address}/{PREFIX[self.family]}"

    def entry(self, priority: int, **more: Any) -> dict[str, Any]:
        """The agent's, of `spec.virtualRouters`."""
        vrrp: dict[str, Any] = {"version": self.version, "advertisementPeriodMilliseconds": self.period}
        if self.checksum == "MessageOnly":
            vrrp["ipv4Checksum"] = "MessageOnly"
        if self.password is not None:
            vrrp["authentication"] = {"type": "Password", "secretRef": dict(zip(("name", "key"), SECRET, strict=True))}
        if self.is_unicast:
            vrrp["transport"] = "Unicast"
            more |= {"peers": [PEER[self.family]]}
        if self.has_virtual_mac:
            vrrp["virtualMAC"] = "Enabled"
        return {
            "name": self.name,
            "family": self.family,
            "virtualRouterID": self.virtual_router_id,
            "addresses": [self.prefixed],
            "interface": "eth0",
            "sourceAddress": AGENT[self.family],
            "priority": priority,
            "vrrp": vrrp,
            **more,
        }

    def skew(self, priority: int) -> float:
        """Seconds. RFC 9568, 6.1: Skew_time = (((256 - Priority) * Active_Adver_Interval) / 256); RFC 3768, 6.1: ((256 -
        Priority) / 256) seconds, whatever the interval."""
        return (256 - priority) / 256 * (1.0 if self.version == 2 else self.period / 1000)

    def down_interval(self, priority: int) -> float:
        """Seconds. RFC 9568, 6.1: Active_Down_Interval = (3 * Active_Adver_Interval) + Skew_time."""
        return 3 * self.period / 1000 + self.skew(priority)


_FAST = 300
"""Milliseconds: a peer that stands still for nearly a second on a busy machine is no failure."""

V2 = Way("v2", 101, version=2)
V2_PASSWORD = Way("v2-password", 102, version=2, password="tan124")
V2_UNICAST = Way("v2-unicast", 103, version=2, is_unicast=True)
V3 = Way("v3", 104, version=3, period=_FAST)
V3_MESSAGE_ONLY = Way("v3-message-only", 105, version=3, period=_FAST, checksum="MessageOnly")
V3_UNICAST = Way("v3-unicast", 106, version=3, period=_FAST, is_unicast=True)
V3_OLD_UNICAST = Way("v3-old-unicast", 107, version=3, period=_FAST, is_unicast=True, checksum="OldUnicast")
V3_VIRTUAL_MAC = Way("v3-virtual-mac", 110, version=3, period=_FAST, has_virtual_mac=True)
V3_IPV6_VIRTUAL_MAC = Way("v3-ipv6-mac", 111, version=3, family="IPv6", period=_FAST, has_virtual_mac=True)
GUIDE = Way("elk", 51, version=2, password="tan124", host=94)
V3_IPV6 = Way("v3-ipv6", 108, version=3, family="IPv6", period=_FAST)
V3_IPV6_UNICAST = Way("v3-ipv6-unicast", 109, version=3, family="IPv6", period=_FAST, is_unicast=True)
