"""What must hold on every LAN: the five promises, each checked at the moment at which it could break.

The bounds are computed from the RFC's formulas here and not from the core's own timers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from floatip_agent.vrrp.router import State

if TYPE_CHECKING:
    from simulation.lan import Node

AT_MOST_ONE = (
    "(a) once all healthy routers have heard each other again for one Active_Down_Interval, at most one is Active"
)
AT_LEAST_ONE = (
    "(b) while one is healthy and nothing changes, one is Active within the largest Active_Down_Interval + one period"
)
HIGHEST = "(c) with PreemptLowerPriority it is the highest effective priority within twice that"
STAYS = "(c) with Never the healthy Active stays"
GRID = "(d) advert k leaves at t0 + k periods + that wake-up's lateness, no sum of errors"
DROPPED = "(e) what was dropped moved no deadline"
TOGETHER = "all members of a sync group are Active, or none"
HELD = "never advertise what is not held"
LISTENS = "after a stall longer than the fastest peer's Active_Down_Interval it listens before it claims anything"


class BrokenPromise(AssertionError):
    """One of the sentences above does not hold."""


def active_down_interval(version: int, priority: int, interval: int) -> int:
    """RFC 9568 6.1 (RFC 3768 6.1 for version 2), rounded up, in nanoseconds."""
    skewed = 1_000_000_000 if version == 2 else interval
    return 3 * interval - (priority - 256) * skewed // 256 + 1


@dataclasses.dataclass(slots=True)
class Grid:
    """Where an Active's advertisements belong: `start` + k * `interval`. `last` is the newest k."""

    interval: int
    start: int
    last: int = 0

    @property
    def due(self) -> int:
        return self.start + (self.last + 1) * self.interval


class Promises:
    """Watches `nodes`. The scenario says by `expects_*` from when on a promise is due."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.longest_overlap: int | None = None
        """From when on (a) is due: for how long a winner's advertisement may travel. None: not due."""
        self.expects_one = False
        self.expected: Node | None = None
        """The healthy Active that must stay."""
        self.transitions = 0
        self.active: set[int] = set()
        self._two_since = 0
        self._grids: dict[tuple[int, str], Grid] = {}
        self._must_listen: set[tuple[int, str]] = set()
        self._spoke: dict[tuple[int, str], tuple[int, int]] = {}
        """When each router last advertised, and which interval."""

    def expect_nothing(self) -> None:
        self.longest_overlap, self.expects_one, self.expected = None, False, None

    def expect_at_most_one(self, longest_overlap: int, now: int) -> None:
        self.longest_overlap, self._two_since = longest_overlap, now

    def expect_one(self, now: int) -> None:
        self.expects_one = True
        self.look(now)

    def expect(self, active: Node, promise: str) -> None:
        """This one stays Active, alone."""
        if self.active != {active.number}:
            raise BrokenPromise(f"{promise}: {sorted(self.active)} instead of {active.number}")
        self.expected = active

    def look(self, now: int) -> None:
        """At the end of a phase, and after every change of a role."""
        if self.longest_overlap is not None and len(self.active) > 1 and now - self._two_since > self.longest_overlap:
            raise BrokenPromise(f"{AT_MOST_ONE}: {sorted(self.active)} for {now - self._two_since} ns")
        if self.expects_one and not self.active:
            raise BrokenPromise(AT_LEAST_ONE)

    def role_changed(self, node: Node, now: int) -> None:
        """Called when the actions of one event were executed."""
        if node.held and len(node.held) != len(node.parameters):
            raise BrokenPromise(f"{TOGETHER}: node {node.number} holds {node.held}")
        if node.is_active == (node.number in self.active):
            return
        self.look(now)
        if node.is_active:
            self.active.add(node.number)
            if len(self.active) == 2:
                self._two_since = now
        else:
            self.active.remove(node.number)
            self._must_listen -= {(node.number, family) for family in node.parameters}
        if self.expects_one and not self.active:
            raise BrokenPromise(f"{AT_LEAST_ONE}: node {node.number} lets go and nobody has the role")
        if self.expected is not None and self.active != {self.expected.number}:
            raise BrokenPromise(f"{STAYS}: {sorted(self.active)} instead of {self.expected.number}")

    def transition(self, node: Node, family: str, to: str, now: int) -> None:
        self.transitions += 1
        self._grids.pop((node.number, family), None)
        if to == "Active":
            self._grids[node.number, family] = Grid(node.parameters[family].interval, now)

    def sends(self, node: Node, family: str, priority: int, now: int, lateness: int | None) -> None:
        """`lateness` of the wake-up; None for an advertisement that no timer asked for. Priority 0 is a farewell, not number k."""
        if family not in node.held:
            raise BrokenPromise(f"{HELD}: node {node.number}, {family}")
        if (node.number, family) in self._must_listen:
            raise BrokenPromise(f"{LISTENS}: node {node.number}, {family}")
        self._spoke[node.number, family] = now, node.parameters[family].interval
        grid = self._grids.get((node.number, family))
        if lateness is not None and grid is not None and priority:
            self._check_grid(grid, now, lateness, f"node {node.number}, {family}")

    @staticmethod
    def _check_grid(grid: Grid, now: int, lateness: int, who: str) -> None:
        if now < grid.due or now - lateness > grid.due:
            raise BrokenPromise(f"{GRID}: {who}: {now - grid.due} ns late, in a wake-up that was {lateness} ns late")
        grid.last = (now - grid.start) // grid.interval

    def reconfigured(self, node: Node, now: int) -> None:
        """The next advertisement tells the new period, which counts from it on; it comes no later than either period says."""
        for family, parameters in node.parameters.items():
            grid = self._grids.get((node.number, family))
            if grid is not None:
                start = min(grid.due, now + parameters.interval) - parameters.interval
                self._grids[node.number, family] = Grid(parameters.interval, start)

    def heard_leave(self, node: Node, family: str, now: int) -> None:
        """RFC 9568 6.4.3: on priority 0 an Active sends an advertisement and resets the Adver_Timer."""
        if (node.number, family) in self._grids:
            self._grids[node.number, family] = Grid(node.parameters[family].interval, now)

    def told_interval(self, node: Node) -> int:
        """What the others wait for: the shortest interval in its last advertisements."""
        return min(self._spoke[node.number, family][1] for family in node.parameters)

    def resumes(self, node: Node, now: int) -> None:
        """After a stall, before it looks at anything."""
        for family in node.held:
            spoke_at, interval = self._spoke[node.number, family]
            if now - spoke_at > active_down_interval(node.effective.wire.version, 254, interval):
                self._must_listen.add((node.number, family))

    @staticmethod
    def pictures(node: Node) -> tuple[tuple[State, ...], int | None]:
        return tuple(member.state for member in node.group.members.values()), node.group.deadline

    def dropped(self, node: Node, before: tuple[tuple[State, ...], int | None]) -> None:
        if self.pictures(node) != before:
            raise BrokenPromise(f"{DROPPED}: node {node.number}: {before} became {self.pictures(node)}")
