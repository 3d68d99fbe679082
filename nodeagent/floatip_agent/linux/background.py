"""What a netlink request must not make the engine's loop wait for: the kernel's RTNL lock, which on a node where pods come and go may be
taken for tens of milliseconds, longer than a short advertisement period, and the end of a link, which takes about as long."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

from floatip_agent.linux import realtime

_STACK = 256 * 1024
"""Bytes: memory is locked, so an ordinary stack of 8 MiB would be taken in whole."""


class Background:
    """One thread that does jobs in order, each under `lock`; what the loop does itself to the same things takes the lock too."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def start(self) -> None:
        """Not before the process is what it stays."""
        threading.stack_size(_STACK)
        threading.Thread(target=self._work, name="background", daemon=True).start()

    def put(self, job: Callable[[], None]) -> None:
        """Do it soon. What the kernel refuses of it is not told: a job whose failure matters keeps it."""
        self._jobs.put(job)

    def _work(self) -> None:
        realtime.claim_scheduling()  # else it could hold Python's lock without a CPU while the loop waits for it
        while True:
            job = self._jobs.get()
            with self.lock, contextlib.suppress(OSError):
                job()
