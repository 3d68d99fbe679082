"""A node's whole life beside two others: added, selected, taken out, its Node deleted while its agent lives, and gone for good."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from end_to_end.world import OVERLAP, PERIOD, Apply, World, watched
from floatip_api import names
from lab.cluster import NAMESPACE
from lab.prober import Window
from lab.programs import installed
from lab.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

NAME, ADDRESS = "life", "10.9.0.140"
WITHIN = 30
"""Seconds for what the operator and the agents do."""
HAND_OVER = PERIOD + 0.3
"""Seconds: a skew time (RFC 9568, 6.1: less than a period), and some for a busy machine."""
DOWN = 4 * PERIOD + 0.3
"""Seconds: Active_Down_Interval, likewise."""


@pytest.fixture(scope="module")
def new(world: World) -> Iterator[str]:
    """The name of a node that is added; gone for good afterwards."""
    number = next(number for number in itertools.count(3) if f"n{number}" not in world.lan.hosts)
    name = f"n{number}"
    world.cluster.add(name, f"10.9.0.{number}/24")
    until(lambda: _has_agent(world, name), WITHIN, f"the agent of {name} has reported itself")
    yield name
    if name in world.nodes:
        world.cluster.remove(name)
    world.plane.kubectl("delete", "node", name, "--ignore-not-found")


def _has_agent(world: World, node: str) -> bool:
    found = world.plane.try_kubectl("get", "fipn", node, "-o", "jsonpath={.status.agent.version}")
    return found.returncode == 0 and bool(found.stdout)


def _has_document(world: World, node: str) -> bool:
    return world.plane.try_kubectl("get", "fipn", node).returncode == 0


def _states(world: World) -> dict[str, str]:
    return {entry["name"]: entry["state"] for entry in world.floating_ip(NAME).get("status", {}).get("nodes", [])}


def _priorities(world: World) -> dict[str, int]:
    nodes = world.floating_ip(NAME).get("status", {}).get("nodes", [])
    return {entry["name"]: entry["priority"] for entry in nodes}


def _said(world: World) -> str:
    conditions = world.floating_ip(NAME).get("status", {}).get("conditions", [])
    return " / ".join(f"{c['type']} {c['status']} {c['reason']}: {c['message']}" for c in conditions)


def _label(world: World, node: str, label: str) -> None:
    world.plane.kubectl("label", "node", node, label, "--overwrite")


def _edit(world: World, **spec: Any) -> None:
    world.plane.kubectl("patch", "fip", NAME, "--type=merge", "-p", json.dumps({"spec": spec}))


def _until_states(world: World, expected: dict[str, str]) -> None:
    until(lambda: _states(world) == expected, WITHIN, f"{NAME}: {expected}, not {_states(world)}")


def _bounded(what: str, seen: Window, seconds: float) -> None:
    print(f"{what}: longest gap {seen.longest_gap:.0f} ms")
    assert seen.longest_gap < seconds * 1000


def test_nodes_join_and_leave_by_label_without_disturbing_the_holder(world: World, apply: Apply, new: str) -> None:
    """Issue: "added node, selector change: [...] stable (one node more changes at most one candidate of a FloatingIP) [...], never the
    reported Active"."""
    for node in ("n1", "n2"):
        _label(world, node, "role=edge")
    apply(NAME, addresses=[f"{ADDRESS}/24"], nodes=[{"selector": {"matchLabels": {"role": "edge"}}}])
    until(lambda: sorted(_states(world).values()) == ["Active", "Backup"], WITHIN, "n1 and n2 take part")
    (holder,) = world.holders(ADDRESS)
    (other,) = {"n1", "n2"} - {holder}
    with world.prober(ADDRESS) as prober, watched(world, ADDRESS) as doubled:
        prober.wait_for(holder, 5)
        start = time.monotonic_ns()
        _label(world, new, "role=edge")
        _until_states(world, {holder: "Active", other: "Backup", new: "Backup"})
        assert len(set(_priorities(world).values())) == 3
        _label(world, other, "role-")
        _until_states(world, {holder: "Active", new: "Backup"})
        # Another selector, which matches the holder, too; then one that does not.
        for node in (holder, new):
            _label(world, node, "tier=front")
        _edit(world, nodes=[{"selector": {"matchLabels": {"tier": "front"}}}])
        _label(world, holder, "role-")
        generation = world.floating_ip(NAME)["metadata"]["generation"]
        until(lambda: world.floating_ip(NAME)["status"]["observedGeneration"] == generation, WITHIN, "decided")
        time.sleep(1)
        window = prober.window(start)
        assert (window.lost, window.answered_by) == (0, [holder])
        start = time.monotonic_ns()
        _edit(world, nodes=[{"selector": {"matchLabels": {"role": "edge"}}}])
        prober.wait_for(new, WITHIN)
        _until_states(world, {new: "Active"})
        _bounded("the holder is not selected any more", prober.window(start), HAND_OVER)
    assert max(doubled, default=0.0) < OVERLAP


def _named(**priorities: int) -> list[dict[str, Any]]:
    return [{"name": name, "priority": priority} for name, priority in priorities.items()]


def test_a_node_object_that_is_deleted_while_its_agent_lives(world: World, apply: Apply, new: str) -> None:
    """The node is no candidate any more, so its agent hands over; it comes back with its Node, under a FloatingIPNode of its own."""
    apply(NAME, addresses=[f"{ADDRESS}/24"], nodes=_named(**{new: 200, "n1": 150, "n2": 100}))
    _until_states(world, {new: "Active", "n1": "Backup", "n2": "Backup"})
    before = world.plane.get("fipn", new)["metadata"]["uid"]
    with world.prober(ADDRESS) as prober, watched(world, ADDRESS) as doubled:
        prober.wait_for(new, 5)
        start = time.monotonic_ns()
        world.plane.kubectl("delete", "node", new)
        prober.wait_for("n1", WITHIN)
        _until_states(world, {"n1": "Active", "n2": "Backup"})
        until(lambda: not _has_document(world, new), WITHIN, "its FloatingIPNode has gone, too")
        _bounded("the holder's Node is deleted", prober.window(start), HAND_OVER)
        world.cluster.register(world.nodes[new])
        start = time.monotonic_ns()
        prober.wait_for(new, WITHIN)
        _until_states(world, {new: "Active", "n1": "Backup", "n2": "Backup"})
        _bounded("its Node is back", prober.window(start), HAND_OVER)
    assert world.plane.get("fipn", new)["metadata"]["uid"] != before
    assert max(doubled, default=0.0) < OVERLAP


def test_a_node_that_is_gone_for_good_keeps_what_it_may_hold_until_a_human_says_so(
    world: World, apply: Apply, new: str
) -> None:
    """design.md: "its priority and VRID become free, only when its own observedGeneration confirms that it has let go, or a human says the
    node is off"; api.md: its FloatingIPNode is deleted "by `floatip forget`"."""
    apply(NAME, addresses=[f"{ADDRESS}/24"], nodes=_named(**{new: 200, "n1": 150, "n2": 100}))
    _until_states(world, {new: "Active", "n1": "Backup", "n2": "Backup"})
    with world.prober(ADDRESS) as prober, watched(world, ADDRESS) as doubled:
        prober.wait_for(new, 5)
        start = time.monotonic_ns()
        world.cluster.remove(new)
        prober.wait_for("n1", 10)
        _bounded("the holder is switched off", prober.window(start), DOWN)
        world.wait_for_status(NAME, "n1")
        start = time.monotonic_ns()
        world.plane.kubectl("delete", "node", new)
        _edit(world, nodes=_named(n1=200, n2=100))
        # Without it the agent is not heard of at once, instead of after 40 s.
        world.plane.kubectl("delete", "lease", names.agent_lease(new), "-n", NAMESPACE)
        until(lambda: f"floatip forget {new}" in _said(world), WITHIN, "it is said what it waits for, and the way out")
        assert _priorities(world) == {new: 200, "n1": 150, "n2": 100}, "not handed on"
        assert _states(world)[new] == "Unknown"
        assert f"{NAME} does not wait for {new} any more" in _forget(world, new).stdout
        until(lambda: _priorities(world) == {"n1": 200, "n2": 100}, WITHIN, "n1 has the priority")
        until(lambda: not _has_document(world, new), WITHIN, "its FloatingIPNode has gone")
        until(lambda: world.conditions(NAME)["Degraded"] == "False", WITHIN, f"all well: {_said(world)}")
        window = prober.window(start)
        assert (window.lost, window.answered_by) == (0, ["n1"])
    assert max(doubled, default=0.0) < OVERLAP


def _forget(world: World, node: str) -> subprocess.CompletedProcess[str]:
    environment = [f"KUBECONFIG={world.plane.kubeconfig}", f"PATH={Path(sys.executable).parent}:/usr/bin:/bin"]
    return world.cluster.control_plane_host.run(["env", *environment, installed("floatip"), "forget", node, "--yes"])
