"""api.md: "leave: {requestID}: a request to hand the role over once, on purpose"."""

from __future__ import annotations

import dataclasses

from floatip_agent.configuration import Health, RouterConfiguration
from in_memory.bench import FOUR, PEER6, SECOND, SIX, Bench, active

ASKED, ASKED6 = (dataclasses.replace(router, leave="r1") for router in (FOUR, SIX))
OWNER = dataclasses.replace(FOUR, priority=255)


def test_the_active_says_priority_zero_and_stands_by() -> None:
    bench = active()
    bench.apply(ASKED)
    (sent, released) = bench.node.take()
    assert (sent[0], sent[2][0][2], released[0]) == ("send", 0, "release")
    state = bench.state()
    assert (state.state, state.reason, state.effective_priority) == ("Backup", "asked to hand over", 1)
    assert state.left is None, "nobody else is known to be Active"


def test_it_is_confirmed_while_another_is_active() -> None:
    bench = active()
    bench.apply(ASKED)
    bench.hear(50)
    assert bench.state().left == "r1"
    bench.run(4)
    state = bench.state()
    assert (state.state, state.left) == ("Active", None), "the other one is gone, and nobody else is there"


def test_a_request_is_carried_out_once() -> None:
    bench = active()
    bench.apply(ASKED)
    bench.run(2)
    assert bench.state().state == "Active"
    bench.node.take()
    bench.apply(ASKED)
    bench.engine.set_health("elk", Health(lower_by=5), bench.now)
    assert bench.state().state == "Active"
    bench.run(1)
    assert set(bench.priorities()) == {1}, "whoever comes takes over"
    bench.apply(dataclasses.replace(FOUR, leave="r2"))
    assert bench.state().state == "Backup"


def test_without_the_request_the_usual_priority_is_back() -> None:
    bench = active()
    bench.apply(ASKED)
    bench.hear(50)
    bench.apply(FOUR)
    assert (bench.state().effective_priority, bench.state().left) == (100, None)
    bench.hear(50)
    bench.run(4)
    assert bench.state().state == "Active"


def test_a_backup_confirms_at_once_and_does_not_preempt() -> None:
    bench = Bench()
    bench.apply(ASKED)
    bench.hear(50)
    assert bench.state().left == "r1"
    for _ in range(10):
        bench.run(1)
        bench.hear(50)
    assert bench.state().state == "Backup"
    assert bench.priorities() == []


def test_an_engine_that_starts_with_a_request_listens_first_even_as_owner() -> None:
    """RFC 9568 6.4.1: an owner becomes Active at once; one that is to hand over does not."""
    bench = Bench()
    bench.apply(dataclasses.replace(OWNER, leave="r1"))
    bench.run(3)
    assert bench.state().state == "Backup"
    bench.apply(OWNER)
    bench.hear(50)
    bench.run(4)
    assert bench.state().state == "Active"


def test_both_families_go_together_and_confirm_each_for_itself() -> None:
    bench = active(FOUR, SIX)
    bench.apply(ASKED, ASKED6)
    assert bench.priorities() == [0, 0]
    bench.hear(50)
    assert (bench.state().left, bench.state(family="IPv6").left) == ("r1", None)
    bench.hear(50, PEER6)
    assert bench.state(family="IPv6").left == "r1"


def test_a_sync_group_leaves_with_the_member_that_is_asked() -> None:
    first = dataclasses.replace(FOUR, group="edge")
    second = RouterConfiguration("web", "IPv4", 52, ("10.9.0.101/32",), 100, group="edge")
    bench = active(first, second)
    bench.apply(dataclasses.replace(first, leave="r1"), second)
    assert (bench.state().state, bench.state("web").state) == ("Backup", "Backup")
    bench.hear(50)
    for _ in range(5):
        bench.run(1)
        bench.hear(50)
    assert bench.state("web").state == "Backup", "it waits for the member that follows another"


def test_at_the_shortest_period_it_is_taken_back_after_two() -> None:
    bench = active(dataclasses.replace(FOUR, advertisement_interval=SECOND // 100))
    bench.apply(dataclasses.replace(ASKED, advertisement_interval=SECOND // 100))
    bench.run(0.0199)
    assert bench.state().state == "Backup"
    bench.run(0.0002)
    assert bench.state().state == "Active"
