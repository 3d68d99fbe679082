"""What people and strangers do to a node that holds an address, and what `kubectl describe` says of it: each thing once."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from lab.network import Host
from lab.prober import PORT, Prober
from lab.waiting import until
from scapy.layers.l2 import ARP, Ether
from wire.sniffer import send

from end_to_end.world import Apply, World

NAME = "bothered"
VIP, VIP6 = "10.9.0.160", "fd09::160"
STRANGER = "02:00:00:00:00:77"


def _holder(world: World) -> Host:
    return world.nodes[world.settled(NAME, VIP)]


def _degraded(world: World) -> dict[str, Any]:
    conditions = world.floating_ip(NAME)["status"]["conditions"]
    return next(dict(condition) for condition in conditions if condition["type"] == "Degraded")


def _described(world: World, reason: str) -> list[str]:
    """The lines of `kubectl describe` that are Events with this reason."""
    text = world.plane.kubectl("describe", "floatingip", NAME)
    return [line for line in text.splitlines() if re.match(rf"\s*Warning\s+{reason}\s", line)]


def test_an_address_that_is_taken_out_by_hand_comes_back_and_is_one_event(world: World, apply: Apply) -> None:
    """Issue: "the address deleted by hand comes back within 1 s with an Event"."""
    apply(NAME, addresses=[f"{VIP}/24"])
    holder = _holder(world)
    for _ in range(3):
        holder.run(["ip", "address", "delete", f"{VIP}/32", "dev", "eth0"])
        until(lambda: holder.holds(VIP), 1, "it is back")
        time.sleep(0.5)
    until(lambda: _degraded(world)["reason"] == "AddressLost", 10, "it is told")
    until(lambda: "3 times in a row" in json.dumps(world.floating_ip(NAME)["status"]["nodes"]), 10, "with how often")
    assert world.holders(VIP) == [holder.name]
    (event,) = _described(world, "AddressLost")
    assert f"{holder.name}: {VIP} was taken out of the kernel" in event


def test_an_address_that_a_stranger_claims_is_one_event(world: World, apply: Apply) -> None:
    apply(NAME, addresses=[f"{VIP}/24"])
    holder = _holder(world)
    claim = Ether(src=STRANGER, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=STRANGER, psrc=VIP, pdst=VIP)
    client = world.lan.hosts["client"]

    def told() -> bool:
        send(client, claim)
        return bool(_degraded(world)["reason"] == "AddressClaimed")

    until(told, 20, "it is told")
    for _ in range(5):
        send(client, claim)
        time.sleep(0.5)
    (event,) = _described(world, "AddressClaimed")
    assert f"{holder.name}: {VIP} is claimed by {STRANGER} on eth0, too" in event
    assert world.holders(VIP) == [holder.name]


CHANGES: list[dict[str, Any]] = [
    {"addresses": [f"{VIP}/24", "10.9.0.161/24", f"{VIP6}/64", "fd09::161/64"]},
    {"addresses": ["10.9.0.161/24", f"{VIP}/24", f"{VIP6}/64"], "excludedAddresses": ["10.9.0.162/24"]},
    {"addresses": [f"{VIP}/24", f"{VIP6}/64"], "excludedAddresses": []},
    {"vrrp": {"advertisementPeriodMilliseconds": 250}},
    {"vrrp": {"advertisementPeriodMilliseconds": 100, "announcement": {"count": 2, "refreshSeconds": 1}}},
    {"preemption": {"policy": "Never"}},
    {"preemption": {"policy": "PreemptLowerPriority"}, "trackedInterfaces": [{"name": "lo"}]},
    {"probes": [{"name": "there", "tcpSocket": {"port": 9405}, "periodSeconds": 1}]},
    {"probes": [], "trackedInterfaces": []},
    {"nodes": [{"name": "n1", "priority": 220}, {"name": "n2", "priority": 120}, {"name": "n3", "priority": 60}]},
]


def test_settings_change_under_the_holder(world: World, apply: Apply) -> None:
    """Issue: "addresses and settings changed live without leaving Active and without a double Active"."""
    nodes = [{"name": "n1", "priority": 200}, {"name": "n2", "priority": 100}, {"name": "n3", "priority": 50}]
    apply(NAME, addresses=[f"{VIP}/24", f"{VIP6}/64"], nodes=nodes)
    until(lambda: len(_states(world)) == 6 and _holder(world).name == "n1", 40, "n1 holds it, the others stand by")
    before, client = _states(world), world.lan.hosts["client"]
    with Prober(client, VIP, world.nodes.values()) as prober, Prober(client, VIP6, [], PORT) as prober6:
        for each in (prober, prober6):
            each.wait_for("n1", 5)
        for change in CHANGES:
            start = time.monotonic_ns()
            _change(world, change)
            for each in (prober, prober6):
                window = each.window(start)
                assert (window.lost, window.answered_by) == (0, ["n1"]), (change, each.address)
            assert _states(world) == before, change


def _states(world: World) -> dict[tuple[str, str], tuple[str, int]]:
    nodes = world.floating_ip(NAME).get("status", {}).get("nodes", [])
    return {(node["name"], node["family"]): (node["state"], node.get("transitions", 0)) for node in nodes}


def _change(world: World, change: dict[str, Any]) -> None:
    """Until every node runs it, and a while longer than the longest Active_Down_Interval that could end."""
    world.plane.kubectl("patch", "floatingip", NAME, "--type=merge", "-p", json.dumps({"spec": change}))
    generation = world.floating_ip(NAME)["metadata"]["generation"]

    def runs_everywhere() -> bool:
        is_seen = world.floating_ip(NAME)["status"]["observedGeneration"] == generation
        documents = [world.plane.get("floatingipnode", node) for node in world.nodes]
        return is_seen and all(d["status"].get("observedGeneration") == d["metadata"]["generation"] for d in documents)

    until(runs_everywhere, 20, f"every node runs {change}")
    time.sleep(1)
