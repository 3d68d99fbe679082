"""An edit while one candidate is cut off from the API and alive on the LAN: design.md, "Safe changes"."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from end_to_end.world import Apply, World
from lab.network import Host
from lab.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

ADDRESS = "10.9.0.140"
NODES = [{"name": "n1", "priority": 200}, {"name": "n2", "priority": 150}, {"name": "n3", "priority": 100}]
UNKNOWN_WITHIN = 60
"""Seconds: its Lease counts for 40 s."""
A_FEW_PASSES = 5.0
OVERLAP = 0.3
"""Seconds: a higher priority takes over before the lower lets go, and a look takes its time."""


@contextlib.contextmanager
def without_api(node: Host, server: str) -> Iterator[None]:
    """Nothing of this node reaches the API server, nor the other way round; VRRP passes."""
    drop = f"ip daddr {server} meta l4proto tcp drop"
    rules = f"table inet cut {{\nchain out {{\ntype filter hook output priority 0\n{drop}\n}}\n}}\n"
    node.run(["nft", "-f", "-"], stdin=rules)
    try:
        yield
    finally:
        node.run(["nft", "delete", "table", "inet", "cut"])


@contextlib.contextmanager
def watched(world: World, address: str) -> Iterator[list[float]]:
    """For how long, in seconds, each time that the address was on more than one node."""
    spans: list[float] = []
    stop = threading.Event()

    def look() -> None:
        since: float | None = None
        while not stop.is_set():
            with contextlib.suppress(subprocess.SubprocessError, RuntimeError):
                now, several = time.monotonic(), len(world.holders(address)) > 1
                if several and since is None:
                    since = now
                elif not several and since is not None:
                    spans.append(now - since)
                    since = None
        if since is not None:
            spans.append(time.monotonic() - since)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield spans
    finally:
        stop.set()
        looking.join()


def _specs(world: World, name: str) -> dict[str, dict[str, Any]]:
    found = {}
    for node in world.nodes:
        for router in world.plane.get("fipn", node)["spec"].get("virtualRouters", []):
            if router["name"] == name:
                found[node] = router
    return found


def _said(world: World, name: str) -> str:
    conditions = world.floating_ip(name).get("status", {}).get("conditions", [])
    return " / ".join(f"{c['type']} {c['status']} {c['reason']}: {c['message']}" for c in conditions)


@pytest.mark.parametrize("cut", ["n1", "n3"], ids=["the Active", "a Backup"])
def test_a_change_of_the_wire_waits_for_a_node_that_cannot_be_reached(world: World, apply: Apply, cut: str) -> None:
    """Nothing begins, what holds the address goes on, a condition says why; and it is done when the node is back."""
    vrrp = {"advertisementPeriodMilliseconds": 1000}
    apply("changed", addresses=[f"{ADDRESS}/24"], nodes=NODES, vrrp=vrrp)
    assert world.wait_for_holder(ADDRESS, among=lambda name: name == "n1") == "n1"
    world.wait_for_status("changed", "n1")
    until(lambda: len(_specs(world, "changed")) == 3, 20, "all take part")
    with watched(world, ADDRESS) as doubled:
        with without_api(world.nodes[cut], "10.9.0.10"):
            until(
                lambda: (
                    (cut, "Unknown")
                    in {(n["name"], n["state"]) for n in world.floating_ip("changed")["status"]["nodes"]}
                ),
                UNKNOWN_WITHIN,
                f"{cut} is Unknown",
            )
            apply("changed", addresses=[f"{ADDRESS}/24"], nodes=NODES, vrrp={**vrrp, "version": 2})
            until(lambda: "ChangeWaits" in _said(world, "changed"), 20, "it is said that the change waits")
            assert f"floatip forget {cut}" in _said(world, "changed")
            time.sleep(A_FEW_PASSES)
            assert {router["vrrp"]["version"] for router in _specs(world, "changed").values()} == {3}
            assert not any("release" in router for router in _specs(world, "changed").values())
            assert world.holders(ADDRESS) == ["n1"]

        def is_done() -> bool:
            specs = _specs(world, "changed")
            return len(specs) == 3 and all(r["vrrp"]["version"] == 2 and "release" not in r for r in specs.values())

        until(is_done, 60, "the change is in force on all three")
        world.wait_for_status("changed", "n1")
    assert max(doubled, default=0.0) < OVERLAP, f"on two nodes for {doubled} s"
