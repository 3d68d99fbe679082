"""The real operator on a real API server. The nodes' agents are played: they write the statuses and Leases that agents write."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from floatip_api import names
from floatip_operator.decide.snapshot import UNKNOWN_AFTER
from lab.control_plane import ControlPlane, OwnControlPlane
from lab.played import NAMESPACE, NODES, WITHIN, World, lay_out
from lab.waiting import throughout, until

pytestmark = pytest.mark.cluster

LATE = 5.0
"""Seconds on a busy machine."""


@pytest.fixture(scope="module")
def plane(control_plane_of_ones_own: OwnControlPlane) -> Iterator[ControlPlane]:
    """An API server for this module: an operator acts on all there is."""
    with control_plane_of_ones_own() as server:
        lay_out(server, *NODES)
        yield server


@pytest.fixture
def world(plane: ControlPlane, tmp_path: Path) -> Iterator[World]:
    plane.define_kinds()
    made = World(plane, tmp_path)
    made.start_operator()
    for node in NODES:
        made.until(functools.partial(made.has_document, node), f"{node} has a document")
        made.heartbeat(node)
        made.say(node)
    yield made
    for operator in made.operators:
        operator.kill()
        operator.wait()
    for name in plane.try_kubectl("get", "fip", "-o", "name").stdout.split():
        plane.try_kubectl("patch", name, "--type=merge", "-p", '{"metadata": {"finalizers": []}}')
    for kinds in ("fip", "fipn"):
        plane.try_kubectl("delete", kinds, "--all")
    plane.kubectl("delete", "lease", "--all", "-n", NAMESPACE)


def test_from_apply_to_the_last_confirmation(world: World) -> None:
    """api.md: "The operator takes the entry off the list only after the node's status confirms the requestID"."""
    world.run_elk()
    assert world.status("elk")["activeNode"] == "n1"
    assert {router["priority"] for node in NODES for router in world.entries(node)} == {150, 100}
    assert world.condition("elk", "Degraded") == ("False", "AsAsked")

    world.plane.kubectl("delete", "fip", "elk", "--wait=false")
    world.until(lambda: all("release" in world.entries(node)[0] for node in NODES), "both are asked to let go")
    world.obey("n1", "Backup")
    world.until(lambda: not world.entries("n1"), "n1 is done")
    throughout(lambda: world.floating_ip("elk") is not None, 2.0, "elk waits for n2")
    world.obey("n2", "Backup")
    world.until(lambda: world.floating_ip("elk") is None, "elk is gone")
    assert world.entries("n2") == []


def test_a_restarted_operator_goes_on_where_it_was(world: World) -> None:
    world.run_elk()
    before = [world.document(node)["metadata"]["resourceVersion"] for node in NODES]
    start = time.monotonic()
    assert world.stop_operator() == 0
    assert time.monotonic() - start < LATE, "it waits for nothing"
    assert not [line for line in world.log.splitlines() if "ERROR" in line or "Traceback" in line]
    world.start_operator()
    world.apply("second", addresses=["10.9.0.101/24"], virtualRouterID=52)
    world.until(lambda: world.condition("second", "Allocated")[0] == "True", "the new operator works")
    world.obey("n1", "Active")
    assert world.condition("elk", "Ready") == ("True", "Held")
    assert before != [world.document(node)["metadata"]["resourceVersion"] for node in NODES]


def test_a_lost_status_is_recovered_from_the_nodes(world: World) -> None:
    """api.md: router IDs are "recovered from the FloatingIPNodes when a status is lost"."""
    world.plane.apply(
        "{apiVersion: floatip.dev/v1alpha1, kind: FloatingIP, metadata: {name: web}, spec: {addresses: [10.9.0.90/24]}}"
    )
    world.until(lambda: world.entries("n1"), "an ID is allocated")
    allocated = world.entries("n1")[0]["virtualRouterID"]
    world.stop_operator()
    world.plane.kubectl(
        "patch", "fip", "web", "--subresource=status", "--type=json", "-p", '[{"op": "remove", "path": "/status"}]'
    )
    assert world.status("web") == {}
    world.start_operator()
    world.until(lambda: world.status("web").get("virtualRouterID") == allocated, "the same ID again")


def test_an_abandoned_node_holds_nothing_up(world: World) -> None:
    world.run_elk()
    world.plane.kubectl("delete", "fip", "elk", "--wait=false")
    world.until(lambda: "release" in world.entries("n1")[0], "n1 is asked")
    world.obey("n1", "Backup")
    throughout(lambda: world.floating_ip("elk") is not None, 2.0, "elk waits for n2")
    # n2 is off: its agent's Lease is gone with it. Without the Lease a node counts as not heard of.
    world.plane.kubectl("delete", "lease", names.agent_lease("n2"), "-n", NAMESPACE)
    world.plane.kubectl("annotate", "fip", "elk", f"{names.ABANDON}=n2")
    world.until(lambda: world.floating_ip("elk") is None, "elk is gone")
    assert "release" in world.entries("n2")[0], "when n2 comes back, it lets go"
    # api.md: a FloatingIPNode is deleted "when the Node is gone and its list is empty and confirmed, or by `floatip forget`"
    world.plane.kubectl("delete", "node", "n2")
    try:
        world.until(lambda: not world.has_document("n2"), "n2 is forgotten")
    finally:
        world.plane.apply("{apiVersion: v1, kind: Node, metadata: {name: n2}}")


def test_what_an_agent_runs_and_no_floating_ip_asks_for_is_an_event_of_its_node(world: World) -> None:
    """Issue: "etcd [...] restored from an older snapshot", "a node's disk moved to another cluster [...]: clear conditions and Events"."""
    cluster = world.plane.get("namespace", "kube-system")["metadata"]["uid"]
    assert {world.document(node)["metadata"]["annotations"][names.CLUSTER] for node in NODES} == {cluster}
    lost = {"name": "lost", "family": "IPv4", "state": "Active", "virtualRouterID": 51, "addresses": ["10.9.0.90/24"]}
    elsewhere = {"warnings": [{"reason": "OtherCluster", "message": "it comes from another cluster"}]}
    world.say("n1", lost, {**lost, "name": "foreign", "virtualRouterID": 52, **elsewhere})

    def told() -> set[tuple[str, str]]:
        events = world.plane.get("events", "-n", "default", "--field-selector=involvedObject.kind=FloatingIPNode")[
            "items"
        ]
        return {(event["reason"], event["message"].rpartition(": ")[2]) for event in events}

    expected = {
        ("NotInDocument", "lost (IPv4, router ID 51, 10.9.0.90/24)"),
        ("OtherCluster", "foreign (IPv4, router ID 52, 10.9.0.90/24)"),
    }
    world.until(lambda: told() >= expected, "both are told")


def test_deleting_the_crd_takes_no_address_away(world: World) -> None:
    """api.md: "deleting the CRD marks every object exactly like a user's delete: tried"."""
    world.run_elk()
    world.plane.kubectl("delete", "crd", f"{names.FLOATING_IPS}.{names.GROUP}", "--wait=false")
    world.until(
        lambda: "deletionTimestamp" in (world.floating_ip("elk") or {"metadata": {}})["metadata"], "elk is marked"
    )
    throughout(lambda: not any("release" in world.entries(node)[0] for node in NODES), 4.0, "nobody is asked to let go")

    world.plane.kubectl("patch", "fip", "elk", "--type=merge", "-p", '{"metadata": {"finalizers": []}}')
    assert world.operators[0].wait(timeout=WITHIN) == 1, "it cannot go on, and begins anew"
    (said,) = [line for line in world.log.splitlines() if "ERROR" in line or "Traceback" in line]
    assert f"a watch ended: /apis/{names.API_VERSION}/floatingips: 404 page not found (is its CRD gone?)" in said


def _events(world: World) -> dict[str, int]:
    """How often each sentence about this elk was said; that of another test is another object."""
    events = world.plane.get("events", "-n", "default")["items"]
    elk = (world.floating_ip("elk") or {"metadata": {"uid": ""}})["metadata"]["uid"]
    return {event["message"]: event["count"] for event in events if event["involvedObject"].get("uid") == elk}


def test_events_tell_the_story_and_what_happens_again_is_counted(world: World) -> None:
    world.run_elk()
    for _ in range(2):
        for holder, other in (("n2", "n1"), ("n1", "n2")):
            world.obey(other, "Backup")
            world.obey(holder, "Active")
            world.until(lambda: world.status("elk").get("activeNode") == holder, f"{holder} holds it")  # noqa: B023
    world.until(lambda: _events(world).get("n1 holds it") == 3, "said once, with a count")
    assert _events(world)["held by n2"] == 2


def test_a_silent_agent_is_unknown_within_40_s_also_when_the_leader_died_with_it(world: World) -> None:
    """Issue: "an agent that is dead or cut off shows `Unknown` within 40 s". The other replica has counted all the while."""
    world.run_elk()
    world.start_operator()
    world.until(lambda: "another replica leads" in world.log, "a second replica waits")
    time.sleep(5)  # it has listed everything, and watches
    for node in NODES:
        world.heartbeat(node)
    start = time.monotonic()
    world.operators.pop(0).kill()
    while (passed := time.monotonic() - start) < UNKNOWN_AFTER + LATE:
        states = {entry["name"]: entry["state"] for entry in world.status("elk").get("nodes", [])}
        if states.get("n1") == "Unknown":
            break
        if passed % 10 < 1:
            world.heartbeat("n2")
        time.sleep(0.5)
    assert UNKNOWN_AFTER - 1 < passed < UNKNOWN_AFTER + LATE
    assert states == {"n1": "Unknown", "n2": "Backup"}


def test_only_one_replica_acts(world: World) -> None:
    world.start_operator()
    throughout(lambda: all(operator.poll() is None for operator in world.operators), 3.0, "both run")
    lease = world.plane.get("lease", names.OPERATOR_LEASE, "-n", NAMESPACE)
    assert world.stop_operator() == 0
    world.until(
        lambda: (
            world.plane.get("lease", names.OPERATOR_LEASE, "-n", NAMESPACE)["spec"]["holderIdentity"]
            not in {"", lease["spec"]["holderIdentity"]}
        ),
        "the other leads at once",
    )


def test_a_stopped_leader_that_wakes_up_changes_nothing(world: World) -> None:
    """Issue: "a stopped old leader that wakes up". Meanwhile elk was deleted, and is gone: it must neither come back nor be held."""
    world.run_elk()
    world.start_operator()
    world.until(lambda: "another replica leads" in world.log, "a second replica waits")
    asleep = world.operators[0]
    asleep.send_signal(signal.SIGSTOP)
    world.plane.kubectl("delete", "fip", "elk", "--wait=false")
    until(lambda: all("release" in world.entries(node)[0] for node in NODES), 2 * WITHIN, "the second one leads")
    for node in NODES:
        world.obey(node, "Backup")
    world.until(lambda: world.floating_ip("elk") is None, "elk is gone")
    world.until(lambda: not any(world.entries(node) for node in NODES), "and its entries")
    versions = [world.document(node)["metadata"]["resourceVersion"] for node in NODES]
    asleep.send_signal(signal.SIGCONT)
    assert asleep.wait(timeout=WITHIN) == 1, "it ends itself"
    world.operators.remove(asleep)
    assert versions == [world.document(node)["metadata"]["resourceVersion"] for node in NODES]
    assert world.floating_ip("elk") is None


def test_a_taken_metrics_port_is_said_and_stops_nothing(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert world.stop_operator() == 0
        world.start_operator("--metrics-address", f"127.0.0.1:{taken.getsockname()[1]}")
        world.run_elk()
    assert "no metrics and health on 127.0.0.1" in world.log


def test_a_pod_security_level_that_somebody_else_set_stays(world: World) -> None:
    """docs/cluster.md: "A level that somebody else set stays, and the operator's log says that the agents may be refused"."""
    label = "pod-security.kubernetes.io/enforce"
    world.plane.kubectl("label", "namespace", NAMESPACE, f"{label}=baseline")
    assert world.stop_operator() == 0
    world.start_operator("--label-namespace")
    world.until(lambda: "somebody else's" in world.log and label in world.log, "it says so")
    assert world.plane.get("namespace", NAMESPACE)["metadata"]["labels"][label] == "baseline"
    world.run_elk()
    world.plane.kubectl("label", "namespace", NAMESPACE, f"{label}-")


def _uninstall(world: World, seconds: int) -> subprocess.Popen[str]:
    """What the chart's hook runs."""
    command = [str(Path(sys.executable).with_name("floatip-operator")), "uninstall", f"--namespace={NAMESPACE}"]
    environment = {**os.environ, "KUBECONFIG": str(world.plane.kubeconfig)}
    return subprocess.Popen([*command, f"--timeout={seconds}"], env=environment, stderr=subprocess.PIPE, text=True)


def _deploy(world: World) -> None:
    """What uninstalling has to delete, as objects: nothing runs them here."""
    pod = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "none"}]}}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": pod}
    for kind, name in (("DaemonSet", names.AGENT_DAEMON_SET), ("Deployment", names.OPERATOR_DEPLOYMENT)):
        metadata = {"name": name, "namespace": NAMESPACE}
        world.plane.apply(yaml.safe_dump({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}))


def _asked_to_let_go(world: World) -> None:
    """Both, once both have renewed their Leases."""
    last = 0.0

    def asked() -> bool:
        nonlocal last
        if time.monotonic() - last > 5:
            last = time.monotonic()
            for node in NODES:
                world.heartbeat(node)
        return all("release" in world.entries(node)[0] for node in NODES)

    world.until(asked, "both are asked to let go")


def test_nobody_is_asked_to_let_go_while_a_node_is_not_heard_of(world: World) -> None:
    """The others would take their addresses down for an uninstallation that must fail."""
    password = {"type": "Password", "secretRef": {"name": "elk-vrrp", "key": "password"}}
    world.run_elk(vrrp={"version": 2, "authentication": password})
    uninstalling = _uninstall(world, 25)
    until(lambda: world.operators[0].poll() == 1, 20, "it leads")
    while uninstalling.poll() is None:
        world.heartbeat("n1")
        assert not any("release" in world.entries(node)[0] for node in NODES)
        (rule,) = world.plane.get("role", names.AGENT_SECRETS_ROLE, "-n", NAMESPACE)["rules"]
        assert rule["resourceNames"] == ["elk-vrrp"]
        time.sleep(1)
    assert uninstalling.returncode == 1
    assert uninstalling.stderr
    assert "as these nodes are not heard of:\n  n2: elk\n" in uninstalling.stderr.read()


def test_uninstalled_and_installed_again(world: World) -> None:
    """No address, no DaemonSet, no finalizer; the FloatingIP stays, and the next installation serves it by the same router ID."""
    world.run_elk()
    _deploy(world)
    uninstalling = _uninstall(world, 90)
    _asked_to_let_go(world)
    assert world.operators.pop(0).wait(timeout=20) == 1, "the former leader ends itself"
    throughout(lambda: uninstalling.poll() is None, 2.0, "it waits for both")
    for node in NODES:
        world.obey(node, "Backup")
    assert uninstalling.wait(timeout=30) == 0
    assert world.plane.get("fipn")["items"] == []
    for kind in ("daemonset", "deployment", "lease"):
        assert world.plane.get(kind, "-n", NAMESPACE)["items"] == [], kind
    elk = world.floating_ip("elk")
    assert elk is not None
    assert "finalizers" not in elk["metadata"]
    assert world.condition("elk", "Ready") == ("False", "Uninstalled")
    world.start_operator()
    for node in NODES:
        world.until(functools.partial(world.has_document, node), f"{node} has a document")
        world.heartbeat(node)
        world.say(node)

    def taken_up() -> bool:
        """One after the other: the second comes when the first says what it runs."""
        for node in NODES:
            world.obey(node, "Backup")
        return all(world.entries(node) for node in NODES)

    world.until(taken_up, "both nodes have entries again")
    assert {entry["virtualRouterID"] for node in NODES for entry in world.entries(node)} == {51}


def test_an_uninstallation_that_a_node_does_not_confirm_changes_nothing(world: World) -> None:
    world.run_elk()
    _deploy(world)
    world.start_operator()
    uninstalling = _uninstall(world, 40)
    _asked_to_let_go(world)
    world.obey("n1", "Backup")
    _, said = uninstalling.communicate(timeout=60)
    assert uninstalling.returncode == 1
    assert "these nodes have not confirmed that they let go:\n  n2: elk\n" in said
    assert "floatip forget" in said
    assert world.plane.get("daemonset", names.AGENT_DAEMON_SET, "-n", NAMESPACE)
    world.until(
        lambda: [r.get("release") for node in NODES for r in world.entries(node)] == [None, None], "as it was before"
    )
