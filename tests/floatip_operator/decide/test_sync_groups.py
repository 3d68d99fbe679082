"""api.md: "floating IPs with one value move together on every node; they get the same candidates in the same order"."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_api.v1alpha1 import FloatingIP, FloatingIPNode
from floatip_operator.decide.plan import Plan, decide
from floatip_operator.decide.snapshot import Snapshot
from in_memory.cluster import document, floating_ip, router, said, snapshot, written

NODES = [{"name": "n1", "priority": 200}, {"name": "n2", "priority": 100}]
INNER = ["10.8.0.100/24"]


def _outer(age: int = 2, **spec: Any) -> FloatingIP:
    return floating_ip("outer", age, virtualRouterID=51, **{"syncGroup": "edge", **spec})


def _inner(age: int = 1, **spec: Any) -> FloatingIP:
    return floating_ip("inner", age, virtualRouterID=52, **{"addresses": INNER, "syncGroup": "edge", **spec})


def _node(name: str, *routers: dict[str, Any], interfaces: int = 2, **fields: Any) -> FloatingIPNode:
    """A node with eth0 in 10.0.0.0/24 and, unless it has one interface only, eth1 in 10.8.0.0/24."""
    plain = document(name, routers, **fields)
    manifest = plain.to_manifest()
    if interfaces == 2:
        inside = {"name": "eth1", "up": True, "addresses": [f"10.8.0.{name[1:]}/24"]}
        manifest["status"]["interfaces"].append(inside)
    return FloatingIPNode.from_manifest(manifest)


def _priorities(plan: Plan, name: str) -> dict[str, int]:
    return {node: priority for node, found in written(plan).items() for own, priority, _ in found if own == name}


def _accepted(world: Snapshot, name: str) -> tuple[str, str]:
    statuses = {entry.metadata.name: status for entry, status in decide(world).statuses}
    condition = next(c for c in statuses[name].conditions if c.type == "Accepted")
    return condition.reason, condition.message


def test_new_members_get_the_same_candidates_in_the_same_order() -> None:
    world = snapshot([_outer(candidates=3), _inner(candidates=3)], [_node(f"n{number}") for number in range(1, 7)])
    plan = decide(world)
    assert _priorities(plan, "outer") == _priorities(plan, "inner")
    assert sorted(_priorities(plan, "outer").values()) == [160, 180, 200]
    assert {r.sync_group for _, spec in plan.specs for r in spec.virtual_routers} == {"edge"}


def test_alone_they_would_not() -> None:
    """What the test above rests on: the usual order differs from one floating IP to the next."""
    alone = [_outer(candidates=3, syncGroup=None), _inner(candidates=3, syncGroup=None)]
    plan = decide(snapshot(alone, [_node(f"n{number}") for number in range(1, 7)]))
    assert _priorities(plan, "outer") != _priorities(plan, "inner")


def test_only_nodes_that_can_hold_all_of_them_are_chosen() -> None:
    nodes = [_node("n1"), _node("n2", interfaces=1), _node("n3")]
    plan = decide(snapshot([_outer(), _inner()], nodes))
    assert set(_priorities(plan, "outer")) == set(_priorities(plan, "inner")) == {"n1", "n3"}


def test_one_that_joins_takes_the_places_and_priorities_that_the_group_has() -> None:
    """Whatever it had before: with other priorities the two would pull at the group from both sides."""
    served = [_node("n1", router("outer", priority=180)), _node("n2", router("outer", priority=200))]
    plan = decide(snapshot([_outer(candidates=2), _inner(candidates=2)], [*served, _node("n3")]))
    assert _priorities(plan, "inner") == {"n1": 180, "n2": 200}


def test_one_that_was_served_alone_follows_step_by_step() -> None:
    """Its nodes swap priorities, which takes a detour: none is owned twice."""
    own = {"virtualRouterID": 52, "addresses": INNER}
    first = _node("n1", router("outer", priority=200), router("inner", priority=180, **own))
    second = _node("n2", router("outer", priority=180), router("inner", priority=200, **own))
    found = _priorities(decide(snapshot([_outer(candidates=2), _inner(candidates=2)], [first, second])), "inner")
    assert len(set(found.values())) == 2
    assert found != {"n1": 180, "n2": 200}


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("spec.candidates", {"candidates": 3}),
        ("spec.preemption", {"preemption": {"policy": "Never"}}),
        ("spec.nodes", {"nodes": [{"name": "n1"}]}),
        ("spec.nodes", {"nodes": [{"name": "n1", "priority": 200}, {"name": "n2", "priority": 101}]}),
    ],
)
def test_a_newcomer_that_does_not_agree_is_refused_and_disturbs_nobody(field: str, spec: dict[str, Any]) -> None:
    served = [_node("n1", router("outer")), _node("n2", router("outer", priority=100))]
    world = snapshot([_outer(nodes=NODES), _inner(**{"nodes": NODES, **spec})], served)
    reason, message = _accepted(world, "inner")
    assert (reason, field in message, "outer" in message) == ("SyncGroupMismatch", True, True)
    assert _accepted(world, "outer")[0] == "Accepted"
    assert _priorities(decide(world), "inner") == {}


def test_interfaces_and_source_addresses_are_each_members_own() -> None:
    outer = [{"name": "n1", "priority": 200, "interface": "eth0"}, {"name": "n2", "priority": 100}]
    inner = [{"name": "n1", "priority": 200}, {"name": "n2", "priority": 100, "sourceAddresses": ["10.8.0.2"]}]
    world = snapshot([_outer(nodes=outer), _inner(nodes=inner)], [_node("n1"), _node("n2")])
    assert _accepted(world, "inner")[0] == "Accepted"


def test_while_two_that_are_served_do_not_agree_nothing_of_theirs_is_moved() -> None:
    """An edit of both takes two applies. In between one alone on a node would wait for the other for ever."""
    own = {"virtualRouterID": 52, "addresses": INNER}
    first = _node("n1", router("outer"), router("inner", **own))
    second = _node("n2", router("outer", priority=100), router("inner", priority=100, **own))
    moved = [{"name": "n3", "priority": 200}, {"name": "n2", "priority": 100}]
    world = snapshot([_outer(nodes=moved), _inner(nodes=NODES)], [first, second, _node("n3")])
    assert written(decide(world)) == {}
    assert [_accepted(world, name)[0] for name in ("outer", "inner")] == ["SyncGroupMismatch"] * 2
    both = snapshot([_outer(nodes=moved), _inner(nodes=moved)], [first, second, _node("n3")])
    plan = written(decide(both))
    assert {node for node, found in plan.items() if any(release for _, _, release in found)} == {"n1"}


def test_a_newcomer_that_a_candidate_has_no_interface_for_is_refused() -> None:
    """Joining would take the whole group off that node, the Active perhaps."""
    served = [_node("n1", router("outer")), _node("n2", router("outer", priority=100), interfaces=1)]
    reason, message = _accepted(snapshot([_outer(nodes=NODES), _inner(nodes=NODES)], served), "inner")
    assert (reason, "n2" in message, "10.8.0.100" in message) == ("SyncGroupMismatch", True, True)


@pytest.mark.parametrize("gone", [{"suspend": True}, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}])
def test_one_that_goes_leaves_the_others_where_they_are(gone: dict[str, Any]) -> None:
    """The order of nodes is made from the group's name, not from a member that may be deleted."""
    own = {"virtualRouterID": 52, "addresses": INNER}
    documents = [
        _node(
            "n1",
            router("outer", priority=180, syncGroup="edge"),
            router("inner", priority=180, syncGroup="edge", **own),
        ),
        _node("n2", router("outer", syncGroup="edge"), router("inner", syncGroup="edge", **own)),
    ]
    plan = decide(snapshot([_outer(**gone), _inner()], documents))
    kept = [r for _, spec in plan.specs for r in spec.virtual_routers if r.name == "inner"]
    assert sorted(r.priority for r in kept if r.release is None) == [180, 200]
    assert all(r.release for _, spec in plan.specs for r in spec.virtual_routers if r.name == "outer")


def test_the_candidate_where_a_member_is_active_is_not_replaced() -> None:
    own = {"virtualRouterID": 52, "addresses": INNER}
    documents = [
        _node("n1", router("outer"), router("inner", **own), said=[said("Backup", "outer"), said("Active", "inner")]),
        _node("n2", router("outer", priority=180), router("inner", priority=180, **own)),
        _node("n3"),
    ]
    ages = {"n1": 700.0, "n2": 1.0, "n3": 1.0}
    world = snapshot([_outer(candidates=2), _inner(candidates=2)], documents, lease_ages=ages)
    assert "n3" not in written(decide(world))
