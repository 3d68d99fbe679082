"""The node's links and addresses: dumped once, then kept current by the kernel's notifications."""

from __future__ import annotations

import dataclasses
import errno
import struct
from collections.abc import Mapping

from floatip_agent.linux import netlink
from floatip_agent.ports import Interface, InterfaceAddress

PROTOCOL_OURS = 112
"""IFA_PROTO (Linux 5.18) of addresses that floatip assigned: VRRP's protocol number."""
LIFETIME = 3
"""Seconds of valid_lft that an address of ours carries; renewed each second while Active."""

IFLA_ADDRESS, IFLA_IFNAME = 1, 3
IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO = 1, 2, 6, 8, 11
IFA_F_TENTATIVE = 0x40

_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_IFINFOMSG = struct.Struct("=BxHiII")
_IFADDRMSG = struct.Struct("=BBBBI")
_AF_INET, _AF_INET6 = 2, 10


class KernelInterfaces:
    """Implements `ports.Interfaces`. An interface that did not change stays the same object, whatever the kernel tells of it: it tells
    of every renewed lifetime."""

    def __init__(self, requests: netlink.Requests) -> None:
        self._requests = requests
        self._monitor = netlink.Monitor()  # before the dump: nothing is missed between the two
        self._links: dict[int, Interface] = {}
        """Without addresses."""
        self._addresses: dict[int, dict[bytes, InterfaceAddress]] = {}
        self._remade: dict[int, int] = {}
        self._whole: dict[int, Interface] = {}
        self._touched: set[int] = set()
        self._by_name: dict[str, Interface] = {}
        self._dump()
        self._index()

    @property
    def by_name(self) -> Mapping[str, Interface]:
        return self._by_name

    def fileno(self) -> int:
        return self._monitor.fileno()

    def read(self) -> bool:
        try:
            for message in self._monitor.read():
                self._take(message)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._monitor.discard()  # older than the dump, and the kernel tells nothing more before the socket is empty
            self._dump()
        if not self._touched:
            return False
        before = self._by_name
        self._index()
        return self._by_name != before

    def close(self) -> None:
        self._monitor.close()

    def _dump(self) -> None:
        self._touched.update(self._links)
        self._links, self._addresses = {}, {}
        for message in self._requests.dump(netlink.RTM_GETLINK, _IFINFOMSG.pack(0, 0, 0, 0, 0)):
            self._take(message)
        for message in self._requests.dump(netlink.RTM_GETADDR, _IFADDRMSG.pack(0, 0, 0, 0, 0)):
            self._take(message)

    def _index(self) -> None:
        for index in self._touched:
            link = self._links.get(index)
            if link is None:
                self._whole.pop(index, None)
                continue
            whole = dataclasses.replace(link, addresses=tuple(self._addresses[index].values()))
            if self._whole.get(index) != whole:
                self._whole[index] = whole
        self._touched.clear()
        self._by_name = {link.name: link for link in self._whole.values()}

    def _take(self, message: netlink.Message) -> None:
        match message.kind:
            case netlink.RTM_NEWLINK:
                self._new_link(message.body)
            case netlink.RTM_DELLINK:
                family, _, index, _, _ = _IFINFOMSG.unpack_from(message.body)
                if family == 0:  # AF_BRIDGE sends one when a port leaves its bridge
                    if self._links.pop(index, None):
                        self._remade[index] = self._remade.get(index, 0) + 1
                    self._addresses.pop(index, None)
                    self._touched.add(index)
            case netlink.RTM_NEWADDR | netlink.RTM_DELADDR:
                self._address(message)

    def _new_link(self, body: bytes) -> None:
        family, _, index, flags, _ = _IFINFOMSG.unpack_from(body)
        found = netlink.attributes(body, _IFINFOMSG.size)
        if family != 0 or IFLA_IFNAME not in found:
            return
        link = Interface(
            index=index,
            name=found[IFLA_IFNAME].rstrip(b"\0").decode(errors="replace"),
            is_up=flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING,
            mac=found.get(IFLA_ADDRESS, b""),
            remade=self._remade.get(index, 0),
        )
        if self._links.get(index) != link:
            self._links[index] = link
            self._addresses.setdefault(index, {})
            self._touched.add(index)

    def _address(self, message: netlink.Message) -> None:
        index, address = read_address(message.body)
        present = self._addresses.get(index)
        if present is None or address is None:
            return
        is_new = message.kind == netlink.RTM_NEWADDR
        if present.get(address.address) == (address if is_new else None):
            return
        self._touched.add(index)
        if is_new:
            present[address.address] = address  # in its place when it is known, else last
        else:
            del present[address.address]


def read_address(body: bytes) -> tuple[int, InterfaceAddress | None]:
    """The interface index and the address of an ifaddrmsg with its attributes; None for another family."""
    family, prefix_length, flags, _, index = _IFADDRMSG.unpack_from(body)
    if family not in {_AF_INET, _AF_INET6}:
        return index, None
    found = netlink.attributes(body, _IFADDRMSG.size)
    address = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS)
    if address is None:
        return index, None
    if IFA_FLAGS in found:
        (flags,) = struct.unpack("=I", found[IFA_FLAGS][:4])
    return index, InterfaceAddress(
        address=address,
        prefix_length=prefix_length,
        is_ours=_is_ours(found, prefix_length == len(address) * 8),
        is_tentative=bool(flags & IFA_F_TENTATIVE),
    )


def _is_ours(found: Mapping[int, bytes], is_host_prefix: bool) -> bool:
    """By IFA_PROTO; before Linux 5.18 by what nobody else does: a host prefix that lives at most `LIFETIME` seconds."""
    if IFA_PROTO in found:
        return found[IFA_PROTO][0] == PROTOCOL_OURS
    if IFA_CACHEINFO not in found:
        return False
    _, valid = struct.unpack_from("=II", found[IFA_CACHEINFO])
    return is_host_prefix and 0 < valid <= LIFETIME


def all_addresses(requests: netlink.Requests) -> list[tuple[int, InterfaceAddress]]:
    """Every address of the network namespace, with its interface's index."""
    found = []
    for message in requests.dump(netlink.RTM_GETADDR, _IFADDRMSG.pack(0, 0, 0, 0, 0)):
        index, address = read_address(message.body)
        if address is not None:
            found.append((index, address))
    return found
