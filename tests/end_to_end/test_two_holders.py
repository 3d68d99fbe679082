"""Two that really claim an address, each cut off from the other on the LAN, both with a way to the API server."""

from __future__ import annotations

import pytest
from end_to_end.world import Apply, World
from lab.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

ADDRESS = "10.9.0.130"
TOLD_WITHIN = 30
"""Seconds: max(2 s, 2 periods), and a renewal of both Leases (every 10 s), on a busy machine."""


def test_two_holders_are_said_and_a_healed_partition_is_over(world: World, apply: Apply) -> None:
    """api.md: "two fresh agents claim it for longer than max(2 s, 2 periods)"."""
    apply(
        "split", addresses=[f"{ADDRESS}/24"], nodes=[{"name": "n1", "priority": 200}, {"name": "n2", "priority": 100}]
    )
    assert world.wait_for_holder(ADDRESS, among=lambda name: name == "n1") == "n1"
    world.wait_for_status("split", "n1")
    until(lambda: len(world.floating_ip("split")["status"]["nodes"]) == 2, 20, "both take part")
    world.lan.partition(world.nodes["n1"], world.nodes["n2"])
    try:
        until(lambda: world.holders(ADDRESS) == ["n1", "n2"], 10, "both hold it")
        until(lambda: world.conditions("split")["SingleHolder"] == "False", TOLD_WITHIN, "two holders are said")
        status = world.floating_ip("split")["status"]
        said = {c["type"]: (c["reason"], c["message"]) for c in status["conditions"]}
        assert said["SingleHolder"][0] == "TwoHolders"
        assert "n1 and n2" in said["SingleHolder"][1]
        assert sorted(status["activeNodes"]) == ["n1", "n2"]
    finally:
        world.lan.heal()
    world.wait_for_holder(ADDRESS, among=lambda name: name == "n1")
    until(lambda: world.conditions("split")["SingleHolder"] == "True", TOLD_WITHIN, "it is over")
    world.wait_for_status("split", "n1")
