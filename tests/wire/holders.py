"""Which kernel held an address when, as the kernels themselves said it: no look from outside can miss a moment."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from lab.network import Host
from lab.waiting import until

Span = tuple[float, float]
"""From and to, in seconds of the wall clock."""
_PROBE = "192.0.2.112"


class Holders:
    """`with Holders(ADDRESS, hosts) as seen:` from a moment at which none of the hosts holds it."""

    def __init__(self, address: str, hosts: Sequence[Host]) -> None:
        self._address = address
        self._hosts = hosts
        self._monitors: list[tuple[Path, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        self._monitors = [self._monitor(host) for host in self._hosts]
        return self

    def __exit__(self, *_: object) -> None:
        for _log, monitor in self._monitors:
            monitor.kill()
            monitor.wait(timeout=10)

    def _monitor(self, host: Host) -> tuple[Path, subprocess.Popen[bytes]]:
        log = host.folder / f"holds-{self._address.replace(':', '_')}"
        monitor = host.popen(["ip", "-oneline", "-tshort", "monitor", "address"], log=log)

        def listens() -> bool:
            host.run(["ip", "address", "add", f"{_PROBE}/32", "dev", "lo"])
            host.run(["ip", "address", "delete", f"{_PROBE}/32", "dev", "lo"])
            return _PROBE in log.read_text()

        until(listens, 5, f"{host} is watched")
        return log, monitor

    def spans(self) -> list[list[Span]]:
        """Of every host; one that goes on ends at infinity."""
        return [self._spans(log.read_text()) for log, _ in self._monitors]

    def longest_overlap(self) -> float:
        """Seconds for which any two kernels held it at the same time."""
        return max(
            (
                min(one[1], other[1]) - max(one[0], other[0])
                for mine, others in itertools.combinations(self.spans(), 2)
                for one, other in itertools.product(mine, others)
            ),
            default=0.0,
        )

    def _spans(self, text: str) -> list[Span]:
        found: list[Span] = []
        since: float | None = None
        for line in text.splitlines():
            stamp, _, event = line.partition("] ")
            if f" {self._address}/" not in event:
                continue
            at = datetime.fromisoformat(stamp.lstrip("[")).timestamp()
            if not event.startswith("Deleted"):
                since = at if since is None else since
            elif since is not None:
                found.append((since, at))
                since = None
        return found + ([(since, float("inf"))] if since is not None else [])
