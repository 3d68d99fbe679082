"""Letting go is explicit, and confirmed (api.md); the wire changes in phases (design.md)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from floatip_api import names
from floatip_api.v1alpha1 import FloatingIP
from floatip_operator.decide.plan import decide
from floatip_operator.decide.snapshot import Node
from in_memory.cluster import document, floating_ip, router, said, snapshot, written

REQUEST = "uid-web-1"
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def test_the_finalizer_comes_before_any_entry() -> None:
    plan = decide(snapshot([floating_ip(metadata={"finalizers": []})], [document("n1")]))
    assert [entry.metadata.name for entry in plan.add_finalizer] == ["web"]
    assert written(plan) == {}


def test_entries_are_written_to_candidates() -> None:
    plan = decide(snapshot([floating_ip(nodes=[{"name": "n1", "priority": 150}])], [document("n1"), document("n2")]))
    assert written(plan) == {"n1": [("web", 150, None)]}


def test_the_same_snapshot_gives_the_same_plan() -> None:
    world = snapshot([floating_ip(suspend=True)], [document("n1", [router()]), document("n2")])
    assert decide(world) == decide(world)


def test_nothing_is_written_twice() -> None:
    entry = router(virtualRouterID=51, priority=150)
    world = snapshot(
        [floating_ip(virtualRouterID=51, nodes=[{"name": "n1", "priority": 150}])], [document("n1", [entry])]
    )
    assert written(decide(world)) == {}


@pytest.mark.parametrize(
    "way_out",
    [{"suspend": True}, {"metadata": DELETED}, {"nodes": [{"name": "other"}]}],
    ids=["suspended", "deleted", "no candidate any more"],
)
def test_going_is_a_request_first(way_out: dict[str, Any]) -> None:
    plan = decide(snapshot([floating_ip(**way_out)], [document("n1", [router()])]))
    assert written(plan) == {"n1": [("web", 200, REQUEST)]}
    assert plan.remove_finalizer == ()


def test_and_off_the_list_once_confirmed() -> None:
    entry = router(release={"requestID": REQUEST})
    done = said("Initialize", releasedRequestID=REQUEST)
    plan = decide(snapshot([floating_ip(metadata=DELETED)], [document("n1", [entry], [done])]))
    assert written(plan) == {"n1": []}
    assert [gone.metadata.name for gone in plan.remove_finalizer] == ["web"]


@pytest.mark.parametrize("answer", [[], [said("Active")], [said("Initialize", releasedRequestID="uid-web-0")]])
def test_no_other_word_confirms(answer: list[dict[str, Any]]) -> None:
    """A missing entry, another state, or the confirmation of an older request."""
    entry = router(release={"requestID": REQUEST})
    plan = decide(snapshot([floating_ip(metadata=DELETED)], [document("n1", [entry], answer)]))
    assert (written(plan), plan.remove_finalizer) == ({}, ())


def test_a_second_release_has_a_request_of_its_own() -> None:
    plan = decide(snapshot([floating_ip(suspend=True)], [document("n1", [router()], generation=7)]))
    assert written(plan) == {"n1": [("web", 200, "uid-web-7")]}


def test_a_node_that_never_comes_back_holds_the_object_until_a_human_says_that_it_is_off() -> None:
    entry = router(release={"requestID": REQUEST})
    stuck = snapshot([floating_ip(metadata=DELETED)], [document("n1", [entry])], lease_ages={"n1": 900.0})
    assert decide(stuck).remove_finalizer == ()
    abandoned = floating_ip(metadata={**DELETED, "annotations": {names.ABANDON: "n1"}})
    plan = decide(dataclasses.replace(stuck, floating_ips=(abandoned,)))
    assert [gone.metadata.name for gone in plan.remove_finalizer] == ["web"]
    assert written(plan) == {}, "the request stays on its list: when the node does come back it lets go"


def test_an_abandoned_node_that_is_heard_again_is_not_abandoned() -> None:
    entry = router(release={"requestID": REQUEST})
    marked = floating_ip(metadata={**DELETED, "annotations": {names.ABANDON: "n1"}})
    plan = decide(snapshot([marked], [document("n1", [entry])]))
    assert plan.remove_finalizer == ()
    assert [(entry.metadata.name, value) for entry, value in plan.heard_again] == [("web", None)]


def test_a_lease_that_was_there_before_the_operator_is_no_sign_of_life() -> None:
    """A restarted operator gives every agent the benefit of the doubt; a human's word it takes back only for one that it heard."""
    entry = router(release={"requestID": REQUEST})
    marked = floating_ip(metadata={**DELETED, "annotations": {names.ABANDON: "n1"}})
    plan = decide(snapshot([marked], [document("n1", [entry])], heard=frozenset()))
    assert plan.heard_again == ()
    assert [gone.metadata.name for gone in plan.remove_finalizer] == ["web"]


def test_a_document_that_cannot_be_read_confirms_nothing_and_is_not_made_anew() -> None:
    going = floating_ip(metadata=DELETED)
    plan = decide(snapshot([going], [], nodes=(Node("n1"),), unreadable=frozenset({"n1"})))
    assert (plan.remove_finalizer, plan.create_documents) == ((), ())


def test_the_last_word_of_a_dead_node_does_not_make_it_the_active() -> None:
    """A change of the wire keeps the node that holds the address; of the dead one a human must say that it is off."""
    dead, active = (
        document("n1", [router()], [said("Active")]),
        document("n2", [router(priority=100)], [said("Active")]),
    )
    wanted = floating_ip(
        nodes=NAMED, virtualRouterID=51, vrrp=VERSION_2, metadata={"annotations": {names.ABANDON: "n1"}}
    )
    plan = decide(snapshot([wanted], [dead, active], lease_ages={"n1": 900.0, "n2": 1.0}))
    assert written(plan) == {"n1": [("web", 200, None)], "n2": [("web", 100, None)]}


def test_deleting_the_crd_is_no_order() -> None:
    """api.md: "A FloatingIP's deletion counts only while its CRD is not being deleted itself"."""
    world = snapshot([floating_ip(metadata=DELETED)], [document("n1", [router()])], is_definition_deleted=True)
    plan = decide(world)
    assert (written(plan), plan.remove_finalizer) == ({}, ())
    assert "CRD is being deleted" in plan.statuses[0][1].conditions[0].message


def test_an_entry_without_its_object_stays() -> None:
    """api.md: a store restored from a backup is never an order."""
    assert written(decide(snapshot([], [document("n1", [router("lost")])]))) == {}


@pytest.mark.parametrize("way_out", [{"suspend": True}, {"metadata": DELETED}], ids=["suspended", "deleted"])
def test_what_an_agent_runs_unlisted_is_told_off_before_it_is_taken_for_gone(way_out: dict[str, Any]) -> None:
    """A FloatingIPNode deleted by hand comes back empty, and its agent serves on: "never an order"."""
    running = said("Active", virtualRouterID=51)
    plan = decide(snapshot([floating_ip(**way_out)], [document("n1", said=[running])]))
    assert written(plan) == {"n1": [("web", 200, REQUEST)]}
    assert plan.remove_finalizer == ()


def test_the_priority_of_a_node_that_has_not_let_go_is_not_given_on() -> None:
    leaving = document("n1", [router(priority=150, release={"requestID": REQUEST})], [said("Active", priority=150)])
    world = snapshot([floating_ip(nodes=[{"name": "n2", "priority": 150}])], [leaving, document("n2")])
    assert written(decide(world)) == {}
    gone = document(
        "n1", [router(priority=150, release={"requestID": REQUEST})], [said("Initialize", releasedRequestID=REQUEST)]
    )
    world = snapshot([floating_ip(nodes=[{"name": "n2", "priority": 150}])], [gone, document("n2")])
    assert written(decide(world)) == {"n1": [], "n2": [("web", 150, None)]}


NAMED = [{"name": "n1", "priority": 200}, {"name": "n2", "priority": 100}]
VERSION_2 = {"version": 2}


def _phase(first: Any, second: Any) -> dict[str, list[tuple[str, int, str | None]]]:
    wanted = floating_ip(nodes=NAMED, virtualRouterID=51, vrrp=VERSION_2)
    return written(decide(snapshot([wanted], [first, second])))


def test_a_change_of_the_wire_begins_with_the_backups() -> None:
    """design.md: "Backups out and confirmed, the Active changed, Backups in"."""
    active = document("n1", [router()], [said("Active")])
    backup = document("n2", [router(priority=100)], [said("Backup", priority=100)])
    assert _phase(active, backup) == {"n2": [("web", 100, REQUEST)]}


def test_then_waits_for_their_word() -> None:
    active = document("n1", [router()], [said("Active")])
    leaving = document("n2", [router(priority=100, release={"requestID": REQUEST})], [said("Backup", priority=100)])
    assert _phase(active, leaving) == {}


def test_then_changes_the_active() -> None:
    active = document("n1", [router()], [said("Active")])
    assert _phase(active, document("n2")) == {"n1": [("web", 200, None)]}


def test_and_lets_the_backups_in_once_the_active_confirmed() -> None:
    changed = router(vrrp=VERSION_2)
    unconfirmed = document("n1", [changed], [said("Active")], generation=3, observed=2)
    assert _phase(unconfirmed, document("n2")) == {}
    confirmed = document("n1", [changed], [said("Active")], generation=3, observed=3)
    assert _phase(confirmed, document("n2")) == {"n2": [("web", 100, None)]}


def test_a_family_that_is_no_longer_asked_for_is_released() -> None:
    both = [router(), router(family="IPv6", addresses=["fd00::100/64"])]
    plan = decide(snapshot([floating_ip(nodes=[{"name": "n1", "priority": 200}])], [document("n1", both)]))
    (spec,) = [spec for _, spec in plan.specs]
    assert [(r.family, r.release is not None) for r in spec.virtual_routers] == [("IPv4", False), ("IPv6", True)]


def test_every_selected_node_gets_a_document() -> None:
    nodes = (Node("n1", {"os": "linux"}), Node("n2", {}))
    assert decide(snapshot([], [], nodes=nodes, node_selector={"os": "linux"})).create_documents == ("n1",)


def test_a_document_ends_with_its_node_once_nothing_is_held() -> None:
    empty, busy = document("n1"), document("n2", [router()])
    plan = decide(snapshot([], [empty, busy], nodes=()))
    assert [entry.metadata.name for entry in plan.delete_documents] == ["n1"]


FORGOTTEN: dict[str, Any] = {"metadata": {"annotations": {names.ABANDON: "n1"}}}


@pytest.mark.parametrize(
    ("wanted", "fields", "ends"),
    [
        ([floating_ip(**FORGOTTEN)], {}, True),
        ([], {}, True),
        ([floating_ip()], {}, False),
        ([floating_ip(**FORGOTTEN), floating_ip("other", addresses=["10.0.0.101/24"])], {}, False),
        ([floating_ip(**FORGOTTEN)], {"lease_ages": {"n1": 1.0}, "heard": frozenset({"n1"})}, False),
        ([floating_ip(**FORGOTTEN)], {"nodes": (Node("n1"),)}, False),
    ],
    ids=["forgotten", "and the FloatingIP is gone", "not forgotten", "not for all", "heard again", "the Node is there"],
)
def test_or_by_a_humans_word(wanted: list[FloatingIP], fields: dict[str, Any], ends: bool) -> None:
    """api.md: "It is deleted only when the Node is gone and its list is empty and confirmed, or by `floatip forget`"."""
    routers = [router(name, release={"requestID": "r"}) for name in {"web", *(f.metadata.name for f in wanted)}]
    dead = document("n1", routers, [said("Active")])
    plan = decide(snapshot(wanted, [dead], **{"nodes": (), "lease_ages": {}, "heard": frozenset(), **fields}))
    assert bool(plan.delete_documents) == ends


def test_the_secrets_that_agents_must_read() -> None:
    vrrp = {"version": 2, "authentication": {"type": "Password", "secretRef": {"name": "elk-vrrp", "key": "password"}}}
    assert decide(snapshot([floating_ip(vrrp=vrrp)], [document("n1")])).secrets == {"elk-vrrp"}


def _unlisted(state: str, priority: int, digest: str | None = None) -> dict[str, Any]:
    return said(state, virtualRouterID=51, priority=priority, digest=digest, addresses=["10.0.0.100/24"])


def test_what_all_run_unlisted_is_listed_again_with_the_priorities_that_it_has() -> None:
    """All documents were deleted. Nobody is asked to let go for a priority that a newcomer would get."""
    first, second = _unlisted("Backup", 180), _unlisted("Active", 200)
    both = [document("n1", [], [first]), document("n2", [], [second])]
    assert written(decide(snapshot([floating_ip(virtualRouterID=51)], both))) == {
        "n1": [("web", 180, None)],
        "n2": [("web", 200, None)],
    }
    not_yet = [document("n1", [], [first]), document("n2", has_agent=False)]
    assert written(decide(snapshot([floating_ip(virtualRouterID=51)], not_yet))) == {"n1": [("web", 180, None)]}


def test_an_active_that_runs_another_wire_unlisted_goes_on_until_the_others_have_let_go() -> None:
    """The store jumped back over a change of the wire and the entries: the Backups out first, as in any such change."""
    wanted = floating_ip(virtualRouterID=51)
    active = document("n2", [], [_unlisted("Active", 200, "newer")])
    backups_go = snapshot([wanted], [document("n1", [], [_unlisted("Backup", 180, "newer")]), active])
    assert written(decide(backups_go)) == {"n1": [("web", 180, "uid-web-1")]}
    leaving = router(priority=180, release={"requestID": "r"})
    asked = document("n1", [leaving], [_unlisted("Backup", 180, "newer")])
    assert written(decide(snapshot([wanted], [asked, active]))) == {}
    gone = document("n1", [leaving], [said("Initialize", releasedRequestID="r")])
    assert written(decide(snapshot([wanted], [gone, active]))) == {"n1": [], "n2": [("web", 200, None)]}
