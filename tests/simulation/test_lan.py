"""Times of a hand-over on the simulated LAN, in figures: nobody is in doubt for longer than the wire takes."""

from __future__ import annotations

import random

import pytest
from floatip_agent.vrrp import packet
from floatip_agent.vrrp.router import Parameters
from simulation.lan import SECOND, Conditions, Lan, Node
from simulation.promises import active_down_interval
from simulation.scenario import address

SLOWEST = active_down_interval(3, 1, SECOND)
SEEDS = range(20)


def a_lan(seed: int) -> Lan:
    """Three to five IPv4 routers at 1 s, all started within a second."""
    choice = random.Random(seed)
    nodes = []
    for number in range(1, choice.randint(3, 5) + 1):
        wire = packet.Wire(3, 51, SECOND, (address("IPv4", 100),))
        priority = choice.choice([1, 50, 99, 100, 100, 200, 254])
        nodes.append(Node(number, {"IPv4": Parameters(wire, priority, address("IPv4", number))}))
    lan = Lan(seed, nodes, Conditions())
    for node in nodes:
        lan.at(lan.now + choice.randint(0, SECOND), lan.boot, node)
    return lan


@pytest.mark.parametrize("seed", SEEDS)
def test_without_loss_two_are_active_for_no_longer_than_an_advertisement_travels(seed: int) -> None:
    lan = a_lan(seed)
    # Three that claim at once make two such spans, which may join.
    lan.promises.expect_at_most_one(2 * lan.conditions.longest_delay, lan.now)
    for _ in range(6):
        lan.run(3 * SLOWEST)
        gone = lan.random.choice(lan.nodes)
        (lan.crash if gone.is_alive else lan.boot)(gone)
    lan.run(3 * SLOWEST)
    lan.promises.look(lan.now)
    assert lan.promises.transitions > 3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_planned_leave_hands_over_within_the_skew_time(seed: int) -> None:
    """RFC 9568 6.4.2: "If the Priority in the ADVERTISEMENT is 0, then: Set the Active_Down_Timer to Skew_Time"."""
    lan = a_lan(seed)
    lan.run(4 * SLOWEST)
    (leaver,) = lan.active
    priority = max(node.effective.priority for node in lan.nodes if node is not leaver)
    lan.stop(leaver)
    assert lan.active == []
    skew = (256 - priority) * SECOND // 256
    lan.run(skew + lan.conditions.longest_delay + lan.conditions.latest_wake_up)
    assert priority in {node.effective.priority for node in lan.active}
