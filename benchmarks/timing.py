"""How long one call takes: a few rounds of many calls, printed as minimum, median and maximum of the rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

ROUNDS = 15


def measure(what: str, call: Callable[[], object], *, calls: int) -> None:
    """Print one line. `calls` in a row make a round; the first round warms up and does not count."""
    rounds = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter_ns()
        for _ in range(calls):
            call()
        rounds.append((time.perf_counter_ns() - start) / calls / 1000)
    counted = sorted(rounds[1:])
    low, middle, high = counted[0], statistics.median(counted), counted[-1]
    print(f"{what:<44} {low:9.2f} {middle:9.2f} {high:9.2f}")


def header(unit: str = "µs a call") -> None:
    print(f"{unit:<44} {'min':>9} {'median':>9} {'max':>9}")
