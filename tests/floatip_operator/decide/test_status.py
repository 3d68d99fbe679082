"""What a FloatingIP's status says of what the nodes say, and when it says nothing."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_api.v1alpha1 import Condition, FloatingIPStatus
from floatip_operator.decide.plan import decide
from floatip_operator.decide.snapshot import Snapshot
from in_memory.cluster import NOW, document, floating_ip, router, said, snapshot

NODES = [{"name": "n1", "priority": 200}, {"name": "n2", "priority": 100}]


def _world(first: str | None, second: str | None, *, spec: dict[str, Any] | None = None, **fields: Any) -> Snapshot:
    """n1 of priority 200 and n2 of priority 100, each in a state or silent."""
    wanted = floating_ip(nodes=NODES, virtualRouterID=51, **(spec or {}))
    documents = [
        document("n1", [router()], [said(first)] if first else []),
        document("n2", [router(priority=100)], [said(second, priority=100)] if second else []),
    ]
    return snapshot([wanted], documents, **fields)


def _status(world: Snapshot) -> FloatingIPStatus:
    ((_, status),) = decide(world).statuses
    return status


def _condition(world: Snapshot, kind: str) -> Condition:
    return next(condition for condition in _status(world).conditions if condition.type == kind)


def test_one_active_and_one_backup_is_all_well() -> None:
    status = _status(_world("Active", "Backup"))
    assert (status.active_node, status.active_nodes) == ("n1", ["n1"])
    assert {c.type: c.status for c in status.conditions} == {
        "Accepted": "True",
        "Allocated": "True",
        "Ready": "True",
        "SingleHolder": "True",
        "Degraded": "False",
    }
    assert status.display is not None
    assert status.display.nodes == "n1 Active 200, n2 Backup 100"
    assert status.display.addresses == "10.0.0.100"


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [("Backup", "Backup", "NoHolder"), ("Fault", "Fault", "NoHolder"), (None, None, "NoHolder")],
)
def test_nobody_holds_it(first: str | None, second: str | None, reason: str) -> None:
    ready = _condition(_world(first, second), "Ready")
    assert (ready.status, ready.reason) == ("False", reason)


@pytest.mark.parametrize(("age", "state"), [(39.9, "Active"), (40.0, "Unknown")])
def test_an_agent_that_is_not_heard_of_is_unknown_after_40_s(age: float, state: str) -> None:
    world = _world("Active", "Backup", lease_ages={"n1": age, "n2": 1.0})
    assert _status(world).nodes[0].state == state


def test_the_last_holder_is_unknown() -> None:
    ready = _condition(_world("Active", "Backup", lease_ages={"n1": 50.0, "n2": 1.0}), "Ready")
    assert (ready.reason, "n1" in ready.message) == ("HolderUnknown", True)


def test_suspended() -> None:
    ready = _condition(_world("Backup", "Backup", spec={"suspend": True}), "Ready")
    assert (ready.status, ready.reason) == ("False", "Suspended")


CLAIMS = {("web", "n1"): 100.0, ("web", "n2"): 5.0}


@pytest.mark.parametrize(
    ("lease_age_of_older", "holders"),
    [
        # Heard 4 s ago, when n2 had claimed for 1 s only: its last word may be a dead node's.
        (4.0, ["n2"]),
        # Heard 2 s ago and still claiming, 3 s after n2: longer than max(2 s, 2 periods).
        (2.0, ["n1", "n2"]),
    ],
)
def test_a_dead_nodes_last_word_is_no_sign_of_a_second_holder(lease_age_of_older: float, holders: list[str]) -> None:
    """api.md: "its Active counts only until another candidate is Active, or it is Unknown. Agents' clocks are never compared"."""
    world = _world("Active", "Active", lease_ages={"n1": lease_age_of_older, "n2": 1.0}, claim_ages=CLAIMS)
    status = _status(world)
    assert status.active_nodes == holders
    single = _condition(world, "SingleHolder")
    assert single.status == ("True" if len(holders) == 1 else "False")


def test_two_holders_are_named_and_not_ready() -> None:
    world = _world("Active", "Active", lease_ages={"n1": 1.0, "n2": 1.0}, claim_ages=CLAIMS)
    assert _condition(world, "SingleHolder").reason == "TwoHolders"
    assert _condition(world, "Ready").status == "False"
    assert _status(world).active_node is None


def test_a_rival_that_the_active_hears() -> None:
    warned = said("Active", warnings=[{"reason": "RivalHeard", "message": "10.0.0.9 advertises too, with priority 90"}])
    wanted = floating_ip(nodes=NODES, virtualRouterID=51)
    world = snapshot([wanted], [document("n1", [router()], [warned]), document("n2", [router(priority=100)])])
    single = _condition(world, "SingleHolder")
    assert (single.reason, "10.0.0.9" in single.message) == ("RivalHeard", True)


@pytest.mark.parametrize(
    ("first", "second", "ages", "reason"),
    [
        ("Active", "Fault", {}, "NodeFault"),
        ("Active", "Backup", {"n2": 50.0}, "NodeUnknown"),
        ("Active", "Initialize", {}, "NoBackup"),
    ],
)
def test_degraded(first: str, second: str, ages: dict[str, float], reason: str) -> None:
    world = _world(first, second, lease_ages={"n1": 1.0, "n2": 1.0} | ages)
    found = _condition(world, "Degraded")
    assert (found.status, found.reason) == ("True", reason)


@pytest.mark.parametrize("reason", ["AddressClaimed", "AddressLost", "LoopedBack", "WireMismatch", "ProbesStale"])
def test_what_an_agent_warns_of_is_degraded_and_stands_beside_the_node(reason: str) -> None:
    warning = {"reason": reason, "message": "10.0.0.9 does what it should not"}
    entries = [document("n1", [router()], [said("Active", warnings=[warning])])]
    entries.append(document("n2", [router(priority=100)], [said("Backup", priority=100)]))
    world = snapshot([floating_ip(nodes=NODES, virtualRouterID=51)], entries)
    found = _condition(world, "Degraded")
    assert (found.status, found.reason, found.message) == ("True", reason, f"n1: {warning['message']}")
    assert [(node.name, [w.reason for w in node.warnings]) for node in _status(world).nodes] == [
        ("n1", [reason]),
        ("n2", []),
    ]


def test_nobody_holds_it_and_it_says_why() -> None:
    reason = "no unicast peers: silent"
    world = snapshot([floating_ip(nodes=NODES[:1])], [document("n1", [router()], [said("Fault", reason=reason)])])
    assert _condition(world, "Ready").message == "no node holds it: n1 Fault (no unicast peers: silent)"


def test_active_in_one_family_of_two_is_not_the_holder() -> None:
    """api.md: "activeNodes has a node only when it is Active in every family the object has"."""
    wanted = floating_ip(nodes=NODES[:1], virtualRouterID=51, addresses=["10.0.0.100/24", "fd00::100/64"])
    both = [router(), router(family="IPv6", addresses=["fd00::100/64"])]
    half = [said("Active"), said("Backup", family="IPv6")]
    assert _status(snapshot([wanted], [document("n1", both, half)])).active_nodes == []


def test_transition_times_stay_where_the_status_stays() -> None:
    before = _status(_world("Active", "Backup"))
    old = [{**c.to_manifest(), "lastTransitionTime": "2020-01-01T00:00:00Z"} for c in before.conditions]
    world = _world("Active", "Fault", spec={"status": {**before.to_manifest(), "conditions": old}})
    times = {c.type: c.last_transition_time for c in _status(world).conditions}
    assert (times["Ready"], times["Degraded"]) == ("2020-01-01T00:00:00Z", NOW)


def test_an_unchanged_status_is_not_written() -> None:
    before = _status(_world("Active", "Backup"))
    assert decide(_world("Active", "Backup", spec={"status": before.to_manifest()})).statuses == ()


def test_a_status_never_outgrows_the_schema() -> None:
    """One FloatingIP on many nodes with long names and long reasons must not stop the decisions for all others."""
    nodes = [f"{number:03}-{'n' * 120}" for number in range(128)]
    wanted = floating_ip(nodes=[{"name": node, "priority": 200} for node in nodes], virtualRouterID=51)
    documents = [
        document(node, [router()], [said("Fault", reason="r" * 1024)], address="10.0.0.1/24") for node in nodes
    ]
    status = _status(snapshot([wanted], documents))
    assert status.display is not None
    assert status.display.nodes.startswith("000-")
    assert all(len(condition.message) <= 32768 for condition in status.conditions)


def test_an_odd_word_of_one_node_does_not_stop_the_decisions() -> None:
    world = snapshot(
        [floating_ip(nodes=NODES, virtualRouterID=51)],
        [document("n1", [router()], [said("Active")]), document("odd", address="nonsense")],
    )
    assert _status(world).active_node == "n1"
