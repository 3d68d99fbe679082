"""Many routers on one LAN, seeded: what must hold whatever the network does, and what must hold once it is quiet."""

from __future__ import annotations

import os
import random

import pytest
from floatip_agent.vrrp.timers import active_down_interval, skew_time
from in_memory.lan import FAMILIES, MILLISECOND, SECOND, Conditions, Node, SimulatedLan

SEEDS = range(int(os.environ.get("FLOATIP_SEEDS", "20")))
SLOWEST = active_down_interval(3, 1, SECOND)


def a_lan(seed: int, conditions: Conditions, *, preempt: bool = True) -> SimulatedLan:
    """Three to five nodes of any priorities, of one family or a sync group of both, all started within a second."""
    choice = random.Random(seed)
    families = FAMILIES if choice.random() < 0.5 else choice.sample(FAMILIES, 1)
    intervals = dict.fromkeys(families, SECOND)
    if len(families) == 2 and choice.random() < 0.5:
        intervals[choice.choice(families)] = SECOND // 10
    nodes = [
        Node(number, choice.choice([1, 50, 99, 100, 100, 200, 254]), intervals, preempt=preempt)
        for number in range(1, choice.randint(3, 5) + 1)
    ]
    lan = SimulatedLan(seed, nodes, conditions)
    for node in nodes:
        lan.at(lan.now + choice.randint(0, SECOND), lambda node=node: lan.start(node))  # type: ignore[misc]
    return lan


def best(nodes: list[Node]) -> Node:
    return max(nodes, key=lambda node: (node.priority, node.number))


@pytest.mark.parametrize("seed", SEEDS)
def test_after_every_disturbance_there_is_exactly_one_active_and_none_is_better(seed: int) -> None:
    lan = a_lan(seed, Conditions(loss=0.05, duplication=0.05))
    for _ in range(12):
        disturb(lan)
        lan.run(lan.random.randint(0, 6 * SECOND))
    lan.conditions = Conditions()
    lan.run(2 * SLOWEST)
    before = len(lan.trace)
    lan.run(10 * SLOWEST)
    alive = [node for node in lan.nodes if node.is_alive]
    (active,) = lan.active
    assert active.priority == best(alive).priority, "among equals the one that has the role keeps it"
    changes = [entry for entry in lan.trace[before:] if "Transition" in repr(entry)]
    assert changes == [], "it stays that way for as long as nothing happens"


def disturb(lan: SimulatedLan) -> None:
    """One of: a crash, a planned leave, a boot, a partition, the end of one."""
    node = lan.random.choice(lan.nodes)
    match lan.random.choice(["node", "node", "partition", "heal"]):
        case "node" if not node.is_alive:
            lan.start(node)
        case "node" if sum(other.is_alive for other in lan.nodes) > 1:
            lan.random.choice([lan.crash, lan.stop])(node)
        case "partition":
            side = lan.random.sample(lan.nodes, len(lan.nodes) // 2)
            lan.conditions.partition = frozenset(other.number for other in side)
        case _:
            lan.conditions.partition = frozenset()


@pytest.mark.parametrize("seed", SEEDS)
def test_without_loss_two_are_active_for_no_longer_than_an_advertisement_travels(seed: int) -> None:
    lan = a_lan(seed, Conditions())
    for _ in range(6):
        lan.run(3 * SLOWEST)
        gone = lan.random.choice(lan.nodes)
        if gone.is_alive:
            lan.crash(gone)
        else:
            lan.start(gone)
    lan.run(3 * SLOWEST)
    spans = [end - start for start, end in lan.two_active]
    # Three that claim at once make two such spans, which may join.
    assert max(spans, default=0) <= 2 * lan.conditions.longest_delay


@pytest.mark.parametrize("seed", SEEDS)
def test_a_planned_leave_hands_over_within_the_skew_time(seed: int) -> None:
    """RFC 9568 6.4.2: priority 0 sets the Active_Down_Timer to Skew_Time."""
    lan = a_lan(seed, Conditions())
    lan.run(4 * SLOWEST)
    (leaver,) = lan.active
    heir = best([node for node in lan.nodes if node is not leaver])
    lan.stop(leaver)
    assert lan.active == []
    late = lan.conditions.longest_delay + lan.conditions.latest_wake_up
    if len(heir.parameters) == 2:
        late += lan.conditions.latest_wake_up
    lan.run(skew_time(3, heir.priority, SECOND) + late)
    assert heir.priority in {node.priority for node in lan.active}


@pytest.mark.parametrize("seed", SEEDS)
def test_preemption_off_leaves_the_role_where_it_is(seed: int) -> None:
    lan = a_lan(seed, Conditions(), preempt=False)
    lan.run(4 * SLOWEST)
    (first,) = lan.active
    other = next(node for node in lan.nodes if node is not first)
    lan.crash(other)
    lan.start(other)
    lan.run(10 * SLOWEST)
    assert lan.active == [first]
    lan.crash(first)
    lan.run(2 * SLOWEST)
    (second,) = lan.active
    lan.start(first)
    lan.run(10 * SLOWEST)
    assert lan.active == [second], "the one that comes back does not take it again"


def test_equal_seeds_give_equal_traces() -> None:
    traces = []
    for _ in range(2):
        lan = a_lan(7, Conditions(loss=0.2, duplication=0.2))
        for _ in range(10):
            disturb(lan)
            lan.run(5 * SECOND)
        traces.append(lan.trace)
    assert traces[0] == traces[1]
    assert len(traces[0]) > 100


def test_the_traces_of_other_seeds_differ() -> None:
    lans = [a_lan(seed, Conditions(longest_delay=MILLISECOND)) for seed in (1, 2)]
    for lan in lans:
        lan.run(60 * SECOND)
    assert lans[0].trace != lans[1].trace
