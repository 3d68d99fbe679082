"""What one seed stands for: a LAN of two to seven routers, and rounds of storm, calm, gentle changes and quiet.

A storm breaks everything that can break. After it the promises become due one after the other, in the times that the RFC's
timers give; then come changes that must not move the role, and time in which nothing may happen at all.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

from floatip_agent.vrrp import packet
from floatip_agent.vrrp.authentication import Keyring
from floatip_agent.vrrp.router import Parameters
from simulation import promises
from simulation.lan import FAMILIES, MILLISECOND, SECOND, Conditions, Lan, Node
from simulation.promises import active_down_interval

CENTISECOND = 10 * MILLISECOND
ROUNDS = 6


@dataclasses.dataclass(frozen=True, slots=True)
class IntervalClass:
    """`share` of 100 seeds; `quiet`: for how many periods at most nothing happens after each storm."""

    name: str
    version: int
    shortest: int
    longest: int
    share: int
    quiet: int = 60


CLASSES = [
    IntervalClass("v3 10 ms", 3, CENTISECOND, CENTISECOND, 12),
    IntervalClass("v3 100 ms", 3, 10 * CENTISECOND, 10 * CENTISECOND, 10),
    IntervalClass("v3 1 s", 3, SECOND, SECOND, 12),
    IntervalClass("v3 any", 3, CENTISECOND, 4095 * CENTISECOND, 12),
    IntervalClass("v3 10 s", 3, 10 * SECOND, 10 * SECOND, 8),
    IntervalClass("v3 40.95 s", 3, 4095 * CENTISECOND, 4095 * CENTISECOND, 30, quiet=500),
    IntervalClass("v2 1 s", 2, SECOND, SECOND, 10),
    IntervalClass("v2 2 s to 40 s", 2, 2 * SECOND, 40 * SECOND, 6),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed ran through."""

    seed: int
    interval_class: str
    router_hours: float
    advertisements: int
    deliveries: int
    transitions: int


class Scenario:
    """Everything follows from the seed."""

    def __init__(self, seed: int, *, trace: bool = False, hostility: float = 0.05) -> None:
        self.seed = seed
        self.choice = random.Random(seed)
        self.hostility = hostility
        (kind,) = self.choice.choices(CLASSES, [one.share for one in CLASSES])
        self.kind, self.version = kind, kind.version
        unit = SECOND if kind.version == 2 else CENTISECOND
        self.interval: int = round(kind.shortest * (kind.longest / kind.shortest) ** self.choice.random() / unit) * unit
        self.is_mixed = kind.version == 3 and self.choice.random() < 0.25
        """Routers with other intervals: what a Backup learned decides, not what it was told."""
        self.policy = self.choice.choice(["PreemptLowerPriority", "PreemptLowerPriority", "Never", "Mixed"])
        self.preempt_delay = self.choice.choice([0, 0, 3 * self.interval, 10 * self.interval])
        self.families = (
            ("IPv4",) if kind.version == 2 else self.choice.choice([FAMILIES, FAMILIES, ("IPv4",), ("IPv6",)])
        )
        self.longest = self.interval
        """The longest interval that any router was ever told."""
        self._longest_travel = 0
        self.lan = Lan(seed, self._nodes(), self._fine(), trace=trace)

    def _nodes(self) -> list[Node]:
        count = self.choice.randint(2, 7)
        priorities = self.choice.choice([[100], [1, 254], [1, 50, 99, 100, 100, 101, 200, 254], range(1, 255)])
        is_unicast = self.choice.random() < 0.15
        password = b"tan124\0\0" if self.version == 2 and self.choice.random() < 0.5 else None
        is_signed = self.version == 3 and self.choice.random() < 0.1
        keyring = Keyring(((7, bytes(range(32))),), 7) if is_signed else None
        form: packet.ChecksumForm = self.choice.choice(["PseudoHeader", "MessageOnly"])
        nodes = []
        for number in range(1, count + 1):
            others = [other for other in range(1, count + 1) if other != number]
            priority, preempt = self.choice.choice(priorities), self._preempts()
            parameters = {
                family: Parameters(
                    wire=packet.Wire(
                        version=self.version,
                        virtual_router_id=51,
                        interval=self._an_interval(),
                        addresses=(address(family, 100),),
                        checksum_form=form,
                        password=password,
                        keyring=keyring,
                        peers=frozenset(address(family, other) for other in others if is_unicast),
                    ),
                    priority=priority,
                    source=address(family, number),
                    preempt=preempt,
                    preempt_delay=self.preempt_delay if preempt else 0,
                    breaks_ties=place == 0,
                )
                for place, family in enumerate(self.families)
            }
            nodes.append(Node(number, parameters))
        return nodes

    def _an_interval(self) -> int:
        if not self.is_mixed:
            return self.interval
        factor = self.choice.choice([0.1, 0.5, 1, 2, 10])
        interval = min(max(round(self.interval * factor / CENTISECOND), 1), 4095) * CENTISECOND
        self.longest = max(self.longest, interval)
        return interval

    def _preempts(self) -> bool:
        return self.policy == "PreemptLowerPriority" or (self.policy == "Mixed" and self.choice.random() < 0.5)

    @property
    def slowest(self) -> int:
        """The largest Active_Down_Interval of any router, whoever it learned its interval from."""
        return active_down_interval(self.version, min(n.effective.priority for n in self.lan.nodes), self.longest)

    def _fine(self) -> Conditions:
        """A healthy LAN: travel and wake-ups take a small part of a period, and a stranger sends rubbish."""
        shortest = min(self.interval, SECOND)
        if self.is_mixed:
            shortest = max(shortest // 10, CENTISECOND)
        return Conditions(
            shortest_delay=shortest // 1000,
            longest_delay=shortest // self.choice.choice([20, 100, 200]),
            latest_wake_up=shortest // self.choice.choice([10, 20, 200]),
            hostility=self.hostility,
        )

    def run(self) -> Outcome:
        """Raises BrokenPromise, or another AssertionError."""
        lan = self.lan
        hours = 0.0
        for node in lan.nodes:
            lan.at(lan.now + self._some(2 * self.slowest), self._boot, node)
        for _ in range(ROUNDS):
            began = lan.now
            self._storm()
            self._calm()
            self._gentle_changes()
            self._quiet()
            hours += (lan.now - began) / SECOND / 3600 * len(lan.alive)
        return Outcome(self.seed, self.kind.name, hours, lan.sent, lan.delivered, lan.promises.transitions)

    def _some(self, longest: int) -> int:
        """From a fraction of a period to `longest`, short ones as often as long ones."""
        shortest = self.interval // 100
        return int(shortest * (longest / shortest) ** self.choice.random())

    def _boot(self, node: Node) -> None:
        if not node.is_alive:
            self.lan.boot(node)

    def _storm(self) -> None:
        self.lan.promises.expect_nothing()
        for _ in range(self.choice.randint(1, 12)):
            self._disturb(self.choice.choice(self.lan.nodes))
            self.lan.run(self._some(2 * self.slowest))

    def _disturb(self, node: Node) -> None:
        lan = self.lan
        disturbances: list[Callable[[], None]] = [
            lambda: lan.crash(node),
            lambda: lan.stop(node),
            lambda: lan.boot(node),
            lambda: lan.stall(node, self._some(5 * self.slowest)),
            lambda: lan.hand_over(node),
            lambda: lan.reconfigure(node, priority=self.choice.randint(1, 254)),
            self._divide,
            self._worsen,
        ]
        if self.is_mixed:
            disturbances.append(lambda: lan.reconfigure(node, interval=self._an_interval()))
        happens = self.choice.choice(disturbances)
        if node.is_alive != (happens is disturbances[2]):
            happens()
        elif not node.is_alive:
            lan.boot(node)

    def _divide(self) -> None:
        """A partition of the nodes, for all families or for one; half of the times instead the end of one."""
        side = self.choice.sample(self.lan.nodes, self.choice.choice([0, len(self.lan.nodes) // 2]))
        self.lan.conditions = dataclasses.replace(
            self.lan.conditions,
            partition=frozenset(node.number for node in side),
            partitioned=self.choice.choice([self.families, self.families[:1], self.families[-1:]]),
        )

    def _worsen(self) -> None:
        slow = self.choice.choice([0, self.interval // 20, self.interval, 3 * self.interval])
        late = self.choice.choice([self.interval // 20, self.interval // 2, 2 * self.interval])
        self.lan.conditions = dataclasses.replace(
            self.lan.conditions,
            longest_delay=self.lan.conditions.shortest_delay + slow,
            latest_wake_up=late,
            loss=self.choice.choice([0, 0.05, 0.3, 0.9]),
            duplication=self.choice.choice([0, 0.1, 0.5]),
            reordering=self.choice.choice([0, 0.1, 0.5]),
        )
        conditions = self.lan.conditions
        self._longest_travel = max(self._longest_travel, conditions.longest_travel + conditions.latest_wake_up)

    def _calm(self) -> None:
        """All is well from the moment on at which the last packet of the storm arrived and nobody stalls."""
        lan, promised = self.lan, self.lan.promises
        travelling, self._longest_travel = self._longest_travel, 0
        lan.conditions = self._fine()
        if not lan.alive:
            lan.boot(self.choice.choice(lan.nodes))
        lan.run(travelling + max(0, *(node.stalled_until - lan.now for node in lan.alive)))
        slack = lan.conditions.longest_delay + 2 * lan.conditions.latest_wake_up
        lan.run(self.slowest + slack)
        promised.expect_at_most_one(2 * slack, lan.now)
        lan.run(self.longest + slack)
        promised.expect_one(lan.now)
        lan.run(self.slowest + self.longest + self.preempt_delay + slack)
        promised.look(lan.now)
        (active,) = lan.active if len(lan.active) == 1 else [self._best()]
        best = self._best()
        if active.effective.priority < best.effective.priority:
            raise promises.BrokenPromise(f"{promises.HIGHEST}: {active.number} instead of {best.number}")
        promised.expect(active, promises.HIGHEST)

    def _best(self) -> Node:
        """The highest effective priority among those that take the role from a lower one; the Active itself if there is none."""
        candidates = [node for node in self.lan.alive if node.effective.preempt] + self.lan.active
        return max(candidates, key=lambda node: node.effective.priority)

    def _gentle_changes(self) -> None:
        """Others leave, come back, stall or change; the Active is late, or changes: it has no reason to go."""
        lan = self.lan
        for _ in range(self.choice.randint(0, 6)):
            (active,) = lan.active
            node = self.choice.choice(lan.nodes)
            if not node.is_alive:
                self._let_in(node, active)
            elif node is active:
                self.choice.choice(self._harmless_to_the_active(node))()
            else:
                self.choice.choice(self._harmless_to_a_backup(node))()
            lan.run(max(self._some(2 * self.slowest), node.stalled_until - lan.now))
            lan.promises.look(lan.now)

    def _harmless_to_the_active(self, node: Node) -> list[Callable[[], None]]:
        lan = self.lan
        short = lan.promises.told_interval(node) * 3 // 2
        changes = [lambda: self._extend(node), lambda: lan.stall(node, short)]
        if self.is_mixed:
            changes.append(lambda: lan.reconfigure(node, interval=self._an_interval()))
        if self.policy == "Never":
            changes.append(lambda: lan.reconfigure(node, priority=self.choice.randint(1, 254)))
        return changes

    def _harmless_to_a_backup(self, node: Node) -> list[Callable[[], None]]:
        lan = self.lan
        changes = [
            lambda: lan.crash(node),
            lambda: lan.stop(node),
            lambda: self._extend(node),
            lambda: lan.stall(node, self._some(5 * self.slowest)),
        ]
        if self.is_mixed:
            changes.append(lambda: lan.reconfigure(node, interval=self._an_interval()))
        if not node.effective.preempt:
            changes.append(lambda: lan.reconfigure(node, priority=self.choice.randint(1, 254)))
        return changes

    def _let_in(self, node: Node, active: Node) -> None:
        """A node comes back that must not take the role: of no higher priority, or one that does not preempt.

        One whose own interval is shorter than the Active's may claim the role before it heard anybody: the RFC's rule.
        """
        if self.is_mixed:
            return
        if node.effective.preempt and node.effective.priority > active.effective.priority:
            self.lan.reconfigure(node, priority=self.choice.randint(1, active.effective.priority))
        self.lan.boot(node)

    def _extend(self, node: Node) -> None:
        for family, parameters in node.parameters.items():
            more = (*parameters.wire.addresses[:1], address(family, self.choice.randint(101, 110)))
            wire = dataclasses.replace(parameters.wire, addresses=more)
            node.parameters[family] = dataclasses.replace(parameters, wire=wire)
        self.lan.reconfigure(node)

    def _quiet(self) -> None:
        lan = self.lan
        lan.run(self.slowest)
        before = lan.promises.transitions
        lan.run(self.choice.randint(5, self.kind.quiet) * self.interval)
        lan.promises.look(lan.now)
        assert lan.promises.transitions == before, "nothing happens for as long as nothing changes"


def address(family: str, number: int) -> bytes:
    """In IPv6 the order of the nodes is the other way round: the families must not decide a tie differently."""
    return bytes((10, 0, 0, number)) if family == "IPv4" else bytes((0xFE, 0x80, *[0] * 13, 255 - number))
