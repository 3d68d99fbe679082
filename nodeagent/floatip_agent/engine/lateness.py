"""How late advertisements leave: the histogram behind `floatip_advertisement_lateness_seconds`."""

from __future__ import annotations

import bisect

BOUNDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)
"""Upper bounds of the buckets, in seconds."""


class Lateness:
    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def add(self, nanoseconds: int) -> None:
        seconds = nanoseconds / 1e9
        self._counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    @property
    def buckets(self) -> dict[str, int]:
        """By upper bound as text, "+Inf" last; not cumulative."""
        return dict(zip([*map(str, BOUNDS), "+Inf"], self._counts, strict=True))
