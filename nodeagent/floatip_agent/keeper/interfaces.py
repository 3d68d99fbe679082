"""Which interfaces and addresses of its own the node has, for the operator and for probes.

api.md: "no veth, kube-ipvs0, CNI or container bridges, no addresses of ours", at most 64, sorted. A veth with a subnet of
its own is the node's link all the same where the node is itself a container (kind, network namespaces); the host's end of a
pod's veth has none.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink import rtnl
from pyroute2.netlink.exceptions import NetlinkError

from floatip_agent.keeper.logs import Sparing
from floatip_agent.keeper.picture import Picture, ReportedInterface

MAXIMUM = 64
PROTOCOL_OURS = 112
"""IFA_PROTO of addresses that the engine assigned."""
LIFETIME_OURS = 3
"""Seconds: a host prefix that lives no longer is ours on kernels without IFA_PROTO (before 5.18)."""
SETTLE = 0.2
"""Seconds between a notification and the dump: a starting pod brings a dozen."""
REOPEN_AFTER = 1.0
"""Seconds."""

_NOT_THE_NODES = re.compile(
    r"lo|kube-ipvs0|nodelocaldns|(cni|cbr|docker|podman|nerdctl|virbr|lxcbr|lxdbr|mynet|weave|flannel[.\-]|cilium_|vxlan|geneve|tunl"
    r"|vr[46]-\d+-\d+$|antrea-|ovs-|genev_|kube-bridge|dummy|ip6tnl|sit|gre|gretap|erspan|nomad|br-[0-9a-f]{12}$|cali|lxc|azv|eni[0-9a-f]).*"
)
FOREVER = 0xFFFFFFFF
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_IFA_F_TEMPORARY, _IFA_F_TENTATIVE, _IFA_F_DADFAILED = 0x01, 0x40, 0x08
_GROUPS = rtnl.RTMGRP_LINK | rtnl.RTMGRP_IPV4_IFADDR | rtnl.RTMGRP_IPV6_IFADDR


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A link as the kernel shows it; `kind` is empty for hardware."""

    index: int
    name: str
    flags: int
    kind: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """An address as the kernel shows it; `valid_for` in seconds."""

    index: int
    address: str
    prefix_length: int
    flags: int = 0
    protocol: int = 0
    valid_for: int = FOREVER

    @property
    def is_host_prefix(self) -> bool:
        return self.prefix_length == (128 if ":" in self.address else 32)


def report(
    links: Iterable[Link], addresses: Iterable[Address], floating: frozenset[str], in_use: frozenset[str]
) -> tuple[ReportedInterface, ...]:
    """Sorted by name. `floating` are the configured addresses without prefix length; interfaces `in_use` always count."""
    own: dict[int, list[str]] = {}
    for address in addresses:
        if _is_the_nodes(address, floating):
            own.setdefault(address.index, []).append(f"{address.address}/{address.prefix_length}")
    reported = [
        ReportedInterface(
            link.name, link.flags & _IFF_UP != 0 and link.flags & _IFF_RUNNING != 0, tuple(own.get(link.index, ()))
        )
        for link in links
        if link.name in in_use or _is_the_nodes_link(link, own.get(link.index, []))
    ]
    # Were there ever more than the status holds, those that carry floating IPs and those with addresses matter most.
    reported.sort(key=lambda interface: (interface.name not in in_use, not interface.addresses, interface.name))
    return tuple(sorted(reported[:MAXIMUM], key=lambda interface: interface.name))


def _is_the_nodes_link(link: Link, addresses: list[str]) -> bool:
    if _NOT_THE_NODES.fullmatch(link.name):
        return False
    return link.kind != "veth" or any(not held.endswith(("/32", "/128")) for held in addresses)


def _is_the_nodes(address: Address, floating: frozenset[str]) -> bool:
    if address.flags & (_IFA_F_TENTATIVE | _IFA_F_DADFAILED) or ipaddress.ip_address(address.address).is_link_local:
        return False
    if address.flags & _IFA_F_TEMPORARY and ":" in address.address:
        return False  # a privacy address: here today, gone tomorrow
    return not (_is_ours(address) or (address.is_host_prefix and address.address in floating))


def _is_ours(address: Address) -> bool:
    return address.protocol == PROTOCOL_OURS or (address.is_host_prefix and 0 < address.valid_for <= LIFETIME_OURS)


class InterfaceWatch:
    """Keeps `picture.interfaces` current: a dump, then a dump after each change that is not the engine's own renewal."""

    def __init__(
        self, picture: Picture, floating: Callable[[], frozenset[str]], in_use: Callable[[], frozenset[str]]
    ) -> None:
        self._picture = picture
        self._floating = floating
        self._in_use = in_use
        self._dirty = asyncio.Event()
        self._sparing = Sparing()

    def look_again(self) -> None:
        """What counts as in use, or as floating, changed."""
        self._dirty.set()

    async def run(self) -> None:
        while True:
            try:
                await self._watch()
            except (OSError, NetlinkError) as error:  # ENOBUFS: something was missed, and a fresh dump has it all
                self._sparing.warning("netlink", f"interfaces: {error}; asking the kernel anew")
                await asyncio.sleep(REOPEN_AFTER)

    async def _watch(self) -> None:
        # The monitor binds before any request (pyroute2 refuses it afterwards), so nothing is missed between the two.
        async with AsyncIPRoute() as monitor, AsyncIPRoute() as requests:
            await monitor.bind(groups=_GROUPS)
            following = asyncio.create_task(self._follow(monitor))
            try:
                while not following.done():
                    self._dirty.clear()
                    await self._dump(requests)
                    await self._next_change(following)
                    await asyncio.sleep(SETTLE)
                await following
            finally:
                following.cancel()

    async def _next_change(self, following: asyncio.Task[None]) -> None:
        waiting = asyncio.create_task(self._dirty.wait())
        try:
            await asyncio.wait({waiting, following}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    async def _follow(self, monitor: AsyncIPRoute) -> None:
        while True:
            async for message in monitor.get():
                is_address = message.get("event") in {"RTM_NEWADDR", "RTM_DELADDR"}
                if not is_address or not _is_ours(_address(message)):
                    self._dirty.set()

    async def _dump(self, requests: AsyncIPRoute) -> None:
        links = [
            Link(found["index"], found.get("ifname"), found["flags"], found.get(("linkinfo", "kind")) or "")
            async for found in await requests.link("dump")
        ]
        addresses = [_address(found) async for found in await requests.addr("dump")]
        interfaces = report(links, addresses, self._floating(), self._in_use())
        if interfaces != self._picture.interfaces:
            self._picture.interfaces = interfaces
            self._picture.changed()


def _address(message: Any) -> Address:
    """Of pyroute2's message. A point-to-point address has the peer's as `address`, its own as `local`."""
    lifetimes = message.get("cacheinfo") or {}
    return Address(
        index=message["index"],
        address=message.get("local") or message.get("address"),
        prefix_length=message["prefixlen"],
        flags=message.get("flags") or 0,
        protocol=message.get("proto") or 0,
        valid_for=lifetimes.get("ifa_valid", FOREVER),
    )
