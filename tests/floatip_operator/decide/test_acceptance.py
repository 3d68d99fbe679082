"""api.md: "An address belongs to one floating IP (the older wins), is no node's own address (unless priority 255 on that node),
and lies outside the cluster's Pod and Service ranges." """

from __future__ import annotations

from typing import Any

import pytest
from floatip_api import wire
from floatip_api.v1alpha1 import Condition, FloatingIP, VirtualRouter
from floatip_operator.decide.plan import decide
from in_memory.cluster import document, floating_ip, router, said, snapshot, written


def _accepted(world: Any, name: str = "web") -> Condition:
    found = {entry.metadata.name: status.conditions[0] for entry, status in decide(world).statuses}
    return found[name]


def test_an_address_belongs_to_the_older() -> None:
    world = snapshot([floating_ip("old", age=2), floating_ip("web", age=1)], [document("n1")])
    said = _accepted(world)
    assert (said.status, said.reason) == ("False", "AddressInUse")
    assert "10.0.0.100" in said.message
    assert "old" in said.message


def test_a_nodes_own_address_does_not_float() -> None:
    said = _accepted(snapshot([floating_ip()], [document("n1", address="10.0.0.100/24")]))
    assert (said.reason, "n1" in said.message) == ("AddressIsNodeAddress", True)


def test_unless_that_node_is_its_owner() -> None:
    owned = floating_ip(nodes=[{"name": "n1", "priority": 255}, {"name": "n2", "priority": 100}])
    world = snapshot([owned], [document("n1", address="10.0.0.100/24"), document("n2")])
    assert _accepted(world).status == "True"


@pytest.mark.parametrize("cluster_range", ["10.0.0.0/16", "10.0.0.96/28"])
def test_not_in_a_range_of_the_cluster(cluster_range: str) -> None:
    said = _accepted(snapshot([floating_ip()], [document("n1")], cluster_ranges=(cluster_range,)))
    assert (said.reason, cluster_range in said.message) == ("AddressInClusterRange", True)


def test_what_serves_already_is_not_taken_away_by_a_refusal() -> None:
    world = snapshot([floating_ip()], [document("n1", [router()])], cluster_ranges=("10.0.0.0/8",))
    assert _accepted(world).status == "False"
    assert written(decide(world)) == {}


def test_one_that_begins_does_not_take_the_router_id_of_one_that_is_served() -> None:
    """Not even the older of the two: both on one LAN with one ID would each take the other's advertisements for its own."""
    begins = floating_ip("old", age=2, virtualRouterID=51)
    serves = floating_ip("young", age=1, virtualRouterID=51, addresses=["10.0.0.101/24"])
    entry = router("young", addresses=["10.0.0.101/24"])
    plan = decide(snapshot([begins, serves], [document("n1", [entry])]))
    found = {entry.metadata.name: status.conditions[0] for entry, status in plan.statuses}
    assert (found["old"].reason, "young" in found["old"].message) == ("VirtualRouterIDInUse", True)
    assert written(plan) == {}


def test_a_secret_that_is_missing_is_told_by_the_agents() -> None:
    """api.md: SecretMissing. The operator reads no Secrets."""
    vrrp = {"version": 2, "authentication": {"type": "Password", "secretRef": {"name": "elk-vrrp", "key": "password"}}}
    warned: dict[str, Any] = {"warnings": [{"reason": "SecretMissing", "message": "Secret elk-vrrp does not exist"}]}
    wanted = floating_ip(nodes=[{"name": "n1", "priority": 200}], virtualRouterID=51, vrrp=vrrp)
    entry = router(vrrp=vrrp)
    (found,) = [c for c in _conditions(wanted, entry, said("Fault", **warned)) if c.type == "Accepted"]
    assert (found.status, found.reason) == ("False", "SecretMissing")
    assert found.message == "node n1: Secret elk-vrrp does not exist"
    # One that was deleted while its last known value is in force is served on.
    running = said("Active", digest=wire.digest(VirtualRouter.from_manifest(entry)), **warned)
    (found,) = [c for c in _conditions(wanted, entry, running) if c.type == "Accepted"]
    assert (found.status, found.reason) == ("True", "AcceptedWithWarnings"), "plain text"


def _conditions(wanted: FloatingIP, entry: dict[str, Any], said: dict[str, Any]) -> list[Condition]:
    ((_, status),) = decide(snapshot([wanted], [document("n1", [entry], [said])])).statuses
    return status.conditions


def test_a_node_with_1024_routers_takes_no_more_and_stops_nobody() -> None:
    full = document("full", [router(f"r{n}", addresses=[f"10.1.{n // 250}.{n % 250 + 1}/16"]) for n in range(1024)])
    plan = decide(snapshot([floating_ip(candidates=2)], [full, document("n1")]))
    assert written(plan) == {"n1": [("web", 200, None)]}


def test_a_full_node_that_is_named_is_said() -> None:
    full = document("full", [router(f"r{n}", addresses=[f"10.1.{n // 250}.{n % 250 + 1}/16"]) for n in range(1024)])
    named = floating_ip(nodes=[{"name": "full", "priority": 200}, {"name": "n1", "priority": 100}])
    plan = decide(snapshot([named], [full, document("n1")]))
    assert written(plan) == {"n1": [("web", 100, None)]}
    accepted = plan.statuses[0][1].conditions[0]
    assert "node full has 1,024 virtual routers" in accepted.message


def test_more_newcomers_than_a_document_takes_come_by_age() -> None:
    there = [router(f"r{n}", addresses=[f"10.1.{n // 250}.{n % 250 + 1}/16"], virtualRouterID=99) for n in range(1020)]
    new = [floating_ip(f"new{age}", age, addresses=[f"10.0.0.{100 + age}/24"]) for age in range(1, 9)]
    plan = decide(snapshot(new, [document("n1", there)]))
    ((_, spec),) = plan.specs
    assert len(spec.virtual_routers) == 1024
    assert {r.name for r in spec.virtual_routers if r.name.startswith("new")} == {"new5", "new6", "new7", "new8"}
