"""When which announcement frame leaves: bursts over many addresses are spread, so that they delay no advertisement. Pure.

A takeover announces each address `count` times. The first frame of every address goes before the second of any; a turn sends
at most `FRAMES_AT_ONCE`, and turns keep `GAP` between them: 10,000 frames a second at most. A single router with one
address has all its frames out in one turn, 250 of them in 125 ms, and their first frames in 25 ms.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict

from floatip_agent.configuration import Family

Key = tuple[str, Family]

FRAMES_AT_ONCE = 50
GAP = 5_000_000
"""Nanoseconds between two turns."""


@dataclasses.dataclass(slots=True)
class _Burst:
    """`sent` counts the addresses of the present round whose frame is out."""

    addresses: tuple[bytes, ...]
    rounds: int
    sent: int = 0


class Announcements:
    """Bursts under way, at most one for each router."""

    def __init__(self) -> None:
        self._bursts: OrderedDict[Key, _Burst] = OrderedDict()
        self._not_before = 0

    @property
    def deadline(self) -> int | None:
        """When `take` is due, or None."""
        return self._not_before if self._bursts else None

    def start(self, key: Key, addresses: tuple[bytes, ...], count: int) -> None:
        """Announce each address `count` times, instead of what was still to come of this router."""
        self.stop(key)
        self._bursts[key] = _Burst(addresses, count)

    def stop(self, key: Key) -> None:
        """The role is lost: not one frame more."""
        self._bursts.pop(key, None)

    def take(self, now: int) -> list[tuple[Key, tuple[bytes, ...]]]:
        """The frames to send now: one for each address of each entry."""
        if not self._bursts or now < self._not_before:
            return []
        self._not_before = now + GAP
        taken: list[tuple[Key, tuple[bytes, ...]]] = []
        room = FRAMES_AT_ONCE
        while self._bursts and room:
            key, burst = next(iter(self._bursts.items()))
            frames = burst.addresses[burst.sent : burst.sent + room]
            taken.append((key, frames))
            room -= len(frames)
            burst.sent += len(frames)
            if burst.sent < len(burst.addresses):
                break
            burst.sent, burst.rounds = 0, burst.rounds - 1
            if burst.rounds:
                self._bursts.move_to_end(key)
            else:
                del self._bursts[key]
        return taken
