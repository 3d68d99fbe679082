"""What somebody deletes or lacks: the address stays where it is, and what was deleted comes back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from end_to_end.world import Apply, World
from floatip_api import names
from lab.agents import Agent
from lab.cluster import NAMESPACE
from lab.waiting import throughout, until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

CRDS = Path(__file__).parents[2] / "crds"
BACK_WITHIN = 60
"""Seconds: the operator ends when a kind is gone, and is started again after a second."""


@contextlib.contextmanager
def answered(world: World, address: str) -> Iterator[str]:
    """The same node answers throughout the block, and alone holds the address at its end."""
    (holder,) = world.holders(address)
    with world.prober(address) as prober:
        prober.wait_for(holder, 5)
        start = time.monotonic_ns()
        yield holder
        window = prober.window(start)
    assert window.answered_by == [holder]
    assert window.longest_gap < 300
    assert world.holders(address) == [holder]


def _document_uids(world: World) -> set[str]:
    found = world.plane.try_kubectl("get", "fipn", "-o", "jsonpath={.items[*].metadata.uid}")
    return set(found.stdout.split())


def test_the_nodes_documents_deleted_with_their_crd(world: World, apply: Apply) -> None:
    """Issue: "CRD or FloatingIPNode deleted by hand". Nothing holds these objects up: they are gone at once."""
    apply("documents", addresses=["10.9.0.120/24"])
    world.settled("documents", "10.9.0.120")
    before = _document_uids(world)
    with answered(world, "10.9.0.120") as holder:
        world.plane.kubectl("delete", "crd", f"{names.FLOATING_IP_NODES}.{names.GROUP}", "--timeout=30s")
        time.sleep(2)
        world.plane.apply(CRDS / "floatingipnodes.yaml")

        def are_back() -> bool:
            uids = _document_uids(world)
            return len(uids) == 2 and not uids & before

        until(are_back, BACK_WITHIN, "there is a new document for each node")
        until(lambda: world.settled("documents", "10.9.0.120") == holder, BACK_WITHIN, "served as before")


def test_the_floating_ips_deleted_with_their_crd(world: World, apply: Apply) -> None:
    """api.md: "deleting the CRD marks every object exactly like a user's delete: tried", and the finalizer stays. Who takes that off
    loses the objects; the nodes serve on what stands in their documents, and the same manifest takes it up again."""
    apply("deleted", addresses=["10.9.0.121/24"])
    world.settled("deleted", "10.9.0.121")
    definition = f"{names.FLOATING_IPS}.{names.GROUP}"
    with answered(world, "10.9.0.121") as holder:
        virtual_router_id = world.floating_ip("deleted")["status"]["virtualRouterID"]
        world.plane.kubectl("delete", "crd", definition, "--wait=false")
        until(lambda: "CRD is being deleted" in _accepted(world, "deleted"), 30, "it is said")
        assert "release" not in str(world.plane.get("fipn")["items"])
        world.plane.kubectl("patch", "fip", "deleted", "--type=merge", "-p", '{"metadata": {"finalizers": []}}')
        gone = ["get", "crd", definition]
        until(lambda: world.plane.try_kubectl(*gone).returncode != 0, 30, "the CRD is gone")
        time.sleep(2)
        world.plane.define_kinds()
        apply("deleted", addresses=["10.9.0.121/24"])
        until(lambda: world.conditions("deleted").get("Ready") == "True", BACK_WITHIN, "taken up again")
        assert world.settled("deleted", "10.9.0.121") == holder
        assert world.floating_ip("deleted")["status"]["virtualRouterID"] == virtual_router_id


def _accepted(world: World, name: str) -> str:
    conditions = world.floating_ip(name).get("status", {}).get("conditions", [])
    return next((str(entry["message"]) for entry in conditions if entry["type"] == "Accepted"), "")


def test_a_static_agent_beside_the_nodes_own(world: World, apply: Apply) -> None:
    """api.md: "In one network namespace a second agent waits and says so, and touches nothing". Such a node is no candidate: its agent,
    whose engine has not begun, keeps no Lease."""
    apply(
        "beside", addresses=["10.9.0.122/24"], nodes=[{"name": "n1", "priority": 150}, {"name": "n2", "priority": 100}]
    )
    world.settled("beside", "10.9.0.122")
    with answered(world, "10.9.0.122") as holder:
        assert holder == "n1"
        node, own = world.nodes["n2"], world.cluster.agents["n2"]
        own.stop()
        router = {
            "name": "by-hand",
            "family": "IPv4",
            "virtualRouterID": 251,
            "addresses": ["10.9.0.123/24"],
            "priority": 150,
            "vrrp": {"advertisementPeriodMilliseconds": 100},
        }
        beside = Agent.static(node, router, arguments=["--metrics-address="], folder="beside")
        beside.start()
        until(lambda: node.holds("10.9.0.123"), 20, f"the static agent serves: {beside.log}")
        own.start()
        until(lambda: "another agent runs in this network namespace" in own.log.read_text(), 20, "said")
        throughout(lambda: node.holds("10.9.0.123"), 2, "the static agent's address stays")
        beside.stop()
        own.wait_for("Backup", 20)
        assert not node.holds("10.9.0.123")


def test_without_the_admission_policy_all_goes_on_and_it_is_said(world: World, apply: Apply) -> None:
    """Issue: "policy missing [...] clear conditions and Events, addresses stay". The operator looks when it begins, and every 5 minutes."""
    apply("unguarded", addresses=["10.9.0.124/24"])
    world.settled("unguarded", "10.9.0.124")
    kind = "validatingadmissionpolicybinding"
    binding = world.plane.get(kind, names.AGENT_POLICY)
    world.plane.kubectl("delete", kind, names.AGENT_POLICY)
    try:
        with answered(world, "10.9.0.124") as holder:
            world.cluster.operator.restart()

            def is_said() -> bool:
                events = world.plane.get("events", "-n", NAMESPACE)["items"]
                return any(
                    e["reason"] == "PolicyMissing" and e["involvedObject"]["kind"] == "DaemonSet" for e in events
                )

            until(is_said, BACK_WITHIN, "an Event of the DaemonSet says it")
            assert "its binding is missing" in world.cluster.operator.log.read_text()
            assert world.settled("unguarded", "10.9.0.124") == holder
    finally:
        metadata = {"name": names.AGENT_POLICY, "labels": binding["metadata"]["labels"]}
        kept = {key: binding[key] for key in ("apiVersion", "kind", "spec")}
        world.plane.apply(yaml.safe_dump({**kept, "metadata": metadata}))
