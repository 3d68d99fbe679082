"""etcd lost and restored from an older snapshot: objects jump back."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from end_to_end.world import Apply, World
from lab.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

BACK_WITHIN = 90
"""Seconds: both replicas of the operator see that the store jumped back, end, and are started again."""


def _kinds_of_change(apply: Apply) -> None:
    """Between the snapshot and its restoration: one is new, one is changed, one stays as it is."""
    apply("new", addresses=["10.9.0.131/24"])
    apply("changed", addresses=["10.9.0.132/24"], vrrp={"advertisementPeriodMilliseconds": 200})


def _reasons(world: World, name: str) -> set[str]:
    """What the nodes warn of."""
    nodes = world.floating_ip(name).get("status", {}).get("nodes", [])
    return {warning["reason"] for node in nodes for warning in node.get("warnings", [])}


def _warned(world: World, node: str, name: str) -> set[str]:
    routers = world.plane.get("fipn", node).get("status", {}).get("virtualRouters", [])
    return {warning["reason"] for router in routers if router["name"] == name for warning in router.get("warnings", [])}


def _virtual_router_id(world: World, name: str) -> int:
    return int(world.floating_ip(name).get("status", {}).get("virtualRouterID", 0))


def test_nothing_is_handed_out_twice_and_nothing_is_let_go(world: World, apply: Apply, tmp_path: Path) -> None:
    """Issue: "etcd lost and restored from an older snapshot (objects jump back: nothing may be handed out twice, nothing let go)"."""
    apply("changed", addresses=["10.9.0.132/24"])
    apply("same", addresses=["10.9.0.133/24"])
    for name, address in (("changed", "10.9.0.132"), ("same", "10.9.0.133")):
        world.settled(name, address)
    world.plane.save_store(tmp_path / "snapshot")
    _kinds_of_change(apply)
    addresses = {"new": "10.9.0.131", "changed": "10.9.0.132", "same": "10.9.0.133"}
    before = {address: [world.settled(name, address)] for name, address in addresses.items()}
    lost = _virtual_router_id(world, "new")
    held = {address: world.prober(address) for address in before}
    with held["10.9.0.131"] as prober:
        world.plane.restore_store(tmp_path / "snapshot")
        assert world.plane.try_kubectl("get", "fip", "new").returncode != 0
        until(lambda: "jumped back" in world.cluster.operator.log.read_text(), BACK_WITHIN, "the operator says so")
        for node in world.nodes:
            until(lambda: _warned(world, node, "new") == {"NotInDocument"}, BACK_WITHIN, f"{node} says so")  # noqa: B023
        until(lambda: _told_of(world, "new") == set(world.nodes), BACK_WITHIN, "Events of the nodes say so")
        # Somebody else asks for what is lost: the address, the router ID, and any router ID.
        apply("heir", addresses=["10.9.0.131/24"])
        apply("twin", addresses=["10.9.0.135/24"], virtualRouterID=lost)
        apply("next", addresses=["10.9.0.134/24"])
        for name in ("heir", "twin"):
            refused = functools.partial(_is_refused, world, name)
            until(refused, BACK_WITHIN, f"{name} is not served beside the other")
        until(lambda: _virtual_router_id(world, "next"), BACK_WITHIN, "next has an ID")
        assert _virtual_router_id(world, "next") != lost
        assert {address: world.holders(address) for address in before} == before
        assert prober.answerer() == before["10.9.0.131"][0]
        # The user's manifests, applied again, take it all up.
        world.plane.kubectl("delete", "fip", "heir", "twin", "--timeout=30s")
        _kinds_of_change(apply)
        for name, address in addresses.items():
            until(functools.partial(_is_well, world, name), BACK_WITHIN, f"{name} as before")
            assert [world.settled(name, address)] == before[address]
    assert _virtual_router_id(world, "new") == lost


def _is_refused(world: World, name: str) -> bool:
    return world.conditions(name).get("Accepted") == "False"


def _told_of(world: World, name: str) -> set[str]:
    """The nodes of which an Event says that they run it without a FloatingIP."""
    events = world.plane.get("events", "-n", "default", "--field-selector=reason=NotInDocument")["items"]
    about = [event for event in events if event["involvedObject"]["kind"] == "FloatingIPNode"]
    return {event["involvedObject"]["name"] for event in about if f"{name} (IPv4" in event["message"]}


def _is_well(world: World, name: str) -> bool:
    return not _reasons(world, name) and world.conditions(name).get("Ready") == "True"
