"""What nodes already serve is neither taken away by a conflict nor taken up by somebody else beside it."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_operator.decide.plan import Plan, decide
from in_memory.cluster import document, floating_ip, router, said, snapshot, written


def _accepted(plan: Plan, name: str) -> tuple[str, str]:
    status = next(status for entry, status in plan.statuses if entry.metadata.name == name)
    condition = next(condition for condition in status.conditions if condition.type == "Accepted")
    return condition.status, condition.reason


def test_an_older_one_that_is_changed_waits_for_an_address_the_younger_serves() -> None:
    """api.md: "An address belongs to one floating IP". Both at once would be two holders."""
    older, younger = floating_ip("older", 2), floating_ip("younger", 1)
    plan = decide(snapshot([older, younger], [document("n1", [router("younger")]), document("n2")]))
    assert "older" not in {name for entries in written(plan).values() for name, _, _ in entries}
    assert _accepted(plan, "older") == ("False", "AddressInUse")


def test_an_entry_that_nobody_ordered_to_let_go_keeps_its_address() -> None:
    """A store restored from a backup has lost the FloatingIP; the nodes still serve it."""
    plan = decide(snapshot([floating_ip("new")], [document("n1", [router("lost")]), document("n2")]))
    assert written(plan) == {}
    assert _accepted(plan, "new") == ("False", "AddressInUse")


def test_nor_does_one_whose_entry_the_store_has_lost_too() -> None:
    """The agents go on with what they had, and say so: their word is all that is left of it."""
    holding = said("Active", "lost", addresses=["10.0.0.100/24"])
    plan = decide(snapshot([floating_ip("new")], [document("n1", [], [holding]), document("n2")]))
    assert written(plan) == {}
    assert _accepted(plan, "new") == ("False", "AddressInUse")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ({}, "VirtualRouterIDInUse"),
        ({"releasedRequestID": "r"}, "Accepted"),
        ({"interface": "eth7"}, "Accepted"),
        ({"virtualRouterID": 52}, "Accepted"),
    ],
    ids=["run", "let go", "elsewhere", "another"],
)
def test_nor_is_its_router_id_given_to_who_asks_for_it(word: dict[str, Any], reason: str) -> None:
    """design.md: "Routers in agents' status count as reserved". On one wire with one ID each would take the other's word for its own."""
    running = said("Active", "lost", virtualRouterID=51, addresses=["10.0.0.101/24"]) | word
    wants = floating_ip("new", virtualRouterID=51)
    plan = decide(snapshot([wants], [document("n1", [], [running]), document("n2")]))
    assert _accepted(plan, "new")[1] == reason
    assert bool(written(plan)) == (reason == "Accepted")


@pytest.mark.parametrize("asked", [{}, {"virtualRouterID": 60}], ids=["none asked for", "another asked for"])
def test_one_that_is_applied_again_takes_the_router_id_that_its_nodes_run(asked: dict[str, Any]) -> None:
    """docs/operations.md: "apply your manifests again: they take it all up as it is". Where allocation begins now may be another ID."""
    running = said("Active", virtualRouterID=77, addresses=["10.0.0.100/24"])
    plan = decide(snapshot([floating_ip(**asked)], [document("n1", [], [running])]))
    ((_, spec),) = plan.specs
    assert {router.virtual_router_id for router in spec.virtual_routers} == {asked.get("virtualRouterID", 77)}


def test_an_abandoned_node_keeps_nothing_from_a_successor() -> None:
    """Its FloatingIP went with the abandon annotation: the entry, asked to let go, is nobody's any more."""
    left = document("n1", [router("gone", release={"requestID": "r"})])
    plan = decide(snapshot([floating_ip("new")], [left, document("n2")], lease_ages={"n1": 900.0, "n2": 1.0}))
    assert written(plan) == {"n2": [("new", 200, None)]}
    assert _accepted(plan, "new")[0] == "True"


def test_a_refused_one_can_still_be_suspended() -> None:
    served = document("n1", [router()])
    plan = decide(snapshot([floating_ip(suspend=True)], [served], cluster_ranges=("10.0.0.0/24",)))
    assert written(plan) == {"n1": [("web", 200, "uid-web-1")]}
    assert _accepted(plan, "web") == ("False", "AddressInClusterRange")


def test_a_refused_one_that_serves_goes_on() -> None:
    plan = decide(snapshot([floating_ip()], [document("n1", [router()])], cluster_ranges=("10.0.0.0/24",)))
    assert written(plan) == {}
