"""A decision for some floating IPs alone: they are seen among all others, and of these nothing changes."""

from __future__ import annotations

from typing import Any

from floatip_api import names
from floatip_api.v1alpha1 import FloatingIP
from floatip_operator.decide.plan import Plan, decide
from in_memory.cluster import document, floating_ip, router, snapshot, written

NODES = [{"name": "n1"}, {"name": "n2"}]


def _wanted(name: str, age: int, address: str, **spec: Any) -> FloatingIP:
    return floating_ip(name, age, addresses=[f"10.0.0.{address}/24"], nodes=NODES, **spec)


def _condition(plan: Plan, name: str, kind: str) -> tuple[str, str]:
    status = next(status for entry, status in plan.statuses if entry.metadata.name == name)
    condition = next(condition for condition in status.conditions if condition.type == kind)
    return condition.status, condition.reason


def test_of_two_new_ones_only_the_named_is_taken_up() -> None:
    world = snapshot([_wanted("a", 2, "100"), _wanted("b", 1, "101")], [document("n1"), document("n2")])
    plan = decide(world, {"b"})
    assert {name for entries in written(plan).values() for name, _, _ in entries} == {"b"}
    assert [entry.metadata.name for entry, _ in plan.statuses] == ["b"]


def test_what_stands_beside_it_stays_as_it_is() -> None:
    """An entry whose FloatingIP wants something else by now, and one without a FloatingIP whose release is confirmed."""
    entries = [router("a", virtualRouterID=30, priority=7, addresses=["10.0.0.100/24"])]
    entries += [router("gone", virtualRouterID=31, addresses=["10.0.0.109/24"], release={"requestID": "1"})]
    said = [{"name": "gone", "family": "IPv4", "state": "Initialize", "releasedRequestID": "1"}]
    world = snapshot([_wanted("a", 2, "100"), _wanted("b", 1, "101")], [document("n1", entries, said), document("n2")])
    kept = {(name, priority, release) for name, priority, release in written(decide(world, {"b"}))["n1"]}
    assert kept >= {("a", 7, None), ("gone", 200, "1")}
    assert {name for name, _, _ in written(decide(world))["n1"]} == {"a", "b"}


def test_router_ids_of_those_that_are_not_looked_at_are_taken() -> None:
    first = decide(snapshot([_wanted("a", 2, "100")], [document("n1"), document("n2")])).specs[0][1].virtual_routers[0]
    entries = [router("a", virtualRouterID=first.virtual_router_id, addresses=["10.0.0.100/24"])]
    world = snapshot([_wanted("a", 2, "100"), _wanted("b", 1, "101")], [document("n1", entries), document("n2")])
    given = {
        r.virtual_router_id for _, spec in decide(world, {"b"}).specs for r in spec.virtual_routers if r.name == "b"
    }
    assert len(given) == 1
    assert first.virtual_router_id not in given


def test_an_address_of_one_that_is_not_looked_at_is_taken() -> None:
    world = snapshot([_wanted("a", 2, "100"), _wanted("b", 1, "100")], [document("n1"), document("n2")])
    plan = decide(world, {"b"})
    assert plan.specs == ()
    assert _condition(plan, "b", "Accepted") == ("False", "AddressInUse")


def test_members_of_its_sync_group_come_along() -> None:
    world = [_wanted("a", 3, "100", syncGroup="edge"), _wanted("b", 2, "101", syncGroup="edge"), _wanted("c", 1, "102")]
    plan = decide(snapshot(world, [document("n1"), document("n2")]), {"b"})
    assert {name for entries in written(plan).values() for name, _, _ in entries} == {"a", "b"}


def test_nothing_is_said_of_documents_and_secrets_of_others() -> None:
    password = {"type": "Password", "secretRef": {"name": "one", "key": "password"}}
    wanted = [_wanted("a", 2, "100", vrrp={"version": 2, "authentication": password}), _wanted("b", 1, "101")]
    whole = snapshot(wanted, [document("n1")], nodes=snapshot([], [document("n1"), document("n2")]).nodes)
    all_, some = decide(whole), decide(whole, {"b"})
    assert (all_.create_documents, all_.secrets, all_.is_whole) == (("n2",), frozenset({"one"}), True)
    assert (some.create_documents, some.secrets, some.is_whole) == ((), frozenset(), False)
    assert decide(whole, {"a"}).secrets == {"one"}


def test_a_deleted_one_goes_alone() -> None:
    deleted = floating_ip(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    other = floating_ip("other", 1, addresses=["10.0.0.101/24"], metadata={"finalizers": []})
    plan = decide(snapshot([deleted, other], [document("n1")]), {"web"})
    assert [entry.metadata.name for entry in plan.remove_finalizer] == ["web"]
    assert plan.add_finalizer == ()
    assert names.FINALIZER in deleted.metadata.finalizers
