"""Much is due at once: what goes first, what waits, and that nothing is forgotten."""

from __future__ import annotations

import socket

from floatip_agent.configuration import RouterConfiguration
from floatip_agent.engine.engine import ADDRESSES_AT_ONCE, GROUPS_AT_ONCE
from in_memory.bench import FOUR, SECOND, VIP, Bench, active

EIGHT = 8


def backups(count: int, addresses: int = EIGHT) -> list[RouterConfiguration]:
    return [
        RouterConfiguration(
            f"r{number:03}", "IPv4", 100 + number,
            tuple(f"10.9.{place + 1}.{number}/32" for place in range(addresses)), 200, interface="eth0",
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def due(count: int) -> Bench:
    """elk is Active and its advertisement is due, half a second after the time of all the others to take over."""
    bench = active()
    bench.apply(FOUR, *backups(count))
    bench.run(2.7)
    bench.node.take()
    bench.now += SECOND
    return bench


def turn(bench: Bench, *, heard_all: bool = True) -> tuple[list[bytes], list[bytes]]:
    """What one turn did: the sources' router IDs of the advertisements, the assigned addresses."""
    bench.engine.handle_timeouts(bench.now, heard_all=heard_all)
    done = bench.node.take()
    sent = [of[0][1:2] for kind, _, of in done if kind == "send"]
    return sent, [address for kind, _, of in done if kind == "assign" for address in of]


ELK = bytes((FOUR.virtual_router_id,))


def test_takeovers_are_spread_over_turns_and_who_is_active_advertises_in_the_first() -> None:
    bench = due(50)
    turns = []
    while (deadline := bench.engine.deadline) is not None and deadline <= bench.now:
        turns.append(turn(bench))
        assert len(turns) < 100
    assert ELK in turns[0][0]
    assert max(len(assigned) for _, assigned in turns) < ADDRESSES_AT_ONCE + EIGHT
    assert sum(len(assigned) for _, assigned in turns) == 50 * EIGHT
    assert len({of for sent, _ in turns for of in sent}) == 51
    assert {bench.state(router.name).state for router in backups(50)} == {"Active"}


def test_a_turn_serves_no_more_than_its_share_of_groups() -> None:
    bench = Bench()
    bench.apply(*backups(100, addresses=1))
    bench.run(4)
    bench.node.take()
    bench.now += SECOND
    counts = [len(turn(bench)[0]) for _ in range(3)]
    assert counts == [GROUPS_AT_ONCE, 100 - GROUPS_AT_ONCE, 0]


def test_no_backup_takes_over_while_packets_lie_unread_and_who_is_active_goes_on() -> None:
    """vrrp.router: "an advertisement that lies unread is proof of life"."""
    bench = due(3)
    sent, assigned = turn(bench, heard_all=False)
    assert (sent, assigned) == ([ELK], [])
    deadline = bench.engine.deadline
    assert deadline is not None
    assert deadline < bench.now, "still due"
    assert len(turn(bench)[1]) == 3 * EIGHT


def test_the_lifetimes_of_many_are_renewed_each_second_but_not_in_one_turn() -> None:
    bench = Bench()
    bench.apply(*backups(100, addresses=1))
    bench.run(10)
    bench.node.take()
    seconds: list[set[bytes]] = []
    most = 0
    for _ in range(2):
        renewed: list[bytes] = []
        end = bench.now + int(1.05 * SECOND)
        while (deadline := bench.engine.deadline) is not None and deadline <= end:
            bench.now = max(bench.now, deadline)
            bench.engine.handle_timeouts(bench.now)
            of_turn = [address for kind, _, of in bench.node.take() if kind == "renew" for address in of]
            most = max(most, len(of_turn))
            renewed += of_turn
        seconds.append(set(renewed))
    everybody = {socket.inet_aton(router.addresses[0].partition("/")[0]) for router in backups(100, addresses=1)}
    assert seconds == [everybody, everybody]
    assert most <= 16
    assert VIP not in everybody
