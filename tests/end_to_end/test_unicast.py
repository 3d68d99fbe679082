"""Unicast with the operator's peer lists, on the real path: nodes that join and leave, and a node that has nobody to speak with."""

from __future__ import annotations

import json
import time

import pytest
from lab.prober import PORT, Prober
from lab.waiting import throughout, until
from wire.sniffer import Sniffer

from end_to_end.world import PERIOD, Apply, World

NAME = "unicast"
VIP, VIP6 = "10.9.0.150", "fd09::150"
UNICAST = {"transport": "Unicast"}


def entry(node: str, priority: int) -> dict[str, object]:
    return {"name": node, "priority": priority}


def states(world: World) -> dict[tuple[str, str], tuple[str, int | None]]:
    """State and transitions by node and family, as the FloatingIP's status has them."""
    nodes = world.floating_ip(NAME).get("status", {}).get("nodes", [])
    return {(node["name"], node["family"]): (node["state"], node.get("transitions")) for node in nodes}


def settled(world: World, active: str, *backups: str) -> None:
    expected = {(node, family) for node in (active, *backups) for family in ("IPv4", "IPv6")}

    def are() -> bool:
        found = states(world)
        right = all(state == ("Active" if node == active else "Backup") for (node, _), (state, _) in found.items())
        return found.keys() == expected and right

    until(are, 40, f"{active} is Active and {backups} stand by: {states(world)}")


def peers(world: World, node: str) -> set[str]:
    """Whom the node's routers of this floating IP speak with."""
    routers = world.plane.get("floatingipnode", node)["spec"].get("virtualRouters", [])
    return {peer for router in routers if router["name"] == NAME for peer in router.get("peers", [])}


def change_nodes(world: World, *nodes: dict[str, object]) -> None:
    patch = json.dumps({"spec": {"nodes": nodes}})
    world.plane.kubectl("patch", "floatingip", NAME, "--type=merge", "-p", patch)


@pytest.mark.parametrize("newcomer", [50, 250], ids=["of lower priority", "of higher priority that may not preempt"])
def test_nodes_that_join_and_leave_change_the_lists_and_move_nothing(world: World, apply: Apply, newcomer: int) -> None:
    first, second = entry("n1", 200), entry("n2", 100)
    preemption = {"policy": "Never"} if newcomer > 200 else {}
    addresses = [f"{VIP}/24", f"{VIP6}/64"]
    apply(NAME, addresses=addresses, nodes=[first, second], vrrp=UNICAST, preemption=preemption)
    holder = until(lambda: world.floating_ip(NAME).get("status", {}).get("activeNode"), 40, "somebody holds it")
    backup = ({"n1", "n2"} - {holder}).pop()
    settled(world, holder, backup)
    before = {key: transitions for key, (_, transitions) in states(world).items()}
    client = world.lan.hosts["client"]
    with (
        Sniffer(client) as seen,
        Prober(client, VIP, world.nodes.values()) as prober,
        Prober(client, VIP6, [], PORT) as prober6,
    ):
        for each in (prober, prober6):
            each.wait_for(holder, 5)
        start = time.monotonic_ns()
        change_nodes(world, first, second, entry("n3", newcomer))
        settled(world, holder, backup, "n3")
        until(lambda: len(peers(world, holder)) == 4, 10, "two peers of each family")
        change_nodes(world, first, second)
        settled(world, holder, backup)
        until(lambda: len(peers(world, holder)) == 2, 20, "the leaver is no peer any more")
        windows = [each.window(start) for each in (prober, prober6)]
        router_id = world.floating_ip(NAME)["status"]["virtualRouterID"]
        multicast = [seen.advertisements(f"10.9.0.{n}", router_id) for n in (1, 2, 3)]
    assert [(window.lost, window.answered_by) for window in windows] == [(0, [holder])] * 2
    assert {key: transitions for key, (_, transitions) in states(world).items()} == before, "nobody moved"
    assert multicast == [[], [], []], "the client would hear it"


def test_a_node_with_nobody_to_speak_with_is_silent_and_says_so(world: World, apply: Apply) -> None:
    """Issue: "no peers: not Ready and silent, never falling back to multicast"."""
    with Sniffer(world.lan.hosts["client"]) as seen:
        apply(NAME, addresses=[f"{VIP}/24"], nodes=[entry("n1", 200)], vrrp=UNICAST)
        until(lambda: states(world).get(("n1", "IPv4"), ("", 0))[0] == "Fault", 20, "n1 takes no part")
        throughout(lambda: not world.holders(VIP), 10 * PERIOD, "nobody holds it")
        router_id = world.floating_ip(NAME)["status"]["virtualRouterID"]
        assert seen.advertisements("10.9.0.1", router_id) == []
    conditions = {c["type"]: c for c in world.floating_ip(NAME)["status"]["conditions"]}
    assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == ("False", "NoHolder")
    assert "n1 Fault (no unicast peers" in conditions["Ready"]["message"]
    assert conditions["Degraded"]["reason"] == "NodeFault"
