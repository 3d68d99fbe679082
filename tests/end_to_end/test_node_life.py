"""Nodes that are taken out of service, and come back."""

from __future__ import annotations

import time

import pytest
from end_to_end.world import PERIOD, Apply, World
from lab.waiting import throughout, until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

ADDRESS = "10.9.0.150"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
SKEW = PERIOD
"""Seconds: RFC 9568, 6.1: less than a period."""
MARGIN = 0.3


def test_a_node_that_is_excluded_hands_over_and_comes_back(world: World, apply: Apply) -> None:
    """Issue: "`node.kubernetes.io/exclude-from-external-load-balancers` on a node is honoured: planned hand-over"."""
    apply("excluded", addresses=[f"{ADDRESS}/24"])
    holder = world.settled("excluded", ADDRESS)
    with world.prober(ADDRESS) as prober:
        prober.wait_for(holder, 5)
        start = time.monotonic_ns()
        world.plane.kubectl("label", "node", holder, f"{EXCLUDED}=")
        try:
            successor = world.wait_for_holder(ADDRESS, among=lambda name: name != holder)
            prober.wait_for(successor, 5)
            assert prober.window(start).longest_gap < (SKEW + MARGIN) * 1000
            until(lambda: holder not in _nodes(world), 20, f"{holder} takes no part")
            world.wait_for_status("excluded", successor)
        finally:
            world.plane.kubectl("label", "node", holder, f"{EXCLUDED}-")
    until(lambda: holder in _nodes(world), 20, f"{holder} takes part again")


def test_a_cordoned_node_keeps_its_addresses(world: World, apply: Apply) -> None:
    """docs/cluster.md: drain leaves DaemonSet Pods alone, and so does floatip."""
    apply("excluded", addresses=[f"{ADDRESS}/24"])
    holder = world.settled("excluded", ADDRESS)
    world.plane.kubectl("cordon", holder)
    try:
        throughout(lambda: world.holders(ADDRESS) == [holder], 3, f"{holder} alone holds it")
        assert holder in _nodes(world)
    finally:
        world.plane.kubectl("uncordon", holder)


def _nodes(world: World) -> set[str]:
    return {entry["name"] for entry in world.floating_ip("excluded")["status"]["nodes"]}
