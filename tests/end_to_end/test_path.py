"""FloatingIP applied -> operator -> agents -> VRRP on the wire -> the address moves -> status."""

from __future__ import annotations

import json
import time

import pytest
from lab.services import Listener
from lab.waiting import throughout, until

from end_to_end.world import PERIOD, Apply, World

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

DOWN_INTERVAL = 4 * PERIOD
"""Seconds: RFC 9568, 6.1: three periods and a skew time, which is less than one."""
MARGIN = 0.3


def test_the_smallest_floating_ip_is_held_by_one_node_and_reported(world: World, apply: Apply) -> None:
    """api.md: the smallest one must work as it stands: router ID, nodes and priorities are the operator's."""
    apply("smallest", addresses=["10.9.0.100/24"])
    world.settled("smallest", "10.9.0.100")
    good = {"Accepted": "True", "Allocated": "True", "Ready": "True", "SingleHolder": "True", "Degraded": "False"}
    until(lambda: world.conditions("smallest") == good, 30, f"{good}")
    status = world.floating_ip("smallest")["status"]
    assert 20 <= status["virtualRouterID"] <= 250
    assert {entry["name"] for entry in status["nodes"]} == set(world.nodes)


def test_both_families_move_together_when_their_node_dies(world: World, apply: Apply) -> None:
    """api.md: one virtual router per family, and the two of one FloatingIP always move together."""
    apply("dual", addresses=["10.9.0.101/24", "fd09::101/64"])
    holder = world.settled("dual", "10.9.0.101")
    until(lambda: world.holders("fd09::101") == [holder], MARGIN, "the IPv6 address is there too")
    node, agent = world.nodes[holder], world.cluster.agents[holder]
    with world.prober("10.9.0.101") as ipv4, world.prober("fd09::101") as ipv6:
        ipv4.wait_for(holder, 5)
        ipv6.wait_for(holder, 5)
        start = time.monotonic_ns()
        node.unplug()
        agent.kill()
        successor = world.wait_for_holder("10.9.0.101", among=lambda name: name != holder)
        for prober in (ipv4, ipv6):
            prober.wait_for(successor, 5)
            assert prober.window(start).longest_gap < (DOWN_INTERVAL + MARGIN) * 1000
    world.wait_for_status("dual", successor)
    node.plug()
    agent.start()
    assert world.wait_for_holder("10.9.0.101", among=lambda name: name == holder) == holder
    until(lambda: world.holders("fd09::101") == [holder], MARGIN, "the IPv6 address is back too")


def test_a_failing_probe_moves_the_address_and_says_why(world: World, apply: Apply) -> None:
    listeners = {name: Listener(node, 8080) for name, node in world.nodes.items()}
    probe = {"name": "web", "tcpSocket": {"port": 8080}, "periodSeconds": 0.5, "timeoutSeconds": 0.5}
    apply("probed", addresses=["10.9.0.102/24"], probes=[probe])
    holder = world.settled("probed", "10.9.0.102")
    listeners[holder].stop()
    successor = world.wait_for_holder("10.9.0.102", among=lambda name: name != holder)
    world.wait_for_status("probed", successor)

    def faulty() -> str | None:
        nodes = world.floating_ip("probed")["status"]["nodes"]
        reasons: list[str] = [
            entry["reason"] for entry in nodes if (entry["name"], entry["state"]) == (holder, "Fault")
        ]
        return reasons[0] if reasons else None

    assert "web" in until(faulty, 10, f"{holder} is said to be in Fault")
    for listener in listeners.values():
        listener.stop()


def test_unicast_nodes_find_each_other_and_take_over(world: World, apply: Apply) -> None:
    """api.md: Unicast (the peers are the other nodes' addresses): the operator makes the lists from what the agents report."""
    vrrp = {"transport": "Unicast", "advertisementPeriodMilliseconds": int(PERIOD * 1000)}
    apply("unicast", addresses=["10.9.0.106/24"], vrrp=vrrp)
    holder = world.settled("unicast", "10.9.0.106")
    for name in world.nodes:
        (router,) = [r for r in world.plane.get("fipn", name)["spec"]["virtualRouters"] if r["name"] == "unicast"]
        assert len(router["peers"]) == len(world.nodes) - 1
    throughout(lambda: world.holders("10.9.0.106") == [holder], 2 * DOWN_INTERVAL, f"{holder} alone holds it")
    world.cluster.agents[holder].kill()
    world.nodes[holder].unplug()
    successor = world.wait_for_holder("10.9.0.106", among=lambda name: name != holder)
    world.wait_for_status("unicast", successor)
    world.nodes[holder].plug()
    world.cluster.agents[holder].start()
    assert world.wait_for_holder("10.9.0.106", among=lambda name: name == holder) == holder


def test_suspended_it_is_held_by_nobody_and_kept(world: World, apply: Apply) -> None:
    """api.md: `suspend: true`: held by nobody, kept as it is."""
    apply("suspended", addresses=["10.9.0.103/24"])
    world.settled("suspended", "10.9.0.103")
    router_id = world.floating_ip("suspended")["status"]["virtualRouterID"]
    apply("suspended", addresses=["10.9.0.103/24"], suspend=True)
    until(lambda: not world.holders("10.9.0.103"), 10, "nobody holds it")
    apply("suspended", addresses=["10.9.0.103/24"], suspend=False)
    world.settled("suspended", "10.9.0.103")
    assert world.floating_ip("suspended")["status"]["virtualRouterID"] == router_id


def test_a_deleted_one_is_gone_from_every_node_first(world: World, apply: Apply) -> None:
    """The finalizer: when the object is gone, so is the address."""
    apply("deleted", addresses=["10.9.0.104/24"])
    world.settled("deleted", "10.9.0.104")
    world.plane.kubectl("delete", "floatingip", "deleted", "--timeout=30s")
    assert world.holders("10.9.0.104") == []


def test_a_deleted_document_is_no_order_to_let_go(world: World, apply: Apply) -> None:
    """api.md: a missing entry, an empty list, a 404 [...] are never an order: the agent serves on."""
    apply("document", addresses=["10.9.0.105/24"])
    holder = world.settled("document", "10.9.0.105")
    world.plane.kubectl("delete", "floatingipnode", holder)
    throughout(lambda: world.holders("10.9.0.105") == [holder], 3, f"{holder} alone holds the address")
    world.wait_for_status("document", holder)


def test_an_agent_writes_nothing_but_its_own_status(world: World, apply: Apply) -> None:
    """The admission policy by node name, with the token of n1's Pod."""
    plane = world.plane
    kubeconfig = world.cluster.agent_kubeconfigs["n1"]
    patch = json.dumps({"status": {"ignoredFields": []}})
    arguments = ["--subresource=status", "--type=merge", "-p", patch, f"--kubeconfig={kubeconfig}"]
    assert plane.try_kubectl("patch", "floatingipnode", "n1", *arguments).returncode == 0
    refused = plane.try_kubectl("patch", "floatingipnode", "n2", *arguments)
    assert refused.returncode != 0
    assert "n2" in refused.stderr
