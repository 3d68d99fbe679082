"""Announcements over many addresses: spread, in which order, and none after the role is lost."""

from __future__ import annotations

import dataclasses
import itertools

from floatip_agent.configuration import RouterConfiguration
from floatip_agent.engine.announcements import FRAMES_AT_ONCE, GAP, Announcements
from in_memory.bench import FOUR, SECOND, VIP, Bench, active

MILLISECOND = 1_000_000
MANY = tuple(bytes((10, 9, 1, number)) for number in range(64))
SIXTY_FOUR = dataclasses.replace(FOUR, addresses=tuple(f"10.9.1.{number}/32" for number in range(64)), interface="eth0")


def routers(count: int) -> list[RouterConfiguration]:
    return [
        RouterConfiguration(f"r{number:03}", "IPv4", number, (f"10.9.2.{number}/32",), 200, interface="eth0")
        for number in range(1, count + 1)
    ]


def drained(announcements: Announcements, now: int = 0) -> list[tuple[int, str, bytes]]:
    """Every frame to the end: when, whose, which address."""
    frames = []
    while (deadline := announcements.deadline) is not None:
        now = max(now, deadline)
        taken = announcements.take(now)
        frames += [(now, key[0], address) for key, addresses in taken for address in addresses]
    return frames


def test_a_single_router_announces_all_at_once() -> None:
    announcements = Announcements()
    announcements.start(("elk", "IPv4"), (VIP,), 5)
    assert drained(announcements, 7) == [(7, "elk", VIP)] * 5


def test_64_addresses_five_times_take_30_ms_and_each_address_comes_once_before_any_comes_twice() -> None:
    announcements = Announcements()
    announcements.start(("elk", "IPv4"), MANY, 5)
    frames = drained(announcements)
    assert len(frames) == 320
    assert [address for *_, address in frames] == [*MANY] * 5
    assert frames[-1][0] - frames[0][0] == 6 * GAP == 30 * MILLISECOND
    turns = [len(list(turn)) for _, turn in itertools.groupby(frames, lambda frame: frame[0])]
    assert max(turns) == FRAMES_AT_ONCE


def test_250_routers_share() -> None:
    announcements = Announcements()
    for number in range(250):
        announcements.start((f"r{number}", "IPv4"), (VIP,), 5)
    frames = drained(announcements)
    assert len(frames) == 1250
    firsts = frames[:250]
    assert len({name for _, name, _ in firsts}) == 250, "the first frame of all before the second of any"
    assert firsts[-1][0] == 20 * MILLISECOND
    assert frames[-1][0] == 120 * MILLISECOND


def test_what_is_stopped_says_nothing_more_and_the_others_go_on() -> None:
    announcements = Announcements()
    announcements.start(("elk", "IPv4"), MANY, 5)
    announcements.start(("web", "IPv4"), (VIP,), 5)
    announcements.take(0)
    announcements.stop(("elk", "IPv4"))
    assert {name for _, name, _ in drained(announcements)} == {"web"}


def test_a_new_burst_replaces_the_old_one() -> None:
    announcements = Announcements()
    announcements.start(("elk", "IPv4"), MANY, 5)
    announcements.take(0)
    announcements.start(("elk", "IPv4"), (VIP,), 2)
    assert [address for *_, address in drained(announcements)] == [VIP, VIP]


class TestInTheEngine:
    def test_no_advertisement_waits_for_the_announcements_of_250_routers(self) -> None:
        """All take over in one moment: each turn advertises first, and no turn sends more than its share of frames."""
        bench = Bench()
        bench.apply(*routers(250))
        bench.run(3.2)
        bench.node.take()
        turns: list[list[str]] = []
        while not turns or turns[-1]:
            deadline = bench.engine.deadline
            assert deadline is not None
            bench.now = max(bench.now, deadline)
            bench.engine.handle_timeouts(bench.now)
            turns.append([kind for kind, *_ in bench.node.take()])
            if bench.now > 5_000 * SECOND + 3.4 * SECOND:
                break
        kinds = list(itertools.chain.from_iterable(turns))
        assert kinds.count("send") == 250
        assert kinds.count("announce") == 1250
        assert max(turn.count("announce") for turn in turns) <= FRAMES_AT_ONCE
        for turn in turns:
            assert "send" not in turn[turn.index("announce") :] if "announce" in turn else True

    def test_no_frame_before_the_address_is_there(self) -> None:
        bench = Bench()
        bench.apply(SIXTY_FOUR)
        bench.run(3.8)
        kinds = [kind for kind, *_ in bench.node.take()]
        assert kinds.index("assign") < kinds.index("announce")

    def test_the_rest_of_a_burst_is_dropped_with_the_role(self) -> None:
        bench = active(SIXTY_FOUR)
        bench.run(5 - 0.09)  # the second burst is under way
        begun = sum(len(of) for kind, _, of in bench.node.take() if kind == "announce")
        assert 0 < begun < 320
        bench.hear(200)
        bench.run(1)
        assert "announce" not in [kind for kind, *_ in bench.node.take()]

    def test_what_cannot_be_assigned_is_not_announced(self) -> None:
        bench = Bench()
        bench.node.refuse[MANY[63]] = 13
        bench.apply(SIXTY_FOUR)
        bench.run(4)
        assert "announce" not in [kind for kind, *_ in bench.node.take()]
