"""Nodes that are taken out of service, and come back; interfaces that get another name."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from lab.waiting import throughout, until

from end_to_end.world import OVERLAP, PERIOD, Apply, World, watched

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

ADDRESS = "10.9.0.150"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
SKEW = PERIOD
"""Seconds: RFC 9568, 6.1: less than a period."""
MARGIN = 0.3
DOWN = 4 * PERIOD
"""Seconds: RFC 9568, 6.1: Active_Down_Interval is three periods and a skew time."""
NAMED, FOUND = ("named", "10.9.0.151"), ("found", "10.9.0.152")
"""One floating IP whose entries name the interface, one whose subnet finds it."""
PRIORITIES = {"n1": 200, "n2": 150, "n3": 100}
WITHIN = 30


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


@pytest.fixture
def names(world: World) -> Iterator[None]:
    """Every interface has its name again."""
    yield
    for node in world.nodes.values():
        if "lan0" in node.ports:
            node.rename("lan0", "eth0")


def _entries(**interfaces: str) -> list[dict[str, Any]]:
    """All three nodes, with the interface that some of them name."""
    return [
        {"name": name, "priority": priority, **({"interface": interfaces[name]} if name in interfaces else {})}
        for name, priority in PRIORITIES.items()
    ]


def _states(world: World, name: str) -> dict[str, tuple[str, str | None]]:
    """State and interface of each node."""
    nodes = world.floating_ip(name).get("status", {}).get("nodes", [])
    return {entry["name"]: (entry["state"], entry.get("interface")) for entry in nodes}


def _until_states(world: World, name: str, **expected: tuple[str, str | None]) -> None:
    until(lambda: _states(world, name) == expected, WITHIN, f"{name}: {expected}")


def _degraded(world: World, name: str) -> str:
    conditions = world.floating_ip(name)["status"]["conditions"]
    return next(f"{c['reason']}: {c['message']}" for c in conditions if c["type"] == "Degraded")


@pytest.mark.usefixtures("names")
def test_a_renamed_interface(world: World, apply: Apply) -> None:
    """Issue: "renamed interface". docs/cluster.md: "a floating IP that names the old one is in Fault on that node until [...]",
    or until the name is back."""
    active, backup = ("Active", "eth0"), ("Backup", "eth0")
    apply(NAMED[0], addresses=[f"{NAMED[1]}/24"], nodes=_entries(n1="eth0", n2="eth0", n3="eth0"))
    apply(FOUND[0], addresses=[f"{FOUND[1]}/24"], nodes=_entries())
    for name, _ in (NAMED, FOUND):
        _until_states(world, name, n1=active, n2=backup, n3=backup)
    n1, n3 = world.nodes["n1"], world.nodes["n3"]
    with world.prober(NAMED[1]) as named, watched(world, NAMED[1], FOUND[1]) as doubled:
        named.wait_for("n1", 5)
        start = time.monotonic_ns()
        n3.rename("eth0", "lan0")  # a Backup's
        _until_states(world, FOUND[0], n1=active, n2=backup, n3=("Backup", "lan0"))
        until(lambda: _states(world, NAMED[0])["n3"][0] == "Fault", WITHIN, "n3 is in Fault")
        assert _degraded(world, NAMED[0]) == "NodeFault: n3: interface eth0 does not exist"
        n3.rename("lan0", "eth0")
        for name, _ in (NAMED, FOUND):
            _until_states(world, name, n1=active, n2=backup, n3=backup)
        window = named.window(start)
        assert (window.lost, window.answered_by) == (0, ["n1"])
        start = time.monotonic_ns()
        n1.rename("eth0", "lan0")  # the holder's
        named.wait_for("n2", 10)
        gap = named.window(start).longest_gap
        print(f"the holder's interface is renamed: longest gap {gap:.0f} ms")
        assert gap < (DOWN + MARGIN) * 1000
        _until_states(world, FOUND[0], n1=("Active", "lan0"), n2=backup, n3=backup)
        until(lambda: _states(world, NAMED[0])["n1"][0] == "Fault", WITHIN, "n1 is in Fault")
        assert world.holders(NAMED[1]) == ["n2"]
        start = time.monotonic_ns()
        spec = {"spec": {"nodes": _entries(n1="lan0", n2="eth0", n3="eth0")}}
        world.plane.kubectl("patch", "fip", NAMED[0], "--type=merge", "-p", json.dumps(spec))
        named.wait_for("n1", WITHIN)
        _until_states(world, NAMED[0], n1=("Active", "lan0"), n2=backup, n3=backup)
        window = named.window(start)
        print(f"the entry names the new interface: longest gap {window.longest_gap:.0f} ms")
        assert window.longest_gap < (SKEW + MARGIN) * 1000
    assert max(doubled, default=0.0) < OVERLAP
