"""keepalived: interface_up_down_delays, "the delay for reporting interface up/down". A flap that is shorter does not count."""

from __future__ import annotations

import dataclasses

import pytest
from floatip_agent.engine.damping import Damping
from floatip_agent.ports import Interface
from in_memory.bench import ETH0, FOUR, Bench, active

DOWN, UP = 150, 500
MILLISECOND = 1_000_000


def links(**states: bool) -> dict[str, Interface]:
    return {name: Interface(index, name, is_up, b"") for index, (name, is_up) in enumerate(states.items(), 1)}


class Seen:
    """A damping and what it was shown last."""

    def __init__(self, *, down: int = DOWN, up: int = UP, **states: bool) -> None:
        self._damping, self._delays = Damping(), (down, up)
        self.look(0, **states)

    def look(self, now: int, **states: bool) -> dict[str, bool]:
        """What counts."""
        return {name: link.is_up for name, link in self._damping.look(links(**states), *self._delays, now).items()}

    @property
    def deadline(self) -> int | None:
        return self._damping.deadline


@pytest.mark.parametrize("is_up", [True, False])
def test_at_the_start_a_link_counts_as_it_is(is_up: bool) -> None:
    seen = Seen(eth0=is_up)
    assert seen.look(0, eth0=is_up) == {"eth0": is_up}
    assert seen.deadline is None


@pytest.mark.parametrize(("was", "delay"), [(True, DOWN), (False, UP)])
def test_a_change_counts_when_its_delay_has_passed(was: bool, delay: int) -> None:
    seen = Seen(eth0=was)
    assert seen.look(1000, eth0=not was) == {"eth0": was}
    assert seen.deadline == 1000 + delay
    assert seen.look(1000 + delay - 1, eth0=not was) == {"eth0": was}
    assert seen.deadline == 1000 + delay
    assert seen.look(1000 + delay, eth0=not was) == {"eth0": not was}
    assert seen.deadline is None


def test_a_flap_that_is_shorter_never_counts_and_each_begins_anew() -> None:
    seen = Seen(eth0=True)
    for start in range(1000, 3000, 200):
        assert seen.look(start, eth0=False) == {"eth0": True}
        assert seen.look(start + DOWN - 1, eth0=True) == {"eth0": True}
        assert seen.deadline is None


def test_a_link_that_flaps_while_it_is_down_stays_down() -> None:
    seen = Seen(eth0=False)
    for start in range(1000, 5000, 1000):
        assert seen.look(start, eth0=True) == {"eth0": False}
        assert seen.look(start + UP - 1, eth0=False) == {"eth0": False}
        assert seen.deadline is None


def test_a_link_that_is_gone_is_gone_at_once_and_one_that_appears_was_down() -> None:
    seen = Seen(eth0=True)
    assert seen.look(1000) == {}
    assert seen.deadline is None
    assert seen.look(2000, eth0=True) == {"eth0": False}
    assert seen.deadline == 2000 + UP
    assert seen.look(2000 + UP, eth0=True) == {"eth0": True}


def test_one_that_comes_back_while_it_counted_as_down_waits_from_then_on() -> None:
    seen = Seen(eth0=False)
    seen.look(1000, eth0=True)
    seen.look(1100)
    assert seen.look(1200, eth0=True) == {"eth0": False}
    assert seen.deadline == 1200 + UP


def test_every_link_has_its_own_time_and_the_next_one_is_the_deadline() -> None:
    seen = Seen(eth0=True, eth1=False)
    seen.look(1000, eth0=True, eth1=True)
    seen.look(1100, eth0=False, eth1=True)
    assert seen.deadline == 1100 + DOWN
    assert seen.look(1100 + DOWN, eth0=False, eth1=True) == {"eth0": False, "eth1": False}
    assert seen.deadline == 1000 + UP
    assert seen.look(1000 + UP, eth0=False, eth1=True) == {"eth0": False, "eth1": True}


def test_one_delay_alone() -> None:
    assert Seen(eth0=True, down=0).look(1000, eth0=False) == {"eth0": False}
    assert Seen(eth0=False, up=0).look(1000, eth0=True) == {"eth0": True}


def test_what_counts_is_all_that_is_changed() -> None:
    damping = Damping()
    link = Interface(7, "eth0", True, b"\2\0\0\0\0\1")
    damping.look({"eth0": link}, DOWN, UP, 0)
    down = Interface(7, "eth0", False, b"\2\0\0\0\0\2")
    assert damping.look({"eth0": down}, DOWN, UP, 1)["eth0"] == Interface(7, "eth0", True, b"\2\0\0\0\0\2")


class TestEngine:
    """The engine asks for the deadline and does nothing before it."""

    DAMPED = dataclasses.replace(
        FOUR, interface="eth0", link_down_delay=DOWN * MILLISECOND, link_up_delay=UP * MILLISECOND
    )

    def _carrier(self, bench: Bench, *, is_up: bool) -> None:
        bench.node.change("eth0", lambda link: dataclasses.replace(link, is_up=is_up))
        bench.engine.interfaces_changed(bench.now)

    def test_a_flap_is_not_seen_in_what_is_done(self) -> None:
        bench = active(self.DAMPED)
        self._carrier(bench, is_up=False)
        bench.run((DOWN - 1) / 1000)
        self._carrier(bench, is_up=True)
        bench.run(2)
        assert [kind for kind, _, _ in bench.node.take() if kind in {"assign", "release"}] == []
        assert bench.state().state == "Active"

    def test_down_counts_at_the_deadline_and_up_at_the_other(self) -> None:
        bench = active(self.DAMPED)
        self._carrier(bench, is_up=False)
        down_at = bench.now + DOWN * MILLISECOND
        assert bench.engine.deadline == down_at
        bench.run(DOWN / 1000)
        assert (bench.state().state, bench.state().reason) == ("Fault", "interface eth0 is down")
        assert bench.node.held("eth0") == set()
        self._carrier(bench, is_up=True)
        bench.run((UP - 1) / 1000)
        assert bench.state().state == "Fault"
        bench.run(0.001)
        assert bench.state().state == "Backup"

    def test_a_tracked_interface_is_damped_too(self) -> None:
        eth1 = Interface(3, "eth1", True, bytes(6))
        bench = Bench(ETH0, eth1)
        bench.apply(dataclasses.replace(self.DAMPED, tracked_interfaces=(("eth1", 40),)))
        bench.node.change("eth1", lambda link: dataclasses.replace(link, is_up=False))
        bench.engine.interfaces_changed(bench.now)
        assert bench.state().effective_priority == 100
        bench.run(DOWN / 1000)
        assert bench.state().effective_priority == 60

    def test_a_router_that_goes_meanwhile_leaves_no_deadline(self) -> None:
        bench = active(self.DAMPED)
        self._carrier(bench, is_up=False)
        bench.apply()
        bench.run(1)
        assert bench.engine.deadline is None

    def test_delays_that_are_taken_away_meanwhile_count_at_once(self) -> None:
        bench = active(self.DAMPED)
        self._carrier(bench, is_up=False)
        bench.apply(dataclasses.replace(self.DAMPED, link_down_delay=0, link_up_delay=0))
        assert bench.state().state == "Fault"
        bench.run(1)
        assert bench.state().state == "Fault"
