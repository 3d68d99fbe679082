"""api.md: "at most `candidates` nodes, nodes given by name always do; the first entry that matches a node wins".
design.md: "chosen stably; one that stays away is replaced; at most one candidate is replaced at a time, never the reported Active"."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_operator.decide import placement
from floatip_operator.decide.plan import decide
from floatip_operator.decide.snapshot import EXCLUDED, ZONE, Node, Snapshot
from floatip_operator.decide.standing import Standing
from hypothesis import given
from hypothesis import strategies as st
from in_memory.cluster import document, floating_ip, snapshot

NODES = [f"n{number}" for number in range(8)]


def _chosen(world: Snapshot, present: set[str] | None = None, active: set[str] | None = None, **spec: Any) -> set[str]:
    wanted = floating_ip(**spec)
    standing = Standing(wanted, world)
    joinable = world.able & standing.places.keys()
    matching = standing.matching.keys()
    return set(placement.candidates(wanted, "uid-web", matching, present or set(), active or set(), joinable, world))


def _world(names: list[str], **fields: Any) -> Snapshot:
    return snapshot([], [document(name) for name in names], **fields)


def test_the_first_of_the_rendezvous_order_take_part() -> None:
    assert _chosen(_world(NODES), candidates=3) == set(placement.rendezvous("uid-web", NODES)[:3])


def test_named_nodes_always_do() -> None:
    entries: list[dict[str, Any]] = [{"name": name} for name in NODES[:4]]
    assert _chosen(_world(NODES), candidates=2, nodes=entries) == set(NODES[:4])


def test_the_first_entry_that_matches_wins() -> None:
    world = _world(NODES[:2], nodes=(Node("n0", {"role": "edge"}), Node("n1", {"role": "edge"})))
    entries = [{"name": "n1", "priority": 50}, {"selector": {"matchLabels": {"role": "edge"}}, "priority": 90}]
    found = placement.entries(floating_ip(nodes=entries), world)
    assert {name: entry.priority for name, entry in found.items()} == {"n0": 90, "n1": 50}


def test_a_node_whose_subnet_cannot_hold_the_address_takes_no_part() -> None:
    world = snapshot([], [document("n0"), document("far", address="10.9.0.1/24")])
    assert _chosen(world) == {"n0"}


def test_a_node_without_a_living_agent_is_not_chosen() -> None:
    assert _chosen(_world(NODES[:2], lease_ages={"n0": 1.0, "n1": 50.0})) == {"n0"}
    assert _chosen(snapshot([], [document("n0", has_agent=False)])) == set()


@pytest.mark.parametrize(("age", "stays"), [(599.0, True), (600.0, False)])
def test_one_that_stays_away_is_replaced_after_ten_minutes(age: float, *, stays: bool) -> None:
    ages = dict.fromkeys(NODES, 1.0) | {"n0": age}
    found = _chosen(_world(NODES, lease_ages=ages), {"n0", "n1"}, candidates=2)
    assert ("n0" in found, "n1" in found, len(found)) == (stays, True, 2)


def test_one_at_a_time() -> None:
    ages = dict.fromkeys(NODES, 1.0) | {"n0": 700.0, "n1": 700.0}
    found = _chosen(_world(NODES, lease_ages=ages), {"n0", "n1"}, candidates=2)
    assert len(found & {"n0", "n1"}) == 1


def test_never_the_reported_active() -> None:
    ages = dict.fromkeys(NODES, 1.0) | {"n0": 700.0}
    assert "n0" in _chosen(_world(NODES, lease_ages=ages), {"n0", "n1"}, {"n0"}, candidates=2)


def test_nobody_is_dropped_before_there_is_somebody_to_come() -> None:
    assert _chosen(_world(["n0"], lease_ages={"n0": 700.0}), {"n0"}, candidates=1) == {"n0"}


def test_fewer_candidates_keep_the_active() -> None:
    present = set(NODES[:4])
    for active in NODES[:4]:
        assert _chosen(_world(NODES), present, {active}, candidates=1) == {active}


def test_a_newcomer_is_confirmed_before_the_next_is_replaced() -> None:
    ages = dict.fromkeys(NODES, 1.0) | {"n0": 700.0}
    documents = [document(name, generation=2, observed=1 if name == "n1" else 2) for name in NODES]
    world = snapshot([], documents, lease_ages=ages)
    assert _chosen(world, {"n0", "n1"}, candidates=2) == {"n0", "n1"}


ZONES = ("a", "b", "c")


def _zoned(zone_of: dict[str, str], **fields: Any) -> Snapshot:
    nodes = tuple(Node(name, {ZONE: zone}) for name, zone in sorted(zone_of.items()))
    return _world(sorted(zone_of), nodes=nodes, **fields)


zoned_nodes = st.dictionaries(st.sampled_from(NODES), st.sampled_from(ZONES), min_size=1)


@given(zoned_nodes, st.integers(1, 5))
def test_two_share_a_zone_only_when_there_are_fewer_zones_than_candidates(zone_of: dict[str, str], count: int) -> None:
    chosen = _chosen(_zoned(zone_of), candidates=count)
    zones = {zone_of[node] for node in chosen}
    assert len(zones) == min(len(set(zone_of.values())), count)


@given(zoned_nodes, st.sampled_from(NODES), st.sampled_from(ZONES), st.integers(1, 5))
def test_with_zones_too_one_node_more_changes_at_most_one_candidate(
    zone_of: dict[str, str], more: str, zone: str, count: int
) -> None:
    before = _chosen(_zoned(zone_of), candidates=count)
    after = _chosen(_zoned({more: zone} | zone_of), candidates=count)
    assert max(len(before - after), len(after - before)) <= 1


@given(zoned_nodes, st.sets(st.sampled_from(NODES)), st.sampled_from(NODES), st.integers(1, 5))
def test_a_new_zone_takes_one_place_after_the_other_and_never_the_actives(
    zone_of: dict[str, str], present: set[str], active: str, count: int
) -> None:
    """From any candidates on, one step after the other, to spread ones that stay."""
    world = _zoned(zone_of)
    present = set(sorted(present & zone_of.keys())[:count])
    for _ in range(2 * len(NODES)):
        following = _chosen(world, present, {active} & present, candidates=count)
        assert len(present - following) <= 1
        assert following >= {active} & present
        present = following
    assert _chosen(world, present, {active} & present, candidates=count) == present
    assert len({zone_of[node] for node in present}) == min(len(set(zone_of.values())), count)


@given(st.sets(st.sampled_from(NODES)), st.sampled_from(NODES), st.integers(1, 5))
def test_those_that_stay_away_are_replaced_one_after_the_other_and_never_the_active(
    away: set[str], active: str, count: int
) -> None:
    ages = dict.fromkeys(NODES, 1.0) | dict.fromkeys(away, 700.0)
    world = _world(NODES, lease_ages=ages)
    present = set(NODES[:count])
    for _ in range(2 * len(NODES)):
        following = _chosen(world, present, {active} & present, candidates=count)
        assert len(present - following) <= 1
        assert following >= {active} & present
        present = following
    alive = set(NODES) - away
    assert len(present & alive) >= min(count - len({active} & present & away), len(alive))


def test_a_node_that_is_excluded_from_external_load_balancers_is_no_candidate() -> None:
    """Also one given by name: the label is how a node is taken out of service, whatever its value is."""
    nodes = (Node("n0", {EXCLUDED: ""}), Node("n1", {EXCLUDED: "false"}), Node("n2"))
    world = _world(["n0", "n1", "n2"], nodes=nodes)
    assert _chosen(world, {"n0"}, {"n0"}) == {"n2"}
    assert _chosen(world, nodes=[{"name": "n0"}, {"name": "n2"}]) == {"n2"}


def test_unless_that_is_to_count_for_nothing() -> None:
    nodes = (Node("n0", {EXCLUDED: ""}), Node("n1", {EXCLUDED: ""}))
    world = _world(["n0", "n1"], nodes=nodes, ignores_exclusion=True)
    assert _chosen(world) == {"n0", "n1"}


def test_where_it_leaves_nobody_the_nodes_are_named() -> None:
    """A cluster of control planes, as kubeadm labels them."""
    names = [f"cp-{number}" for number in range(1, 6)]
    nodes = tuple(Node(name, {EXCLUDED: ""}) for name in names)
    plan = decide(snapshot([floating_ip()], [document(name) for name in names], nodes=nodes))
    ((_, status),) = plan.statuses
    (condition,) = [entry for entry in status.conditions if entry.type == "Allocated"]
    assert (condition.status, condition.reason) == ("False", "NoMatchingNodes")
    assert condition.message.endswith(f"; the label {EXCLUDED} keeps out cp-1, cp-2, cp-3 and 2 more")


@given(st.sets(st.sampled_from(NODES), min_size=1), st.sampled_from(NODES), st.integers(1, 5))
def test_one_node_more_changes_at_most_one_candidate(names: set[str], more: str, candidates: int) -> None:
    before = _chosen(_world(sorted(names)), candidates=candidates)
    after = _chosen(_world(sorted(names | {more})), candidates=candidates)
    assert len(before - after) <= 1
    assert len(after - before) <= 1


@given(st.sets(st.sampled_from(NODES), min_size=1), st.sampled_from(NODES), st.integers(1, 5))
def test_one_node_more_changes_no_candidate_that_is_present(names: set[str], more: str, candidates: int) -> None:
    before = _chosen(_world(sorted(names)), candidates=candidates)
    assert before <= _chosen(_world(sorted(names | {more})), before, candidates=candidates)
