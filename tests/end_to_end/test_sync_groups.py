"""Two FloatingIPs on two LANs, inside and outside, that must be on one node: api.md, syncGroup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from lab.network import Host, Lan
from lab.waiting import throughout, until

from end_to_end.world import Apply, World

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

OUTSIDE, INSIDE = "10.9.0.120", "10.8.0.120"
ONE_PASS = 0.1
"""Seconds on a busy machine. The slower of the two has a period of 1 s: timers of their own would be seconds apart."""


@pytest.fixture(scope="module")
def inside(world: World) -> Iterator[Lan]:
    """A second LAN with every node on it, by eth1."""
    with Lan("inside") as lan:
        for number, node in enumerate(world.nodes.values(), 1):
            lan.attach(node, f"10.8.0.{number}/24", interface="eth1")
        yield lan
        for node in world.nodes.values():
            node.ports.pop("eth1")


def _address_changes(node: Host) -> Path:
    """Where the kernel's address changes are written down from now on, with their times."""
    log = node.folder / "addresses.log"
    log.unlink(missing_ok=True)
    node.popen(["ip", "-ts", "monitor", "address"], log=log)
    until(log.exists, 5, "the monitor runs")
    return log


def _seen(log: Path, change: str) -> Callable[[], datetime | None]:
    """When an address was first taken ("\\d+:") or dropped ("Deleted"), once it is written down."""

    def time_of() -> datetime | None:
        found = re.search(rf"\[([-\dT:.]+)\] {change}", log.read_text())
        return datetime.fromisoformat(found[1]) if found else None

    return time_of


@pytest.fixture
def cables(inside: Lan, world: World) -> Iterator[None]:
    """In, also after a test that failed in the middle."""
    yield
    for node in world.nodes.values():
        node.plug("eth1")


@pytest.mark.usefixtures("cables")
def test_a_pulled_cable_moves_both_in_one_pass(world: World, apply: Apply) -> None:
    """Issue: "one Fault makes all Fault; nobody in the group becomes Active alone; all move in one pass"."""
    apply("outside", addresses=[f"{OUTSIDE}/24"], syncGroup="edge")
    apply("inside", addresses=[f"{INSIDE}/24"], syncGroup="edge", vrrp={"advertisementPeriodMilliseconds": 1000})
    holder = world.settled("outside", OUTSIDE)
    assert world.settled("inside", INSIDE) == holder
    orders = [
        {n["name"]: n["priority"] for n in world.floating_ip(name)["status"]["nodes"]} for name in ("outside", "inside")
    ]
    assert orders[0] == orders[1]
    logs = {name: _address_changes(node) for name, node in world.nodes.items()}

    world.nodes[holder].unplug("eth1")
    successor = world.wait_for_holder(INSIDE, among=lambda name: name != holder)
    until(lambda: world.holders(OUTSIDE) == [successor], 5, "both are on the successor")
    for name, change in ((holder, r"Deleted \d+: eth{} +inet {}/32"), (successor, r"\d+: eth{} +inet {}/32")):
        patterns = [change.format(*place) for place in ((0, OUTSIDE), (1, INSIDE))]
        first, second = (until(_seen(logs[name], pattern), 5, f"{name} writes down {pattern}") for pattern in patterns)
        assert abs((first - second).total_seconds()) < ONE_PASS, f"{name}: {first}, {second}"
    until(lambda: _reason(world, "outside", holder), 30, "its own cable is in, and it says whose is not")
    throughout(lambda: world.holders(OUTSIDE) == world.holders(INSIDE) == [successor], 2, "they stay together")

    world.nodes[holder].plug("eth1")
    assert world.wait_for_holder(INSIDE, among=lambda name: name == holder) == holder
    until(lambda: world.holders(OUTSIDE) == [holder], 5, "both are back")


def _reason(world: World, name: str, node: str) -> bool:
    for entry in world.floating_ip(name)["status"]["nodes"]:
        if (entry["name"], entry["state"]) == (node, "Fault"):
            return "sync group: inside/IPv4: interface eth1 is down" in entry["reason"]
    return False


@pytest.mark.usefixtures("cables")
def test_one_that_joins_late_comes_to_the_group_and_the_group_stays(world: World, apply: Apply) -> None:
    """Two that ran alone on nodes of their own choice end on one node, and at no time is an address on two."""
    apply("outside", addresses=[f"{OUTSIDE}/24"])
    apply("inside", addresses=[f"{INSIDE}/24"], nodes=[{"name": name} for name in world.nodes])
    world.settled("outside", OUTSIDE)
    world.settled("inside", INSIDE)
    apply("outside", addresses=[f"{OUTSIDE}/24"], syncGroup="edge")
    apply("inside", addresses=[f"{INSIDE}/24"], syncGroup="edge")
    seen: set[tuple[str, ...]] = set()

    def together() -> bool:
        holders = [world.holders(OUTSIDE), world.holders(INSIDE)]
        seen.update(map(tuple, holders))
        specs = [world.plane.get("fipn", name)["spec"]["virtualRouters"] for name in world.nodes]
        return len(holders[0]) == 1 and holders[0] == holders[1] and all("syncGroup" in r for rs in specs for r in rs)

    until(together, 30, "both are on one node")
    throughout(together, 3, "they stay")
    assert max(map(len, seen)) == 1, f"an address was on two nodes: {seen}"
