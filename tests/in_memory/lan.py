"""A LAN of virtual routers in memory: delay, loss, duplication, partition and crash, from one seed.

Every advertisement goes through the codec, every timeout comes a little late. Time is simulated: an hour takes seconds.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import random
from collections.abc import Callable, Mapping

from floatip_agent.vrrp import packet
from floatip_agent.vrrp.actions import (
    Action,
    AssignAddresses,
    ReleaseAddresses,
    SendAdvertisement,
    Transition,
)
from floatip_agent.vrrp.group import Group
from floatip_agent.vrrp.router import Parameters

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
FAMILIES = ("IPv4", "IPv6")


@dataclasses.dataclass
class Conditions:
    """What the LAN does to packets; times in nanoseconds. `loss` and `duplication` are probabilities."""

    shortest_delay: int = MILLISECOND // 10
    longest_delay: int = 5 * MILLISECOND
    loss: float = 0.0
    duplication: float = 0.0
    latest_wake_up: int = MILLISECOND
    partition: frozenset[int] = frozenset()
    """The nodes on one side; the others are on the other."""


class Node:
    """One router of the LAN with a sync group of the given families, each with its interval. A crash forgets everything."""

    def __init__(self, number: int, priority: int, intervals: Mapping[str, int], *, preempt: bool) -> None:
        self.number = number
        self.priority = priority
        self.held: set[str] = set()
        self.is_alive = False
        self.group: Group[str] = Group()
        self.parameters = {
            family: Parameters(
                wire=packet.Wire(3, 51, interval, (_address(family, 100),)),
                priority=priority,
                source=_address(family, number),
                preempt=preempt,
                breaks_ties=place == 0,
            )
            for place, (family, interval) in enumerate(intervals.items())
        }

    @property
    def is_active(self) -> bool:
        return bool(self.held)

    def boot(self) -> None:
        self.group = Group()
        for family, parameters in self.parameters.items():
            self.group.add(family, parameters)
        self.is_alive = True


class SimulatedLan:
    """`nodes` exchange advertisements until `run` reaches its time. `trace` is everything that happened, in order."""

    def __init__(self, seed: int, nodes: list[Node], conditions: Conditions) -> None:
        self.random = random.Random(seed)
        self.nodes = nodes
        self.conditions = conditions
        self.now = 1_000 * SECOND
        self.trace: list[tuple[int, int, str, Action]] = []
        self.two_active: list[tuple[int, int]] = []
        """Spans in which more than one node was Active."""
        self._two_active_since: int | None = None
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = itertools.count()

    @property
    def active(self) -> list[Node]:
        return [node for node in self.nodes if node.is_active]

    def at(self, time: int, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._serial), event))

    def run(self, duration: int) -> None:
        end = self.now + duration
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heapq.heappop(self._events)
            event()
            self._look()
        self.now = end

    def start(self, node: Node) -> None:
        node.boot()
        self._execute(node, node.group.startup(self.now))

    def stop(self, node: Node) -> None:
        """A planned leave."""
        self._execute(node, node.group.shutdown("stopped"))
        node.is_alive = False

    def hand_over(self, node: Node) -> None:
        """Asked to hand over: it comes last from now on."""
        for family, parameters in node.parameters.items():
            node.group.reconfigure(family, dataclasses.replace(parameters, priority=1), self.now)
        self._execute(node, node.group.hand_over(self.now, "asked"))

    def crash(self, node: Node) -> None:
        node.is_alive = False
        node.held.clear()
        node.group = Group()
        self._look()

    def _look(self) -> None:
        """After every event: the promises that hold at each moment."""
        for node in self.nodes:
            assert node.held in (set(), set(node.parameters)), f"node {node.number} holds {node.held} of its group only"
            assert node.is_active == node.group.is_active, f"the addresses of node {node.number} do not follow its role"
        are_two = len(self.active) > 1
        if are_two and self._two_active_since is None:
            self._two_active_since = self.now
        elif not are_two and self._two_active_since is not None:
            self.two_active.append((self._two_active_since, self.now))
            self._two_active_since = None

    def _execute(self, node: Node, done: list[tuple[str, Action]]) -> None:
        for family, action in done:
            self.trace.append((self.now, node.number, family, action))
            match action:
                case AssignAddresses():
                    assert family not in node.held, "assign and release alternate"
                    node.held.add(family)
                case ReleaseAddresses():
                    node.held.remove(family)
                case SendAdvertisement(priority=priority):
                    assert family in node.held, "never advertise what is not held"
                    self._multicast(node, family, priority)
                case Transition() | _:
                    pass
        self._wake(node)

    def _wake(self, node: Node) -> None:
        deadline = node.group.deadline
        if deadline is None:
            return
        group = node.group

        def due() -> None:
            if node.group is group and group.deadline == deadline:
                self._execute(node, group.handle_timeout(self.now))
                assert group.deadline is None or group.deadline > self.now, "a timeout always moves the deadline on"

        self.at(deadline + self.random.randint(0, self.conditions.latest_wake_up), due)

    def _multicast(self, sender: Node, family: str, priority: int) -> None:
        parameters = sender.parameters[family]
        group = packet.MULTICAST_IPV4 if family == "IPv4" else packet.MULTICAST_IPV6
        message = packet.encode(parameters.wire, priority, parameters.source, group)
        for receiver in self.nodes:
            if receiver is sender or self._is_cut(sender, receiver) or self.random.random() < self.conditions.loss:
                continue
            copies = 2 if self.random.random() < self.conditions.duplication else 1
            for _ in range(copies):
                delay = self.random.randint(self.conditions.shortest_delay, self.conditions.longest_delay)
                self.at(self.now + delay, lambda to=receiver: self._deliver(to, family, message, parameters.source))  # type: ignore[misc]

    def _is_cut(self, one: Node, other: Node) -> bool:
        side = self.conditions.partition
        return (one.number in side) != (other.number in side)

    def _deliver(self, node: Node, family: str, message: bytes, source: bytes) -> None:
        if not node.is_alive:
            return
        group = packet.MULTICAST_IPV4 if family == "IPv4" else packet.MULTICAST_IPV6
        heard = packet.decode(node.parameters[family].wire, message, source, group, 255)
        assert isinstance(heard, packet.Advertisement)
        self._execute(node, node.group.receive(family, heard, self.now))


def _address(family: str, number: int) -> bytes:
    return bytes((10, 0, 0, number)) if family == "IPv4" else bytes((0xFE, 0x80, *[0] * 13, number))
