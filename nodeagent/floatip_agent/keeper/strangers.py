"""Which virtual routers of others are on the node's LANs: their router IDs are not to be taken.

A socket of its own, looked at a few times a second and only so far: a flood of foreign packets costs a bounded amount and
never reaches the engine.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import struct
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from floatip_agent.keeper.logs import Sparing
from floatip_agent.keeper.picture import Picture, Stranger
from floatip_agent.vrrp import packet
from floatip_agent.vrrp.checksum import PROTOCOL

LOOK_EVERY = 0.25
"""Seconds."""
PACKETS_A_LOOK = 256
FORGET_AFTER = 300.0
"""Seconds without a packet."""
MAXIMUM = 64
_IP_PKTINFO, _IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 8, 49, 29
_LARGEST = 8 + 255 * 16 + 60
_KNOWN_HEADS = {0x21, 0x31}
"""First byte of an advertisement: version 2 or 3, type 1."""

Ours = Callable[[], frozenset[tuple[str, int]]]
"""Interface and router ID of every virtual router of this node."""


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    interface: str
    virtual_router_id: int
    address: str


class Strangers:
    """Who was heard, when: pure. `now` in seconds of any clock that does not jump."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, int], tuple[Heard, float, datetime]] = {}

    def hear(self, heard: Heard, now: float, wall: datetime) -> None:
        key = heard.interface, heard.virtual_router_id
        if key in self._heard:
            heard = self._heard[key][0]  # the first address stays, so that two of them do not take turns in the status
        elif len(self._heard) >= MAXIMUM:
            return
        self._heard[key] = heard, now, wall

    def present(self, now: float, ours: frozenset[tuple[str, int]]) -> tuple[Stranger, ...]:
        """Sorted; forgets who fell silent and who turned out to be ours."""
        self._heard = {
            key: entry for key, entry in self._heard.items() if now - entry[1] < FORGET_AFTER and key not in ours
        }
        return tuple(
            Stranger(heard.virtual_router_id, heard.interface, heard.address, wall)
            for _, (heard, _, wall) in sorted(self._heard.items())
        )


class StrangerWatch:
    """Keeps `picture.strangers` current for the interfaces in use."""

    def __init__(self, picture: Picture, in_use: Callable[[], frozenset[str]], ours: Ours) -> None:
        self._picture = picture
        self._in_use = in_use
        self._ours = ours
        self._strangers = Strangers()
        self._sockets: dict[tuple[str, socket.AddressFamily], tuple[int, socket.socket]] = {}
        self._sparing = Sparing()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY)
                try:
                    self._open()
                except PermissionError:
                    self._sparing.warning("raw", "no CAP_NET_RAW: foreign router IDs cannot be heard")
                    return
                self._listen(loop.time())
        finally:
            for _, opened in self._sockets.values():
                opened.close()

    def _open(self) -> None:
        """One socket for each interface in use and family; anew when the interface came anew. Raises PermissionError."""
        indexes = {name: index for index, name in socket.if_nameindex()}
        wanted = {
            (name, family): indexes[name]
            for name in self._in_use()
            if name in indexes
            for family in (socket.AF_INET, socket.AF_INET6)
        }
        for key in [key for key, (index, _) in self._sockets.items() if wanted.get(key) != index]:
            self._sockets.pop(key)[1].close()
        for key, index in wanted.items():
            if key not in self._sockets:
                try:
                    self._sockets[key] = index, _joined(key[0], index, key[1])
                except PermissionError:
                    raise
                except OSError:
                    continue  # down, or without IPv6: tried again at the next look

    def _listen(self, now: float) -> None:
        ours = self._ours()
        wall = datetime.now(UTC)
        for (name, family), (_, opened) in self._sockets.items():
            for heard in _heard(name, family, opened):
                if (name, heard.virtual_router_id) not in ours:
                    self._strangers.hear(heard, now, wall)
        before = [dataclasses.replace(stranger, last_seen=wall) for stranger in self._picture.strangers]
        self._picture.strangers = self._strangers.present(now, ours)
        if before != [dataclasses.replace(stranger, last_seen=wall) for stranger in self._picture.strangers]:
            self._picture.changed()


def _joined(name: str, index: int, family: socket.AddressFamily) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, PROTOCOL)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0")
        if family == socket.AF_INET:
            member = struct.pack("=4s4si", packet.MULTICAST_IPV4, bytes(4), index)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        else:
            member = struct.pack("=16si", packet.MULTICAST_IPV6, index)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    except BaseException:
        opened.close()
        raise
    return opened


def _heard(name: str, family: socket.AddressFamily, opened: socket.socket) -> list[Heard]:
    """What is in the socket now, each virtual router once."""
    found: dict[int, Heard] = {}
    for _ in range(PACKETS_A_LOOK):
        try:
            data, ancillary, _, sender = opened.recvmsg(_LARGEST, 64)
        except OSError:
            break
        if family == socket.AF_INET:
            ttl, message = data[8], data[(data[0] & 0x0F) * 4 :]
        else:
            ttl, message = _hop_limit(ancillary), data
        # RFC 9568 7.1: "It MUST verify that the IPv4 TTL or IPv6 Hop Limit is 255": nobody off the link takes an ID away.
        if ttl == packet.TTL and len(message) >= 8 and message[0] in _KNOWN_HEADS and message[1]:
            found.setdefault(message[1], Heard(name, message[1], sender[0].partition("%")[0]))
    return list(found.values())


def _hop_limit(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, value in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT):
            return int.from_bytes(value[:4], sys.byteorder)
    return 0
