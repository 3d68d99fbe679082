"""Links with a virtual MAC (RFC 9568 7.3): a macvlan on the router's interface, there while its router is Active.

An interface that shares its LAN with macvlans must not answer ARP for their addresses, nor ask with them: the LAN would learn its own
MAC. So its arp_ignore and arp_announce are raised while there is one; what they were stands in the macvlan's alias, for whoever has to
clean up after a crash. They are set by netlink: /proc/sys is read-only in an unprivileged container.

Numbers: linux/if_link.h, linux/ip.h.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from floatip_agent.linux import netlink
from floatip_agent.linux.background import Background
from floatip_agent.linux.interfaces import IFLA_ADDRESS, IFLA_IFNAME
from floatip_agent.ports import Interface

_IFLA_LINK, _IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_AF_SPEC = 5, 18, 20, 26
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_MACVLAN_MODE = 1, 2, 1
_MACVLAN_BRIDGE = 4
"""The mode in which a packet with our own MAC, a rival's advertisement, also reaches the interface itself, where we listen."""
_IFLA_INET_CONF, _IFLA_INET6_ADDR_GEN_MODE, _ADDR_GEN_NONE = 1, 8, 1
_RP_FILTER, _ARP_ANNOUNCE, _ARP_IGNORE = 8, 18, 19
_LOOSE, _BEST_LOCAL, _ADDRESSEE_ONLY = 2, 2, 1
_AF_INET, _AF_INET6 = 2, 10
_IFF_UP = 0x1
_NLM_F_EXCL = 0x200
_IFINFOMSG = struct.Struct("=BxHiII")
_ALIAS = re.compile(r"floatip arp_ignore=(\d+) arp_announce=(\d+)")
_ACCEPT_RA = "/proc/sys/net/ipv6/conf/{}/accept_ra"


@dataclasses.dataclass(frozen=True, slots=True)
class _ARP:
    """An interface's settings."""

    ignore: int
    announce: int

    @property
    def raised(self) -> _ARP:
        return _ARP(max(self.ignore, _ADDRESSEE_ONLY), max(self.announce, _BEST_LOCAL))

    @property
    def alias(self) -> str:
        return f"floatip arp_ignore={self.ignore} arp_announce={self.announce}"


class VirtualMacLinks:
    """Implements `ports.VirtualLinks`."""

    def __init__(self, requests: netlink.Requests, background: Background) -> None:
        self._requests = requests
        self._background = background
        self._before: dict[int, _ARP] = {}
        self._on: dict[str, int] = {}
        self._unwanted: set[str] = set()

    def create(self, parent: Interface, mac: bytes) -> Interface:
        name = f"vr{4 if mac[4] == 1 else 6}-{mac[5]}-{parent.index}"
        with self._background.lock:
            if name in self._unwanted:
                self._unwanted.discard(name)  # its end has not come yet
            else:
                self._create(name, parent, mac)
            index = _index_of(self._requests, name)
        return Interface(index, name, is_up=True, mac=mac)

    def remove(self, link: Interface) -> None:
        self._unwanted.add(link.name)
        self._background.put(lambda: self._remove(link))

    def _create(self, name: str, parent: Interface, mac: bytes) -> None:
        before = self._before.get(parent.index) or _arp_of(self._requests, parent.index)
        _check(name, self._requests.execute([_new(name, parent.index, mac)]))
        try:
            _check(name, self._requests.execute([_of_macvlan(name, before)]))
            with contextlib.suppress(
                OSError
            ):  # where it may be written: a node that forwards takes no router advertisements anyway
                Path(_ACCEPT_RA.format(name)).write_text("0")
            _check(name, self._requests.execute([_set_arp(parent.index, before.raised), _up(name)]))
        except OSError:
            restored = [] if parent.index in self._before else [_set_arp(parent.index, before)]
            ended = netlink.Message(netlink.RTM_DELLINK, _head(0) + _text(IFLA_IFNAME, name))
            self._requests.execute([ended, *restored])
            raise
        self._before[parent.index], self._on[name] = before, parent.index

    def _remove(self, link: Interface) -> None:
        if link.name not in self._unwanted:
            return
        self._unwanted.discard(link.name)
        # In one request, so that a process that ends meanwhile does both or none.
        messages = [netlink.Message(netlink.RTM_DELLINK, _head(link.index))]
        parent = self._on.pop(link.name, None)
        if parent is not None and parent not in self._on.values():
            messages.append(_set_arp(parent, self._before.pop(parent)))
        self._requests.execute(messages)


def sweep(requests: netlink.Requests) -> int:
    """Take out every link of ours and put back what its interface was set to. Returns how many there were."""
    messages: list[netlink.Message] = []
    count = 0
    for message in requests.dump(netlink.RTM_GETLINK, _head(0)):
        found = netlink.attributes(message.body, _IFINFOMSG.size)
        known = _ALIAS.fullmatch(found.get(_IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace"))
        if known is None or _IFLA_LINK not in found:
            continue
        count += 1
        (parent,) = struct.unpack("=I", found[_IFLA_LINK])
        messages.append(netlink.Message(netlink.RTM_DELLINK, _head(_IFINFOMSG.unpack_from(message.body)[2])))
        messages.append(_set_arp(parent, _ARP(int(known[1]), int(known[2]))))
    if messages:
        requests.execute(messages)
    return count


def _check(name: str, results: Sequence[int]) -> None:
    for number in results:
        if number:
            raise OSError(number, f"{name}: {os.strerror(number)}")


def _head(index: int, flags: int = 0) -> bytes:
    return _IFINFOMSG.pack(0, 0, index, flags, flags)


def _text(kind: int, text: str) -> bytes:
    return netlink.attribute(kind, text.encode() + b"\0")


def _number(kind: int, number: int) -> bytes:
    return netlink.attribute(kind, struct.pack("=I", number))


def _new(name: str, parent: int, mac: bytes) -> netlink.Message:
    mode = netlink.attribute(_IFLA_INFO_DATA, _number(_IFLA_MACVLAN_MODE, _MACVLAN_BRIDGE))
    kind = netlink.attribute(_IFLA_LINKINFO, _text(_IFLA_INFO_KIND, "macvlan") + mode)
    body = _head(0) + _text(IFLA_IFNAME, name) + _number(_IFLA_LINK, parent) + netlink.attribute(IFLA_ADDRESS, mac)
    return netlink.Message(netlink.RTM_NEWLINK, body + kind, netlink.NLM_F_CREATE | _NLM_F_EXCL)


def _up(name: str) -> netlink.Message:
    return netlink.Message(netlink.RTM_SETLINK, _head(0, _IFF_UP) + _text(IFLA_IFNAME, name))


def _of_macvlan(name: str, before: _ARP) -> netlink.Message:
    """It answers for its own addresses only, takes packets whose way back leads over the interface itself, and makes no address of its own.
    The kernel takes neither these nor an alias with the message that makes a link."""
    inet = _inet({_ARP_IGNORE: _ADDRESSEE_ONLY, _ARP_ANNOUNCE: _BEST_LOCAL, _RP_FILTER: _LOOSE})
    inet6 = netlink.attribute(_AF_INET6, netlink.attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes((_ADDR_GEN_NONE,))))
    alias = netlink.attribute(_IFLA_IFALIAS, before.alias.encode())
    body = _head(0) + _text(IFLA_IFNAME, name) + alias + netlink.attribute(_IFLA_AF_SPEC, inet + inet6)
    return netlink.Message(netlink.RTM_SETLINK, body)


def _set_arp(index: int, arp: _ARP) -> netlink.Message:
    settings = _inet({_ARP_IGNORE: arp.ignore, _ARP_ANNOUNCE: arp.announce})
    return netlink.Message(netlink.RTM_SETLINK, _head(index) + netlink.attribute(_IFLA_AF_SPEC, settings))


def _inet(settings: dict[int, int]) -> bytes:
    values = b"".join(_number(kind, number) for kind, number in settings.items())
    return netlink.attribute(_AF_INET, netlink.attribute(_IFLA_INET_CONF, values))


def _index_of(requests: netlink.Requests, name: str) -> int:
    message = requests.get(netlink.RTM_GETLINK, _head(0) + _text(IFLA_IFNAME, name))
    return int(_IFINFOMSG.unpack_from(message.body)[2])


def _arp_of(requests: netlink.Requests, index: int) -> _ARP:
    """Raises OSError."""
    message = requests.get(netlink.RTM_GETLINK, _head(index))
    spec = netlink.attributes(netlink.attributes(message.body, _IFINFOMSG.size)[_IFLA_AF_SPEC], 0)
    values = netlink.attributes(spec[_AF_INET], 0)[_IFLA_INET_CONF]
    conf = struct.unpack(f"={len(values) // 4}i", values)
    return _ARP(conf[_ARP_IGNORE - 1], conf[_ARP_ANNOUNCE - 1])
