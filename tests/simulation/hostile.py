"""Packets that a router must drop, each made from one that it would accept by breaking exactly one rule."""

from __future__ import annotations

import dataclasses
import random
import struct
from typing import TYPE_CHECKING

from floatip_agent.vrrp.authentication import TRAILER_LENGTH
from floatip_agent.vrrp.checksum import internet_checksum, pseudo_header
from floatip_agent.vrrp.packet import Wire

if TYPE_CHECKING:
    from simulation.lan import Arrival


class Attacker:
    """Chance of its own: with and without attacks the LAN itself takes the same course."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(f"hostile {seed}")

    def spoil(self, wire: Wire, arrival: Arrival) -> tuple[Arrival, str]:
        """The packet, and which rule it breaks."""
        ways = {
            "its TTL is not 255": lambda: dataclasses.replace(arrival, ttl=self.random.randrange(255)),
            "a bit is flipped": lambda: self._with(arrival, self._flipped(arrival.message)),
            "it is cut off": lambda: self._with(
                arrival, arrival.message[: self.random.randrange(len(arrival.message))]
            ),
            "bytes follow": lambda: self._summed(arrival, arrival.message + bytes(self.random.randint(1, 4))),
            "it is another router's": lambda: self._patched(arrival, 1, arrival.message[1] ^ 1),
            "its version is another": lambda: self._patched(arrival, 0, arrival.message[0] ^ 0x10),
            "its type is not ADVERTISEMENT": lambda: self._patched(arrival, 0, arrival.message[0] ^ 0x02),
            "its interval is 0": lambda: self._interval(arrival, 0),
        }
        if wire.peers:
            del ways["its TTL is not 255"]
            ways["it is from a stranger"] = lambda: dataclasses.replace(arrival, source=bytes(len(arrival.source)))
        if wire.keyring is not None:
            ways["it is not signed"] = lambda: self._summed(arrival, arrival.message[:-TRAILER_LENGTH])
            ways["its signature is wrong"] = lambda: self._patched(arrival, -1, arrival.message[-1] ^ 1)
        if wire.version == 2:
            ways["its interval is another"] = lambda: self._interval(arrival, arrival.message[5] ^ 0x40)
            ways["its authentication type is another"] = lambda: self._patched(arrival, 4, arrival.message[4] ^ 1)
        why = self.random.choice(sorted(ways))
        return ways[why](), why

    def _flipped(self, message: bytes) -> bytes:
        bit = self.random.randrange(8 * len(message))
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        return bytes(flipped)

    @staticmethod
    def _with(arrival: Arrival, message: bytes) -> Arrival:
        return dataclasses.replace(arrival, message=message)

    def _patched(self, arrival: Arrival, place: int, value: int) -> Arrival:
        message = bytearray(arrival.message)
        message[place] = value
        return self._summed(arrival, bytes(message))

    def _interval(self, arrival: Arrival, value: int) -> Arrival:
        """Version 2 has it in one byte, version 3 in twelve bits."""
        if arrival.message[0] >> 4 == 2:
            return self._patched(arrival, 5, value)
        message = arrival.message[:4] + struct.pack("!H", value) + arrival.message[6:]
        return self._summed(arrival, message)

    def _summed(self, arrival: Arrival, message: bytes) -> Arrival:
        """With a right checksum, so that only the rule in question can refuse it."""
        zeroed = message[:6] + bytes(2) + message[8:]
        summed = zeroed
        if message[0] >> 4 != 2:
            summed = pseudo_header(arrival.source, arrival.destination, len(message)) + zeroed
        return self._with(arrival, zeroed[:6] + struct.pack("!H", internet_checksum(summed)) + zeroed[8:])
