"""Deadlines by name. The earliest is found without a look at the others, so that a wake-up costs the same with a thousand routers."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Name = TypeVar("Name")


class Schedule(Generic[Name]):
    """`set` is called whenever a deadline may have moved. Names must be comparable.

    A heap with lazy deletion: a deadline that moves later, as a Backup's does with every advertisement, stays where it is in
    the heap and is put right when its old place comes up. So a flood of valid packets does not make the heap grow.
    """

    def __init__(self) -> None:
        self._wanted: dict[Name, int] = {}
        self._queued: dict[Name, int] = {}
        self._heap: list[tuple[int, Name]] = []

    def set(self, name: Name, at: int | None) -> None:
        """The name is due at `at`; None: not at all."""
        if at is None:
            self._wanted.pop(name, None)
            return
        self._wanted[name] = at
        if at < self._queued.get(name, at + 1):
            self._queued[name] = at
            heapq.heappush(self._heap, (at, name))

    @property
    def first(self) -> int | None:
        """The earliest deadline, or None."""
        while self._heap:
            at, name = self._heap[0]
            wanted = self._wanted.get(name)
            if wanted == at:
                return at
            heapq.heappop(self._heap)
            if self._queued.get(name) == at:
                del self._queued[name]
                self.set(name, wanted)
        return None

    def take(self, now: int) -> tuple[int, Name] | None:
        """The earliest deadline that has come and its name, taken out; None when nothing is due."""
        first = self.first
        if first is None or first > now:
            return None
        at, name = heapq.heappop(self._heap)
        if self._queued.get(name) == at:
            del self._queued[name]
        del self._wanted[name]
        return at, name
