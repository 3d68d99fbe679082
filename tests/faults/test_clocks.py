"""Who holds an address, told of agents whose clocks are wrong: no false page on a crash, a fail-over, a partition; a true one when two
really claim it. In this world n1's clock is a day ahead and n2's hours behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from end_to_end.world import Apply, World
from lab.waiting import throughout, until

from faults.conftest import CLOCKS

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

NAME, ADDRESS = "clocks", "10.9.0.130"
TOLD_WITHIN = 30
"""Seconds: max(2 s, 2 periods), and a renewal of both Leases (every 10 s), on a busy machine."""
A_RENEWAL = 13
"""Seconds in which every living agent renews its Lease, and an operator looks at it."""
NODES = [{"name": "n1", "priority": 200}, {"name": "n2", "priority": 100}]
OTHERWISE = {"n1": -86400.0, "n2": 150.0}
"""Seconds off, in the other direction: a day, minutes."""


@pytest.fixture(autouse=True)
def clocks(world: World) -> Iterator[None]:
    yield
    _set(world, CLOCKS)


def _set(world: World, offsets: dict[str, float]) -> None:
    for node, offset in offsets.items():
        world.cluster.clocks[node].set(offset)


def _pages(world: World) -> set[str]:
    """What was told of a second holder: each turn of the condition leaves an Event."""
    events = world.plane.get("events", "-n", "default")["items"]
    uid = world.floating_ip(NAME)["metadata"]["uid"]
    mine = [event for event in events if event["involvedObject"].get("uid") == uid]
    return {event["reason"] for event in mine} & {"TwoHolders", "RivalHeard"}


def _is_n1s(world: World) -> None:
    world.wait_for_holder(ADDRESS, among=lambda name: name == "n1")
    world.wait_for_status(NAME, "n1")
    until(lambda: len(world.floating_ip(NAME)["status"]["nodes"]) == 2, 20, "both take part")


def test_agents_clocks_are_never_compared(world: World, apply: Apply) -> None:
    """api.md: "A dead node's last word is no sign [...]. Agents' clocks are never compared"."""
    apply(NAME, addresses=[f"{ADDRESS}/24"], nodes=NODES)
    _is_n1s(world)
    agent = world.cluster.agents["n1"]
    agent.kill()
    world.wait_for_holder(ADDRESS, among=lambda name: name == "n2")
    world.wait_for_status(NAME, "n2")
    _set(world, OTHERWISE)  # they jump while agents run
    throughout(lambda: world.conditions(NAME)["SingleHolder"] == "True", A_RENEWAL, "one holder")
    agent.start()
    _is_n1s(world)
    world.lan.partition(world.nodes["n1"], world.nodes["n2"])
    until(lambda: len(world.holders(ADDRESS)) == 2, 10, "both hold it, for a moment")
    world.lan.heal()
    _is_n1s(world)
    assert _pages(world) == set()


def test_two_holders_are_said_and_a_healed_partition_is_over(world: World, apply: Apply) -> None:
    """api.md: "two fresh agents claim it for longer than max(2 s, 2 periods)". Each is cut off from the other on the LAN, and both have a
    way to the API server."""
    apply(NAME, addresses=[f"{ADDRESS}/24"], nodes=NODES)
    _is_n1s(world)
    world.lan.partition(world.nodes["n1"], world.nodes["n2"])
    try:
        until(lambda: world.holders(ADDRESS) == ["n1", "n2"], 10, "both hold it")
        until(lambda: world.conditions(NAME)["SingleHolder"] == "False", TOLD_WITHIN, "two holders are said")
        status = world.floating_ip(NAME)["status"]
        said = {c["type"]: (c["reason"], c["message"]) for c in status["conditions"]}
        assert said["SingleHolder"][0] == "TwoHolders"
        assert "n1 and n2" in said["SingleHolder"][1]
        assert sorted(status["activeNodes"]) == ["n1", "n2"]
    finally:
        world.lan.heal()
    _is_n1s(world)
    until(lambda: world.conditions(NAME)["SingleHolder"] == "True", TOLD_WITHIN, "it is over")
    assert "TwoHolders" in _pages(world)
