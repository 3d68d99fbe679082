"""`floatip move`: annotation -> operator -> priorities and leave -> VRRP, and what a client notices."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from floatip_api import names
from lab.programs import installed
from lab.waiting import until

from end_to_end.world import PERIOD, Apply, World

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

SKEW_PREFERRED = PERIOD * (256 - 254) / 256
MARGIN = 0.2
"""Seconds; the issue: "at most the skew time + 0.2 s per move"."""


def move(world: World, name: str, node: str) -> subprocess.CompletedProcess[str]:
    environment = [f"KUBECONFIG={world.plane.kubeconfig}", f"PATH={Path(sys.executable).parent}:/usr/bin:/bin"]
    command = ["env", *environment, installed("floatip"), "move", name, "--to", node]
    return world.cluster.control_plane_host.run(command, check=False, timeout=90)


@pytest.mark.parametrize(
    ("name", "address", "preemption"),
    [
        ("preempting", "10.9.0.110", {}),
        ("staying", "10.9.0.111", {"policy": "Never"}),
        ("delayed", "10.9.0.112", {"delaySeconds": 600}),
    ],
)
def test_a_client_hardly_notices(
    world: World, apply: Apply, name: str, address: str, preemption: dict[str, Any]
) -> None:
    """There and back, with each preemption policy."""
    apply(name, addresses=[f"{address}/24"], preemption=preemption)
    first = world.settled(name, address)
    second = next(node for node in world.nodes if node != first)
    priorities, warned = _priorities(world, name), _warned(world, name)
    with world.prober(address) as prober:
        for target in (second, first):
            prober.wait_for(world.holders(address)[0], 5)
            start = time.monotonic_ns()
            done = move(world, name, target)
            assert (done.returncode, done.stderr) == (0, "")
            gap = prober.window(start).longest_gap
            print(f"{name} to {target}: longest gap {gap:.0f} ms")
            assert gap < (SKEW_PREFERRED + MARGIN) * 1000
            assert world.settled(name, address) == target
    until(lambda: not _leaves(world, name), 10, "no request to leave stands any more")
    world.plane.kubectl("annotate", "floatingip", name, f"{names.PREFER_NODE}-")
    until(lambda: _priorities(world, name) == priorities, 10, "the usual order is back")
    assert _warned(world, name) == warned, "all is well: no Event says otherwise"


def test_a_node_that_is_down_is_refused(world: World, apply: Apply) -> None:
    apply("refused", addresses=["10.9.0.113/24"], nodes=[{"name": "n1"}, {"name": "n2"}])
    until(lambda: len(world.floating_ip("refused").get("status", {}).get("nodes", [])) == 2, 10, "two take part")
    done = move(world, "refused", "n3")
    assert (done.returncode, "n3 takes no part; the nodes that do: n1, n2" in done.stderr) == (1, True)


def _entries(world: World, name: str) -> dict[str, dict[str, Any]]:
    documents = world.plane.get("floatingipnodes")["items"]
    return {
        document["metadata"]["name"]: router
        for document in documents
        for router in document["spec"].get("virtualRouters", [])
        if router["name"] == name
    }


def _priorities(world: World, name: str) -> dict[str, int]:
    return {node: router["priority"] for node, router in _entries(world, name).items()}


def _warned(world: World, name: str) -> set[tuple[str, str, int]]:
    """Reason, message and count of each warning about the floating IP."""
    selector = f"--field-selector=type=Warning,involvedObject.name={name}"
    return {(e["reason"], e["message"], e["count"]) for e in world.plane.get("events", selector)["items"]}


def _leaves(world: World, name: str) -> list[str]:
    return [node for node, router in _entries(world, name).items() if "leave" in router]
