"""Which virtual routers of others are on the node's LANs: their router IDs are not to be taken.

A socket of its own with a filter in the kernel: what is ours, and who was heard a moment ago, does not reach it. So a flood
of foreign packets costs next to nothing here, hides nobody, and never reaches the engine.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Callable
from datetime import UTC, datetime

from floatip_agent.configuration import Family
from floatip_agent.keeper.ears import Ears
from floatip_agent.keeper.logs import Sparing
from floatip_agent.keeper.picture import Picture, Stranger
from floatip_agent.linux.sockets import advertisement_socket
from floatip_agent.ports import AdvertisementSocket, Packet
from floatip_agent.vrrp import packet

LOOK_EVERY = 0.25
"""Seconds."""
LISTEN_AGAIN_AFTER = 60.0
"""Seconds after which one that was heard may be heard again."""
FORGET_AFTER = 300.0
"""Seconds without a packet."""
MAXIMUM = 64
_KNOWN_HEADS = {0x21, 0x31}
"""First byte of an advertisement: version 2 or 3, type 1."""

VirtualRouter = tuple[str, int]
"""Interface and router ID."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Heard:
    address: str
    at: float
    wall: datetime


class Strangers:
    """Who was heard, when: pure. `now` in seconds of any clock that does not jump."""

    def __init__(self) -> None:
        self._heard: dict[VirtualRouter, _Heard] = {}

    def hear(self, router: VirtualRouter, address: str, now: float, wall: datetime) -> None:
        if router in self._heard:
            address = self._heard[router].address  # the first one stays: two of them must not take turns in the status
        elif len(self._heard) >= MAXIMUM:
            return
        self._heard[router] = _Heard(address, now, wall)

    def listen_to(self, interface: str, now: float, ours: frozenset[VirtualRouter]) -> frozenset[int]:
        """The router IDs that are worth a look on this interface now."""
        return frozenset(
            number
            for number in range(1, 256)
            if (interface, number) not in ours
            and ((heard := self._heard.get((interface, number))) is None or now - heard.at >= LISTEN_AGAIN_AFTER)
        )

    def present(self, now: float, ours: frozenset[VirtualRouter]) -> tuple[Stranger, ...]:
        """Sorted; forgets who fell silent and who turned out to be ours."""
        self._heard = {
            router: heard
            for router, heard in self._heard.items()
            if now - heard.at < FORGET_AFTER and router not in ours
        }
        return tuple(
            Stranger(number, interface, heard.address, heard.wall)
            for (interface, number), heard in sorted(self._heard.items(), key=lambda entry: entry[0])
        )


class StrangerWatch:
    """Keeps `picture.strangers` current for the interfaces in use; `ours` are the virtual routers of this node."""

    def __init__(
        self, picture: Picture, in_use: Callable[[], frozenset[str]], ours: Callable[[], frozenset[VirtualRouter]]
    ) -> None:
        self._picture = picture
        self._in_use = in_use
        self._ours = ours
        self._strangers = Strangers()
        self._ears: Ears[AdvertisementSocket] = Ears(advertisement_socket)
        self._sparing = Sparing()

    async def run(self) -> None:
        """Until cancelled; without CAP_NET_RAW it says so and ends."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._ears.open(self._in_use())
                self._listen(loop.time())
                await asyncio.sleep(LOOK_EVERY)
        except PermissionError:
            self._sparing.warning("raw", "no CAP_NET_RAW: foreign router IDs cannot be heard")
        finally:
            self._ears.close()

    def _listen(self, now: float) -> None:
        ours = self._ours()
        wall = datetime.now(UTC)
        for name, family, ear in self._ears:
            for heard in ear.heard():
                number = _virtual_router_id(heard)
                if number in ear.listens_to:
                    self._strangers.hear((name, number), _text(heard.source, family), now, wall)
        before = _without_times(self._picture.strangers)
        self._picture.strangers = self._strangers.present(now, ours)
        if before != _without_times(self._picture.strangers):
            self._picture.changed()
        for name, _, ear in self._ears:
            wanted = self._strangers.listen_to(name, now, ours)
            if wanted != ear.listens_to:
                ear.socket.listen_to(sorted(wanted))
                ear.listens_to = wanted


def _virtual_router_id(heard: Packet) -> int:
    """0 for what is no advertisement. RFC 9568 7.1: "It MUST verify that the IPv4 TTL or IPv6 Hop Limit is 255": nobody off
    the link takes an ID away."""
    message = heard.message
    is_advertisement = heard.ttl == packet.TTL and len(message) >= 8 and message[0] in _KNOWN_HEADS
    return message[1] if is_advertisement else 0


def _text(address: bytes, family: Family) -> str:
    return socket.inet_ntop(socket.AF_INET if family == "IPv4" else socket.AF_INET6, address)


def _without_times(strangers: tuple[Stranger, ...]) -> list[tuple[int, str, str]]:
    return [(stranger.virtual_router_id, stranger.interface, stranger.address) for stranger in strangers]
