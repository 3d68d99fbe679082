"""Issue 4: "at most 2 writes per changed object", and none to the others: 48 nodes in four subnets, 24 FloatingIPs, agents that
obey at once."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from floatip_api.v1alpha1 import FloatingIP
from floatip_operator.decide.plan import decide
from floatip_operator.decide.snapshot import EXCLUDED, Node, Snapshot
from in_memory.agents import Agents, written
from in_memory.cluster import document, floating_ip, snapshot

SOURCES = {f"n{number:02}": f"10.{number % 4}.0.{number + 1}" for number in range(48)}


def _settle(world: Snapshot, agents: Agents) -> tuple[Snapshot, Counter[str], Counter[str]]:
    """Until a decision writes nothing: the writes to each document's spec and to each FloatingIP's status."""
    specs: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for _ in range(20):
        plan = decide(world)
        if not plan.specs and not plan.statuses:
            return world, specs, statuses
        specs.update(entry.metadata.name for entry, _ in plan.specs)
        statuses.update(entry.metadata.name for entry, _ in plan.statuses)
        documents = {entry.metadata.name: entry for entry in world.documents}
        documents |= {entry.metadata.name: written(entry, spec) for entry, spec in plan.specs}
        obeyed = {name: agents.obey(entry) for name, entry in documents.items()}
        said = {
            name: agents.say(entry) for name, entry in obeyed.items()
        }  # who is Active is settled when all have obeyed
        new = {entry.metadata.name: status for entry, status in plan.statuses}
        told = tuple(f.model_copy(update={"status": new.get(f.metadata.name, f.status)}) for f in world.floating_ips)
        world = dataclasses.replace(world, documents=tuple(said.values()), floating_ips=told)
    raise AssertionError("the decisions do not settle")


@pytest.fixture(scope="module")
def settled() -> tuple[Snapshot, Agents]:
    agents = Agents(SOURCES)
    wanted = [floating_ip(f"f{n:02}", age=n + 1, addresses=[f"10.{n % 4}.9.{n + 1}/16"]) for n in range(24)]
    documents = [document(name, address=f"{address}/16") for name, address in SOURCES.items()]
    world, specs, statuses = _settle(snapshot(wanted, documents), agents)
    assert max(specs.values()) <= 2
    assert max(statuses.values()) <= 3, "made, taken up, held"
    return world, agents


def _edited(entry: FloatingIP) -> FloatingIP:
    vrrp = entry.spec.vrrp.model_copy(
        update={"announcement": entry.spec.vrrp.announcement.model_copy(update={"count": 9})}
    )
    metadata = entry.metadata.model_copy(update={"generation": 2})
    return entry.model_copy(update={"spec": entry.spec.model_copy(update={"vrrp": vrrp}), "metadata": metadata})


def test_a_document_says_which_cluster_wrote_it_once(settled: tuple[Snapshot, Agents]) -> None:
    """An older operator wrote n07: it is written anew as it is, with the cluster's UID."""
    world, _ = settled
    unmarked = world.document_of["n07"].metadata.model_copy(update={"annotations": {"else": "stays"}})
    documents = [
        d.model_copy(update={"metadata": unmarked}) if d.metadata.name == "n07" else d for d in world.documents
    ]
    plan = decide(dataclasses.replace(world, documents=tuple(documents)))
    ((document, spec),) = plan.specs
    assert (document.metadata.name, spec) == ("n07", world.document_of["n07"].spec)


def test_an_edit_writes_to_its_candidates_alone(settled: tuple[Snapshot, Agents]) -> None:
    world, agents = settled
    candidates = set(world.entries_of["f07"])
    assert len(candidates) == 5
    changed = tuple(_edited(entry) if entry.metadata.name == "f07" else entry for entry in world.floating_ips)
    world, specs, statuses = _settle(dataclasses.replace(world, floating_ips=changed), agents)
    assert specs == dict.fromkeys(candidates, 1)
    assert statuses == {"f07": 1}
    assert all(routers[0].vrrp.announcement.count == 9 for routers in world.entries_of["f07"].values())


def test_an_excluded_node_changes_itself_and_who_takes_its_place(settled: tuple[Snapshot, Agents]) -> None:
    world, agents = settled
    node = max((entry for entry in world.documents), key=lambda entry: len(entry.spec.virtual_routers)).metadata.name
    moved = {name for name, entries in world.entries_of.items() if node in entries}
    before = {entry.metadata.name: entry for entry in world.documents}
    labelled = tuple(Node(n.name, {EXCLUDED: ""}) if n.name == node else n for n in world.nodes)
    world, specs, statuses = _settle(dataclasses.replace(world, nodes=labelled), agents)
    assert specs[node] == 2, "asked to let go, taken off"
    assert max(specs.values()) <= 2
    assert statuses.keys() == moved
    untouched = before.keys() - specs.keys()
    assert all(
        entry is before[entry.metadata.name] or entry.spec == before[entry.metadata.name].spec
        for entry in world.documents
        if entry.metadata.name in untouched
    )
    assert all(node not in world.entries_of[name] and len(world.entries_of[name]) == 5 for name in moved)


def test_a_decision_that_has_nothing_to_do_writes_nothing_whatever_the_time(settled: tuple[Snapshot, Agents]) -> None:
    world, _ = settled
    plan = decide(dataclasses.replace(world, now="2027-01-01T00:00:00Z"))
    assert not plan.specs
    assert not plan.statuses
    assert not plan.events
