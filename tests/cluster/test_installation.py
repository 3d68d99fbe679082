"""From `helm install` to `helm uninstall`, on real kubelets: the way of a user. The tests run in this order, on one cluster."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any

import pytest
from cluster.conftest import ADDRESS, FLOATING_IP, World
from floatip_api import names
from lab.installation import NAMESPACE, RELEASE
from lab.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

ADVERTISEMENT_INTERVAL = 1.0
"""Seconds: the default, which the smallest FloatingIP gets."""
LOWEST_PRIORITY = 180
"""The second of two nodes has it."""
ACTIVE_DOWN = (3 + (256 - LOWEST_PRIORITY) / 256) * ADVERTISEMENT_INTERVAL
"""RFC 9568, 6.1: Active_Down_Interval = 3 * Active_Adver_Interval + Skew_Time."""
AGENT_LEASE = 40.0
"""Seconds after which an agent that is not heard of is Unknown."""


def test_every_pod_is_ready_and_was_never_restarted(world: World) -> None:
    """Ready: the probes of the chart and of the DaemonSet answer. Restarted: a liveness probe, or a crash."""
    agents, operators = world.installed.pods("floatip-agent"), world.installed.pods("floatip-operator")
    assert {pod["spec"]["nodeName"] for pod in agents} == set(world.installed.hosts)
    assert len(operators) == 2
    statuses = [status for pod in agents + operators for status in pod["status"]["containerStatuses"]]
    assert [status["name"] for status in statuses if not status["ready"] or status["restartCount"]] == []


def test_the_smallest_floating_ip_is_answered(world: World) -> None:
    applied = time.monotonic_ns()
    world.plane.kubectl("apply", "-f", "-", stdin=FLOATING_IP)
    until(world.prober.answerer, 30, f"{ADDRESS} answers")
    print(f"\nkubectl apply to the first answer: {_since(applied):.2f} s")
    print(f"helm install to the first answer: {time.monotonic() - world.installed.installed_at:.1f} s")
    # On a busy machine the first agent may be Active for a moment before the one of higher priority is there.
    print(_wait_for_status(world, _settled(world)))


def test_no_agent_lacks_a_right(world: World) -> None:
    for pod in world.installed.pods("floatip-agent"):
        for container in ("engine", "keeper"):
            said = world.plane.kubectl("logs", "-n", NAMESPACE, pod["metadata"]["name"], "-c", container)
            assert "CAP_" not in said
            assert "ermission" not in said


def test_the_nodes_keep_their_own_address(world: World) -> None:
    """A kubelet that took the floating IP for its node's InternalIP would move the node with it. It looks when it starts, which
    is here while its node is Active, and at every report."""
    holder = _settled(world)
    start, since = time.monotonic_ns(), datetime.datetime.now(datetime.UTC)
    world.installed.nodes[holder].kill_kubelet()
    world.installed.nodes[holder].start_kubelet()
    for name, node in world.installed.nodes.items():
        until(lambda: _reported(world, name) > since + datetime.timedelta(seconds=1), 30, f"{name} reports")  # noqa: B023
        reported = world.plane.get("node", name)["status"]["addresses"]
        assert {entry["address"] for entry in reported if entry["type"] == "InternalIP"} == {node.address}
    assert world.prober.window(start).answered_by == [holder], "the address stays while the kubelet is away"


def test_killed_containers_come_back_and_the_address_with_them(world: World) -> None:
    holder = _settled(world)
    start = time.monotonic_ns()
    world.installed.nodes[holder].kill_containers("engine", "keeper")
    until(lambda: _restarted(world, holder), 60, f"the kubelet starts the agent of {holder} again")
    print(f"\nengine and keeper killed: Ready again after {_since(start):.2f} s")
    assert _settled(world) == holder
    window = world.prober.window(start)
    print(f"answered by {', '.join(window.answered_by)}; longest gap {window.longest_gap:.0f} ms, {window.lost} lost")
    assert window.longest_gap < (ACTIVE_DOWN + 0.3) * 1000


def test_a_lost_node_loses_the_address_to_the_other(world: World) -> None:
    holder = _settled(world)
    (other,) = set(world.installed.hosts) - {holder}
    start = time.monotonic_ns()
    world.installed.hosts[holder].unplug()
    world.installed.nodes[holder].power_off()
    world.prober.wait_for(other, ACTIVE_DOWN + 2)
    window = world.prober.window(start)
    print(f"\nnode lost: longest gap {window.longest_gap:.0f} ms, {window.lost} probes lost")
    assert window.longest_gap < (ACTIVE_DOWN + 0.3) * 1000
    until(lambda: _states(world).get(holder) == "Unknown", AGENT_LEASE + 30, f"{holder} is Unknown")
    print(f"{holder} is said to be Unknown after {_since(start):.0f} s")
    print(_wait_for_status(world, other))


def test_a_lost_node_stops_the_uninstallation(world: World) -> None:
    """Nobody knows what a node holds that is not heard of: nothing is taken down behind its back."""
    holder = until(world.prober.answerer, 5, "a holder")
    (lost,) = set(world.installed.hosts) - {holder}
    until(lambda: not _is_ready(world, lost), 60, f"{lost} is missed")
    start = time.monotonic_ns()
    with pytest.raises(RuntimeError) as refused:
        world.installed.helm("uninstall", RELEASE, "--wait", "--timeout=170s")
    print(f"\n{refused.value}")
    assert f"{lost}: ingress" in str(refused.value)
    assert world.prober.window(start).answered_by == [holder], "nobody let go meanwhile"
    _wait_for_status(world, holder)


def test_the_node_comes_back_with_its_power(world: World) -> None:
    """Its agent finds the saved copy in the node's folder, and takes the address back by its priority."""
    holder = until(world.prober.answerer, 5, "a holder")
    (lost,) = set(world.installed.hosts) - {holder}
    start = time.monotonic_ns()
    world.installed.hosts[lost].plug()
    world.installed.power_on(lost)
    world.prober.wait_for(lost, 90)
    print(f"\n{lost} holds the address again {_since(start):.1f} s after its power is back")
    assert _settled(world) == lost


def test_helm_test_finds_all_well(world: World) -> None:
    _settled(world)
    assert re.search(r"floatip-check\n.*Phase: +Succeeded", world.installed.helm("test", RELEASE), re.DOTALL)


def test_uninstalled_nothing_is_left_but_what_the_user_wrote(world: World) -> None:
    """Issue: "no address, no table, no DaemonSet, no stuck finalizer left; the FloatingIPs themselves stay"."""
    router_id = _status(world)["virtualRouterID"]
    start = time.monotonic_ns()
    world.installed.helm("uninstall", RELEASE, "--wait")
    print(f"\nhelm uninstall took {_since(start):.1f} s")
    _assert_nothing_is_left(world)
    assert _status(world)["virtualRouterID"] == router_id
    world.installed.install()
    world.prober.wait_for(_settled(world), 5)
    print(f"helm install to the first answer, again: {time.monotonic() - world.installed.installed_at:.1f} s")
    assert _status(world)["virtualRouterID"] == router_id


def test_a_node_that_a_human_wrote_off_stops_no_uninstallation(world: World) -> None:
    holder = _settled(world)
    (lost,) = set(world.installed.hosts) - {holder}
    world.installed.hosts[lost].unplug()
    world.installed.nodes[lost].power_off()
    # What else takes 40 s: no Pod is sent there, and its agent is not heard of.
    world.plane.kubectl("cordon", lost)
    world.plane.kubectl("delete", "lease", names.agent_lease(lost), "-n", NAMESPACE)
    until(lambda: _states(world).get(lost) == "Unknown", 60, f"{lost} is missed")
    world.plane.kubectl("annotate", "fip", "ingress", f"{names.ABANDON}={lost}")  # what `floatip forget` does
    start = time.monotonic_ns()
    world.installed.helm("uninstall", RELEASE, "--wait", "--timeout=170s")
    print(f"\nhelm uninstall, a node written off, took {_since(start):.1f} s")
    assert [name for name, host in world.installed.hosts.items() if host.holds(ADDRESS)] == []
    assert world.plane.get("fipn")["items"] == []
    world.installed.hosts[lost].plug()
    world.installed.power_on(lost)
    until(lambda: not world.plane.get("pods", "-n", NAMESPACE)["items"], 90, "the lost node's Pods end with its return")
    assert not world.installed.hosts[lost].holds(ADDRESS)


def _is_ready(world: World, node: str) -> bool:
    """To the scheduler: the hook's Pod must not wait on a node that is off."""
    return bool(_ready_condition(world, node)["status"] == "True")


def _reported(world: World, node: str) -> datetime.datetime:
    """When the kubelet wrote the node's status last: whole seconds, rounded down."""
    return datetime.datetime.fromisoformat(_ready_condition(world, node)["lastHeartbeatTime"])


def _ready_condition(world: World, node: str) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = world.plane.get("node", node)["status"]["conditions"]
    return next(entry for entry in conditions if entry["type"] == "Ready")


def _assert_nothing_is_left(world: World) -> None:
    for host in world.installed.hosts.values():
        assert not host.holds(ADDRESS)
        assert "floatip" not in host.run(["nft", "list", "tables"]).stdout
    namespaced = ("daemonset", "pods", "leases", "roles", "rolebindings", "jobs", "deployments", "configmaps")
    for kind in namespaced:
        left = {item["metadata"]["name"] for item in world.plane.get(kind, "-n", NAMESPACE)["items"]}
        assert left - {"kube-root-ca.crt"} == set(), kind
    for kind in ("clusterrole", "clusterrolebinding", "validatingadmissionpolicy", "fipn"):
        left = {item["metadata"]["name"] for item in world.plane.get(kind)["items"]}
        assert {name for name in left if name.startswith(RELEASE) or kind == "fipn"} == set(), kind
    labels = world.plane.get("namespace", NAMESPACE)["metadata"]["labels"]
    assert "pod-security.kubernetes.io/enforce" not in labels
    assert "finalizers" not in world.plane.get("floatingip", "ingress")["metadata"]


def _settled(world: World) -> str:
    """The holder, when the other node is its Backup and the API says so."""

    def settled() -> str | None:
        holder = world.prober.answerer()
        states = _states(world)
        expected = {name: "Active" if name == holder else "Backup" for name in world.installed.hosts}
        highest = max(_priorities(world).items(), key=lambda entry: entry[1], default=(None, 0))[0]
        return holder if holder == highest and states == expected else None

    holder = until(settled, 90, "the node of the higher priority is Active, the other one Backup")
    world.installed.wait_for_agents(60)
    return holder


def _wait_for_status(world: World, holder: str) -> str:
    """`kubectl get fip -o wide`, once it says Ready and who holds the address."""

    def said() -> str | None:
        status = _status(world)
        ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions", []))
        if not ready or status.get("activeNode") != holder:
            return None
        return world.plane.kubectl("get", "fip", "-o", "wide").strip()

    return until(said, 60, f"the API says that {holder} holds {ADDRESS}")


def _restarted(world: World, node: str) -> bool:
    (pod,) = (pod for pod in world.installed.pods("floatip-agent") if pod["spec"]["nodeName"] == node)
    return all(status["ready"] and status["restartCount"] for status in pod["status"]["containerStatuses"])


def _status(world: World) -> dict[str, Any]:
    status: dict[str, Any] = world.plane.get("floatingip", "ingress").get("status", {})
    return status


def _states(world: World) -> dict[str, str]:
    return {entry["name"]: entry["state"] for entry in _status(world).get("nodes", [])}


def _priorities(world: World) -> dict[str, int]:
    return {entry["name"]: entry["priority"] for entry in _status(world).get("nodes", [])}


def _since(start: int) -> float:
    """Seconds."""
    return (time.monotonic_ns() - start) / 1e9
