"""linkDamping on links that really flap."""

from __future__ import annotations

import time

import pytest
from lab.network import Lan
from wire.interface_life import MILLISECOND, OWN, VIP, Pair, router, standing
from wire.links import Kind
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux

VETH = Kind("eth0", ())
PERIOD = 400 * MILLISECOND
DOWN, UP = 780 * MILLISECOND, 1000 * MILLISECOND
"""Down: a little less than two periods, the most that is allowed."""
FLAP = 0.45
"""Seconds: one advertisement falls into it, and with what the commands take it stays well below the delay."""
DOWN_200 = 1287 * MILLISECOND
"""Active_Down_Interval of priority 200 at 400 ms, rounded down: 1287.5 ms."""


@pytest.fixture
def pair(lan: Lan) -> Pair:
    pair = Pair(lan, VETH)
    lan.attach(pair.n1, "10.8.0.1/24", interface="eth1")
    pair.start()
    slow = {"advertisement_interval": PERIOD}
    pair.first.configure(router(200, link_down_delay=DOWN, link_up_delay=UP, tracked_interfaces=(("eth1", 0),), **slow))
    pair.second.configure(router(100, **slow))
    time.sleep(2 * PERIOD / 1e9)  # the Backup waits by the period that it heard last: it must have heard the new one
    assert standing(pair.first) == ("Active", 2)
    return pair


def test_a_flap_shorter_than_the_delay_is_no_transition(pair: Pair) -> None:
    """Also of a tracked interface. What cannot be sent meanwhile is counted and harms nobody: the peer misses at most two."""
    before = standing(pair.second)
    for interface in ("eth0", "eth1"):
        for down, up in ((pair.n1.unplug, pair.n1.plug), (pair.n1.link_down, pair.n1.link_up)):
            down(interface)
            time.sleep(FLAP)
            up(interface)
            time.sleep(2 * PERIOD / 1e9)
    assert standing(pair.first) == ("Active", 2)
    assert standing(pair.second) == before
    assert pair.n1.holds(VIP)
    state = pair.first.router()
    assert state is not None
    assert [name for name in state.noted if name.startswith("SendFailed")]


def test_a_link_that_stays_down_counts_after_the_delay_and_one_that_is_back_after_the_other(pair: Pair) -> None:
    with pair.holders as holders, Sniffer(pair.n2) as seen:
        down = time.time_ns()
        pair.n1.unplug()
        pair.assert_second_holds("interface eth0 is down")
        state = pair.first.router()
        assert state is not None
        assert state.since * 1e9 >= down + DOWN
        back = time.time_ns()
        pair.n1.plug()
        time.sleep(UP / 2e9)
        assert pair.first.wait_for("Fault").reason == "interface eth0 is down"
        pair.assert_first_holds()
        first = next(at for at, _ in seen.advertisements(OWN[0].partition("/")[0]) if at > back)
        assert first >= back + UP + DOWN_200
        assert holders.longest_overlap() < PERIOD / 1e9


def test_a_link_that_flaps_on_while_it_is_out_stays_out(pair: Pair) -> None:
    pair.n1.unplug()
    pair.assert_second_holds("interface eth0 is down")
    before = standing(pair.second)
    for _ in range(4):
        pair.n1.plug()
        time.sleep(UP / 2e9)
        pair.n1.unplug()
        time.sleep(FLAP)
    assert pair.first.wait_for("Fault").reason == "interface eth0 is down"
    assert standing(pair.second) == before
    pair.n1.plug()
    pair.assert_first_holds()
