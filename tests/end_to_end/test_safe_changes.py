"""An edit while one candidate is cut off from the API and alive on the LAN: design.md, "Safe changes"."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from lab.network import Host
from lab.waiting import until

from end_to_end.world import OVERLAP, Apply, World, watched

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

CUT = "n3"
FLOATING_IPS = {"passive": ("10.9.0.140", ("n1", "n2", "n3")), "active": ("10.9.0.141", ("n3", "n2", "n1"))}
"""Named by what the node is in them that is cut off: the address, and the nodes, the one of the highest priority first."""
UNKNOWN_WITHIN = 60
"""Seconds: its Lease counts for 40 s."""
A_FEW_PASSES = 5.0


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


def test_a_change_of_the_wire_waits_for_a_node_that_cannot_be_reached(world: World, apply: Apply) -> None:
    """Whether it is the Active or a Backup: nothing begins, what holds the address goes on, a condition says why; and it is done when the
    node is back."""
    for name in FLOATING_IPS:
        _apply(apply, name, version=3)
        _wait_until_all_take_part(world, name)
    with watched(world, *(address for address, _ in FLOATING_IPS.values())) as doubled:
        with without_api(world.nodes[CUT], "10.9.0.10"):
            until(
                lambda: all(map(_misses_it, map(world.floating_ip, FLOATING_IPS))), UNKNOWN_WITHIN, f"{CUT} is Unknown"
            )
            for name in FLOATING_IPS:
                _apply(apply, name, version=2)
            for name in FLOATING_IPS:
                _wait_until_told(world, name)
            time.sleep(A_FEW_PASSES)
            for name, (address, (first, *_)) in FLOATING_IPS.items():
                assert {router["vrrp"]["version"] for router in _specs(world, name).values()} == {3}
                assert not any("release" in router for router in _specs(world, name).values())
                assert world.holders(address) == [first]

        def is_done() -> bool:
            specs = [router for name in FLOATING_IPS for router in _specs(world, name).values()]
            return len(specs) == 6 and all(r["vrrp"]["version"] == 2 and "release" not in r for r in specs)

        until(is_done, 60, "both changes are in force on all three")
        for name, (_, (first, *_)) in FLOATING_IPS.items():
            world.wait_for_status(name, first)
    assert max(doubled, default=0.0) < OVERLAP, f"on two nodes for {doubled} s"


def _apply(apply: Apply, name: str, *, version: int) -> None:
    address, order = FLOATING_IPS[name]
    nodes = [{"name": node, "priority": priority} for node, priority in zip(order, (200, 150, 100), strict=True)]
    vrrp = {"advertisementPeriodMilliseconds": 1000, "version": version}
    apply(name, addresses=[f"{address}/24"], nodes=nodes, vrrp=vrrp)


def _misses_it(floating_ip: dict[str, Any]) -> bool:
    return (CUT, "Unknown") in {(node["name"], node["state"]) for node in floating_ip["status"]["nodes"]}


def _wait_until_all_take_part(world: World, name: str) -> None:
    address, (first, *_) = FLOATING_IPS[name]
    assert world.wait_for_holder(address, among=lambda node: node == first) == first
    world.wait_for_status(name, first)
    until(lambda: len(_specs(world, name)) == 3, 20, "all take part")


def _wait_until_told(world: World, name: str) -> None:
    until(lambda: "ChangeWaits" in _said(world, name), 20, f"{name} says that its change waits")
    assert f"floatip forget {CUT}" in _said(world, name)
