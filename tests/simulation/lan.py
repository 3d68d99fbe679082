"""A LAN of virtual routers in memory, from one seed: delay, loss, duplication, reordering, partitions, stalls and crashes.

Only the core runs: groups, routers, and every packet through the real codec. Time is simulated, so an hour of 40 s periods takes
milliseconds. Whatever may happen here to packets and wake-ups happens to real ones; what must hold then is in `promises.py`.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from floatip_agent.vrrp import packet
from floatip_agent.vrrp.actions import Action, AssignAddresses, ReleaseAddresses, SendAdvertisement, Transition
from floatip_agent.vrrp.authentication import HighWaterMarks
from floatip_agent.vrrp.group import Group
from floatip_agent.vrrp.router import Parameters
from simulation import hostile
from simulation.promises import Promises

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
FAMILIES = ("IPv4", "IPv6")
READ_AT_ONCE = 64
"""Packets that the engine reads before it looks at its timers again."""
SOCKET_BUFFER = 256
"""Packets that wait for a router that does not run; more are lost."""
_START = 1_000 * SECOND
_MULTICAST = packet.MULTICAST_IPV4, packet.MULTICAST_IPV6


@dataclasses.dataclass(frozen=True)
class Conditions:
    """What the LAN does to packets and wake-ups; times in nanoseconds, the rest probabilities for each receiver."""

    shortest_delay: int = MILLISECOND // 10
    longest_delay: int = 5 * MILLISECOND
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    """The packet takes up to ten times the longest delay."""
    latest_wake_up: int = MILLISECOND
    hostility: float = 0.0
    """How many packets that must be dropped come with each advertisement."""
    partition: frozenset[int] = frozenset()
    """The nodes on one side; the others are on the other."""
    partitioned: tuple[str, ...] = FAMILIES
    """The families that the partition cuts."""

    @property
    def is_wild(self) -> bool:
        return bool(self.partition) or self.loss + self.duplication + self.reordering > 0

    @property
    def longest_travel(self) -> int:
        return 10 * self.longest_delay if self.reordering else self.longest_delay


class Node:
    """One router of the LAN with a sync group of its families. A crash forgets everything but the parameters."""

    def __init__(self, number: int, parameters: dict[str, Parameters]) -> None:
        self.number = number
        self.parameters = parameters
        self.group: Group[str] = Group()
        self.held: set[str] = set()
        self.is_alive = False
        self.stalled_until = 0
        self.inbox: deque[Arrival] = deque()
        self.alarm: int | None = None
        self.marks = {family: HighWaterMarks() for family in parameters}
        """What the guard keeps for it over a crash."""
        self.prebuilt: dict[tuple[str, int], tuple[Arrival, ...]] = {}
        self.decoded: dict[Arrival, packet.Advertisement | packet.DropReason] = {}

    @property
    def is_active(self) -> bool:
        return bool(self.held)

    @property
    def effective(self) -> Parameters:
        """What its members have in common: priority, interval, policy."""
        return next(iter(self.parameters.values()))

    def advertisements(self, family: str, priority: int, now: int) -> tuple[Arrival, ...]:
        """One for each destination, built once like the engine's; a signed one anew each time."""
        key = family, priority
        if key not in self.prebuilt or self.parameters[family].wire.keyring is not None:
            wire, source = self.parameters[family].wire, self.parameters[family].source
            sequence = self.marks[family].next_sequence(now / SECOND) if wire.keyring is not None else 0
            self.prebuilt[key] = tuple(
                Arrival(family, packet.encode(wire, priority, source, to, sequence), source, to)
                for to in wire.destinations
            )
        return self.prebuilt[key]

    def decode(self, arrival: Arrival) -> packet.Advertisement | packet.DropReason:
        """Decoding is a function of wire and packet: each pair is decoded once. A replay is refused, as the engine does it."""
        if self.parameters[arrival.family].wire.keyring is not None:
            return self._decode_signed(arrival)
        if (known := self.decoded.get(arrival)) is not None:
            return known
        wire = self.parameters[arrival.family].wire
        outcome = packet.decode(wire, arrival.message, arrival.source, arrival.destination, arrival.ttl)
        self.decoded[arrival] = outcome
        return outcome

    def _decode_signed(self, arrival: Arrival) -> packet.Advertisement | packet.DropReason:
        wire = self.parameters[arrival.family].wire
        outcome = packet.decode(wire, arrival.message, arrival.source, arrival.destination, arrival.ttl)
        if isinstance(outcome, packet.DropReason):
            return outcome
        assert outcome.stamp is not None
        is_new = self.marks[arrival.family].accept(outcome.stamp, arrival.source)
        return outcome if is_new else packet.DropReason.REPLAYED


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """One packet as a receiver's socket gives it."""

    family: str
    message: bytes
    source: bytes
    destination: bytes
    ttl: int = packet.TTL

    def is_for(self, node: Node) -> bool:
        return self.destination in _MULTICAST or node.parameters[self.family].source == self.destination


class Lan:
    """`nodes` exchange advertisements until `run` reaches its time; `promises` watches every role change and send."""

    def __init__(self, seed: int, nodes: Sequence[Node], conditions: Conditions, *, trace: bool = False) -> None:
        self.random = random.Random(seed)
        self.hostile = hostile.Attacker(seed)
        self.nodes = nodes
        self.conditions = conditions
        self.now = _START
        self.promises = Promises(nodes)
        self.trace: list[tuple[int, int, str, Action]] | None = [] if trace else None
        self.delivered = 0
        self.sent = 0
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._serial = itertools.count()

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.nodes if node.is_alive]

    @property
    def active(self) -> list[Node]:
        return [node for node in self.nodes if node.is_active]

    def at(self, time: int, event: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (time, next(self._serial), event, arguments))

    def run(self, duration: int) -> None:
        end = self.now + duration
        events = self._events
        while events and events[0][0] <= end:
            self.now, _, event, arguments = heapq.heappop(events)
            event(*arguments)
        self.now = end

    def boot(self, node: Node) -> None:
        node.group = Group()
        for family, parameters in node.parameters.items():
            node.group.add(family, parameters)
        node.is_alive, node.stalled_until = True, 0
        self._execute(node, node.group.startup(self.now))

    def stop(self, node: Node) -> None:
        """A planned leave."""
        self._execute(node, node.group.shutdown("stopped"))
        self._forget(node)

    def hand_over(self, node: Node) -> None:
        """Asked to leave the role to others: it comes last from now on."""
        self.reconfigure(node, priority=1)
        self._execute(node, node.group.hand_over(self.now, "asked"))

    def crash(self, node: Node) -> None:
        node.held.clear()
        self._forget(node)
        self.promises.role_changed(node, self.now)

    def stall(self, node: Node, duration: int) -> None:
        """It does not run for so long: packets wait in its socket, as many as fit."""
        node.stalled_until = self.now + duration
        self.at(node.stalled_until, self._resume, node)

    def reconfigure(self, node: Node, **changes: Any) -> None:
        """Other parameters for all its members, live; `interval` goes to the wire."""
        interval = changes.pop("interval", None)
        for family, parameters in node.parameters.items():
            wire = parameters.wire if interval is None else dataclasses.replace(parameters.wire, interval=interval)
            node.parameters[family] = dataclasses.replace(parameters, wire=wire, **changes)
        node.prebuilt.clear()
        node.decoded.clear()
        if node.is_alive:
            for family, parameters in node.parameters.items():
                self._execute(node, node.group.reconfigure(family, parameters, self.now))
            self.promises.reconfigured(node, self.now)

    def _forget(self, node: Node) -> None:
        node.is_alive = False
        node.group = Group()
        node.inbox.clear()

    def _execute(self, node: Node, done: list[tuple[str, Action]], lateness: int | None = None) -> None:
        """`lateness` is that of the wake-up, None for what was not due by a timer."""
        for family, action in done:
            if self.trace is not None:
                self.trace.append((self.now, node.number, family, action))
            match action:
                case SendAdvertisement(priority=priority):
                    self.promises.sends(node, family, priority, self.now, lateness)
                    self._send(node, family, priority)
                case AssignAddresses():
                    node.held.add(family)
                case ReleaseAddresses():
                    node.held.remove(family)
                case Transition(to=to):
                    self.promises.transition(node, family, to, self.now)
        if done:
            self.promises.role_changed(node, self.now)
        self._set_alarm(node)

    def _set_alarm(self, node: Node) -> None:
        deadline = node.group.deadline
        if deadline is not None and (node.alarm is None or deadline < node.alarm):
            node.alarm = max(deadline, self.now) + int(self.random.random() * self.conditions.latest_wake_up)
            self.at(node.alarm, self._wake, node, node.alarm)

    def _wake(self, node: Node, alarm: int) -> None:
        if node.alarm != alarm:
            return
        node.alarm = None
        if node.is_alive and self.now >= node.stalled_until:
            self._handle_timeout(node)

    def _handle_timeout(self, node: Node) -> None:
        deadline = node.group.deadline
        if deadline is None or deadline > self.now:
            self._set_alarm(node)
            return
        self._execute(node, node.group.handle_timeout(self.now), self.now - deadline)
        after = node.group.deadline
        assert after is None or after > self.now, "a timeout always moves the deadline on"

    def _resume(self, node: Node) -> None:
        """Back after a stall: sockets first, timers then, as the engine's loop does it."""
        if not node.is_alive or self.now != node.stalled_until:
            return
        self.promises.resumes(node, self.now)
        while True:
            for _ in range(min(READ_AT_ONCE, len(node.inbox))):
                self._receive(node, node.inbox.popleft())
            self._handle_timeout(node)
            if not node.inbox:
                return

    def _send(self, sender: Node, family: str, priority: int) -> None:
        self.sent += 1
        for arrival in sender.advertisements(family, priority, self.now):
            self._transmit(sender, arrival)
            if self.conditions.hostility and self.hostile.random.random() < self.conditions.hostility:
                self.at(self.now + 1, self._attack, self.hostile.random.choice(self.nodes), arrival)

    def _transmit(self, sender: Node, arrival: Arrival) -> None:
        """To whoever has the destination; one delay for all, unless the packet strays."""
        conditions, chance = self.conditions, self.random.random
        delay = conditions.shortest_delay + int(chance() * (conditions.longest_delay - conditions.shortest_delay))
        receivers = [node for node in self.nodes if node is not sender and arrival.is_for(node)]
        if conditions.is_wild:
            receivers = [node for node in receivers if self._arrives(sender, node, arrival)]
        if receivers:
            self.at(self.now + delay, self._deliver, receivers, arrival)

    def _arrives(self, sender: Node, node: Node, arrival: Arrival) -> bool:
        """With the others; not when it is lost or strays."""
        conditions, chance = self.conditions, self.random.random
        if self._is_cut(sender, node, arrival.family) or chance() < conditions.loss:
            return False
        if chance() < conditions.duplication:
            self.at(self.now + int(chance() * conditions.longest_travel), self._deliver, [node], arrival)
        strays = chance() < conditions.reordering
        if strays:
            self.at(self.now + int(chance() * conditions.longest_travel), self._deliver, [node], arrival)
        return not strays

    def _is_cut(self, one: Node, other: Node, family: str) -> bool:
        side = self.conditions.partition
        return bool(side) and family in self.conditions.partitioned and (one.number in side) != (other.number in side)

    def _deliver(self, nodes: list[Node], arrival: Arrival) -> None:
        for node in nodes:
            if not node.is_alive:
                continue
            if self.now >= node.stalled_until:
                self._receive(node, arrival)
            elif len(node.inbox) < SOCKET_BUFFER:
                node.inbox.append(arrival)

    def _receive(self, node: Node, arrival: Arrival) -> None:
        self.delivered += 1
        heard = node.decode(arrival)
        if isinstance(heard, packet.DropReason):
            return
        was_active = node.is_active
        done = node.group.receive(arrival.family, heard, self.now)
        if was_active and heard.priority == 0:
            self.promises.heard_leave(node, arrival.family, self.now)
        self._execute(node, done)

    def _attack(self, node: Node, sample: Arrival) -> None:
        """A packet that must be dropped reaches a router: nothing may come of it."""
        if not node.is_alive or self.now < node.stalled_until:
            return
        wire = node.parameters[sample.family].wire
        spoilt, why = self.hostile.spoil(wire, sample)
        before = self.promises.pictures(node)
        outcome = packet.decode(wire, spoilt.message, spoilt.source, spoilt.destination, spoilt.ttl)
        assert isinstance(outcome, packet.DropReason), f"accepted, although {why}: {spoilt}"
        self.promises.dropped(node, before)
