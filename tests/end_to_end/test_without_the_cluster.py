"""The election never needs the API server: what happens on the wire while it is away."""

from __future__ import annotations

import time

import pytest
from lab.waiting import throughout, until

from end_to_end.world import Apply, World

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

A_MINUTE = 60
"""Seconds: longer than an agent's Lease is good for (40 s), so that the operator, too, comes back to stale ones."""


@pytest.fixture
def address(world: World, apply: Apply) -> str:
    apply("away", addresses=["10.9.0.110/24"])
    world.settled("away", "10.9.0.110")
    return "10.9.0.110"


def test_a_minute_without_api_server_changes_nothing_on_the_wire(world: World, address: str) -> None:
    """Also not in the ten seconds after it is back, when everybody looks at old Leases."""
    (holder,) = world.holders(address)
    with world.prober(address) as prober:
        prober.wait_for(holder, 5)
        start = time.monotonic_ns()
        world.plane.stop_api_server()
        time.sleep(A_MINUTE)
        world.plane.start_api_server()
        time.sleep(10)
        window = prober.window(start)
    assert window.answered_by == [holder]
    assert window.longest_gap < 100
    world.wait_for_status("away", holder)


def test_an_agent_restarted_without_api_server_serves_from_its_saved_copy(world: World, address: str) -> None:
    (holder,) = world.holders(address)
    agent = world.cluster.agents[holder]
    world.plane.stop_api_server()
    try:
        agent.stop()
        successor = world.wait_for_holder(address, among=lambda name: name != holder)
        agent.start()
        assert world.wait_for_holder(address, among=lambda name: name == holder) == holder
        until(lambda: world.holders(address) == [holder], 5, f"{successor} has let go")
        throughout(lambda: world.holders(address) == [holder], 2, f"{holder} alone holds the address")
    finally:
        world.plane.start_api_server()
    world.wait_for_status("away", holder)
