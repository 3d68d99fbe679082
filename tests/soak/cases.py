"""The cases of `make soak`: what runs, for how long, what is measured, and the bounds of the issue that asked for them."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.agents import Agent, StaticAgent
from lab.network import Host, Lan
from lab.prober import TESTS
from lab.waiting import until
from soak.arrivals import Arrivals

ROUTERS, INTERFACES = 250, 50
VICTIMS = 10
"""Routers of the node on the hostile LAN."""
MOST_LATE = 0.001
"""Fewer than 1 in 1,000 advertisements later than half a period."""
MOST_GROWTH = 5 * 1024 * 1024
"""Bytes."""
_MINUTE = 60
_ONE_SENDER = 50_000
"""Packets a second of one process."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """`attack` is the kind of flood and its rate in packets a second, or None. `period` in milliseconds."""

    name: str
    period: int
    seconds: int
    interfaces: int = 1
    routers: int = ROUTERS
    attack: tuple[str, int] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What was seen. `growth` in bytes of resident memory of either agent; `lines` the most log lines of one kind; `late` and `worst`
    (seconds) as they arrived at the Backup, `late_inside` as the engine itself counts. `stalled` is for how long (seconds) an idle
    process of the engine's priority had to wait: the machine's part."""

    case: Case
    advertisements: int
    late: int
    late_inside: int
    worst: float
    transitions: int
    growth: int
    lines: int
    stalled: float
    reached: int | None = None

    def violations(self) -> list[str]:
        found = []
        if self.advertisements < 0.9 * self.case.routers * self.case.seconds * 1000 / self.case.period:
            found.append(f"only {self.advertisements} advertisements")
        if self.transitions:
            found.append(f"{self.transitions} transitions")
        too_many = 1 if self.case.attack else MOST_LATE * self.advertisements
        if max(self.late, self.late_inside) >= too_many:
            found.append(f"{self.late} (inside {self.late_inside}) advertisements later than half a period")
        if self.case.attack and self.growth >= MOST_GROWTH:
            found.append(f"memory grew by {self.growth} bytes")
        if self.case.attack and self.lines > 1 + self.case.seconds // _MINUTE:
            found.append(f"{self.lines} log lines of one kind")
        if self.case.attack and self.reached is not None and self.reached < 0.9 * self.case.attack[1]:
            found.append(f"the sender reached only {self.reached} packets/s")
        return found


def cases(seconds: int = 600, hostile_seconds: int = 60) -> list[Case]:
    quiet = [
        Case(
            f"{ROUTERS} routers, {interfaces} interface{'s' * (interfaces > 1)}, {period} ms",
            period,
            seconds,
            interfaces,
        )
        for interfaces in (1, INTERFACES)
        for period in (1000, 100)
    ]
    hostile = [
        Case(f"{text}, {period} ms", period, hostile_seconds, routers=VICTIMS, attack=attack)
        for text, attack in (
            ("garbage, 100,000 packets/s", ("garbage", 100_000)),
            ("foreign advertisements, 5,000/s", ("routers", 5_000)),
        )
        for period in (1000, 100)
    ]
    return quiet + hostile


def run(case: Case) -> Result:
    """Two agents on a LAN, one Active in all routers and one Backup, watched for the time of the case."""
    with Lan("soak") as lan:
        one, other = _hosts(lan, case)
        agents = [Agent.static(host, *_routers(case, priority)) for host, priority in ((one, 200), (other, 100))]
        for agent, state in zip(agents, ("Active", "Backup"), strict=True):
            agent.start()
            agent.wait_for(state, 30)
        time.sleep(min(15, case.seconds))  # repeated announcements are out, the keepers have settled
        return _watch(lan, case, agents)


def _watch(lan: Lan, case: Case, agents: Sequence[StaticAgent]) -> Result:
    sources = [f"10.{9 + place}.0.1" for place in range(case.interfaces)]
    before = [_Look(agent) for agent in agents]
    with Arrivals(agents[1].host, sources, case.period * 1_000_000) as seen:
        flood = _flood(lan, case)
        idle = agents[1].host.popen(
            [sys.executable, "-m", "soak.stalls", str(case.seconds)],
            env={"PYTHONPATH": str(TESTS)},
            log=lan.folder / "stalls.log",
        )
        time.sleep(case.seconds)
        for sender in flood:
            sender.wait(timeout=30)
        idle.wait(timeout=30)
    stalled = max(map(float, (lan.folder / "stalls.log").read_text().split())) / 1000
    reached = sum(map(int, (lan.folder / "flood.log").read_text().split())) if flood else None
    after = [_Look(agent) for agent in agents]
    half = case.period / 2000
    return Result(
        case=case,
        advertisements=seen.count,
        late=seen.late,
        late_inside=max(now.later_than(half) - then.later_than(half) for then, now in zip(before, after, strict=True)),
        worst=seen.worst,
        transitions=sum(now.transitions - then.transitions for then, now in zip(before, after, strict=True)),
        growth=max(now.memory - then.memory for then, now in zip(before, after, strict=True)),
        lines=max(_most_of_a_kind(now.log[len(then.log) :]) for then, now in zip(before, after, strict=True)),
        stalled=stalled,
        reached=reached,
    )


def _hosts(lan: Lan, case: Case) -> tuple[Host, Host]:
    """The first interface is plugged into the LAN, the others are cables between the two."""
    one, other = lan.host("n1", "10.9.0.1/16"), lan.host("n2", "10.9.0.2/16")
    for place in range(1, case.interfaces):
        name = f"eth{place}"
        one.run(["ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", other.namespace])
        for host, number in ((one, 1), (other, 2)):
            host.run(["ip", "link", "set", name, "up"])
            host.add_address(f"10.{9 + place}.0.{number}/16", name)
    return one, other


def _routers(case: Case, priority: int) -> list[Mapping[str, Any]]:
    return [
        {
            "name": f"r{number:03}",
            "family": "IPv4",
            "virtualRouterID": number // case.interfaces + 1,
            "addresses": [f"10.{9 + number % case.interfaces}.1.{number // case.interfaces + 1}/16"],
            "priority": priority,
            "vrrp": {"advertisementPeriodMilliseconds": case.period},
        }
        for number in range(case.routers)
    ]


def _flood(lan: Lan, case: Case) -> list[subprocess.Popen[bytes]]:
    """As many senders as it takes; each writes the rate that it reached."""
    if case.attack is None:
        return []
    stranger = lan.host("stranger", "10.9.0.66/16")
    kind, rate = case.attack
    count = -(-rate // _ONE_SENDER)
    victims = range(1, case.routers + 1)
    command = [sys.executable, "-m", "soak.flood", kind, rate // count, case.seconds, case.period, *victims]
    words, environment = [str(word) for word in command], {"PYTHONPATH": str(TESTS)}
    return [stranger.popen(words, env=environment, log=lan.folder / "flood.log") for _ in range(count)]


class _Look:
    """How an agent stands at one moment."""

    def __init__(self, agent: StaticAgent) -> None:
        status = until(agent.status, 5, "the agent answers")
        self.transitions = sum(router["transitions"] for router in status["virtualRouters"])
        self.memory = sum(_resident(process) for process in agent.processes())
        self.log = agent.log.read_text().splitlines()
        self._lateness = _lateness(agent)

    def later_than(self, seconds: float) -> int:
        """Advertisements that left later, by the engine's histogram, which has a bound there."""
        return sum(count for bound, count in self._lateness.items() if bound > seconds)


def _resident(process: int) -> int:
    """Bytes."""
    (line,) = (line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def _lateness(agent: StaticAgent) -> dict[float, int]:
    """Counts by upper bound in seconds, not cumulative, from the agent's metrics."""
    with agent.host.entered(), urllib.request.urlopen("http://127.0.0.1:9405/metrics", timeout=5) as response:
        text = response.read().decode()
    found = re.findall(r'^floatip_advertisement_lateness_seconds_bucket\{.*le="([^"]+)".*\} (\S+)$', text, re.MULTILINE)
    counts, before = {}, 0
    for bound, cumulative in sorted((float(bound), round(float(count))) for bound, count in found):
        counts[bound], before = cumulative - before, cumulative
    return counts


def _most_of_a_kind(lines: Sequence[str]) -> int:
    """Lines that differ only in numbers are one kind; the router's name is no number."""
    kinds = Counter(re.sub(r"\b\d+", "N", line) for line in lines)
    return max(kinds.values(), default=0)
