"""`python -m soak.stalls SECONDS`: how long the machine lets a real-time process wait that does nothing but sleep. Prints milliseconds.

One for each processor, with the engine's scheduling class and priority: what it sees is the machine's, or other real-time
processes', and no engine could have done better.
"""

from __future__ import annotations

import os
import sys
import time

PRIORITY = 50
_SLEEP = 0.002


def main(seconds: float) -> None:
    processors = sorted(os.sched_getaffinity(0))
    children = [_fork(processor, seconds) for processor in processors]
    for child in children:
        os.waitpid(child, 0)


def _fork(processor: int, seconds: float) -> int:
    if child := os.fork():
        return child
    os.sched_setaffinity(0, {processor})
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    worst, now = 0.0, time.monotonic()
    end = now + seconds
    while now < end:
        before = now
        time.sleep(_SLEEP)
        now = time.monotonic()
        worst = max(worst, now - before - _SLEEP)
    os.write(sys.stdout.fileno(), f"{worst * 1000:.1f}\n".encode())  # in one piece: the others write at the same moment
    os._exit(0)


if __name__ == "__main__":
    main(float(sys.argv[1]))
