"""A node with a kernel of its own (n1, priority 200), a peer on this machine's (n2, priority 100), and clients that probe the address."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

from lab.agents import Agent
from lab.guest_node import GuestNode
from lab.network import Lan
from lab.prober import Prober
from lab.waiting import until
from wire.pinned import hardware_address, pin
from wire.sniffer import Sniffer

ADDRESS = "10.9.0.100"
BOOT = 60
"""Seconds for the guest's boot and its agent's start, on a machine that does other things too."""


def router(priority: int, period: int) -> dict[str, Any]:
    """`period` in milliseconds."""
    return {
        "name": "web",
        "family": "IPv4",
        "virtualRouterID": 51,
        "addresses": [f"{ADDRESS}/24"],
        "priority": priority,
        "vrrp": {"advertisementPeriodMilliseconds": period},
    }


@dataclasses.dataclass(frozen=True)
class Freeze:
    """What was seen, in milliseconds. `gap`: without an answer, from the freeze on. `stale`: for how long after the thaw n1 answered
    before it let go. `silent`: from the thaw to n1's first advertisement. `overlap`: for how long both answered when n1 took it back."""

    gap: float
    stale: float
    silent: float
    overlap: float


class Nodes:
    """`believer` never learns that the address is not at n1 any more."""

    def __init__(self, lan: Lan, period: int) -> None:
        self.n1 = GuestNode(lan, "n1", "10.9.0.1/24", router(200, period))
        self.n2 = lan.host("n2", "10.9.0.2/24")
        self.peer = Agent.static(self.n2, router(100, period))
        self.client, self.believer = lan.host("client", "10.9.0.9/24"), lan.host("believer", "10.9.0.8/24")
        self.prober = Prober(self.client, ADDRESS, [self.n2])
        self.beliefs = Prober(self.believer, ADDRESS, [])

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """n1 is Active, n2 Backup."""
        self.n1.start()
        with self.prober:
            self.prober.wait_for("n1", BOOT)
            self.peer.start()
            self.peer.wait_for("Backup", 10)
            pin(self.believer, ADDRESS, hardware_address(self.client, ADDRESS))
            with self.beliefs:
                self.beliefs.wait_for("n1", 5)
                yield

    def freeze(self, seconds: float) -> Freeze:
        """n1 stands still until n2 answers and for so long after; then n1 has it again."""
        frozen = time.monotonic_ns()
        self.n1.freeze()
        self.prober.wait_for("n2", 10)
        time.sleep(seconds)
        with Sniffer(self.client) as seen:
            thawed, thawed_wall = time.monotonic_ns(), time.time_ns()
            self.n1.thaw()
            self.prober.wait_for("n1", 10)
            until(lambda: not self.n2.holds(ADDRESS), 2, "n2 has let go")
            time.sleep(0.2)
            first = next(at for at, _ in seen.advertisements("10.9.0.1") if at > thawed_wall)
        silent = (first - thawed_wall) / 1e6
        taken = thawed + round(silent * 1e6)
        stale = [answer.at for answer in self.beliefs.window(thawed, taken - 50_000_000).answers]
        after = self.prober.window(taken - 50_000_000).answers
        mine = [answer.at for answer in self.beliefs.window(taken - 50_000_000).answers]
        theirs = [answer.at for answer in after if answer.node == "n2"]
        return Freeze(
            gap=self.prober.window(frozen, thawed).longest_gap,
            stale=(max(stale) - thawed) / 1e6 if stale else 0.0,
            silent=silent,
            overlap=max(0.0, (max(theirs) - min(mine)) / 1e6) if theirs else 0.0,
        )

    def power_cut(self) -> float:
        """Milliseconds without an answer."""
        cut = time.monotonic_ns()
        self.n1.kill()
        self.prober.wait_for("n2", 10)
        return self.prober.window(cut).longest_gap
