"""Plans carried out in any order, by agents that obey late: nothing is ever owned twice, and in the end all is as asked.

design.md: "a node leaves ... and its priority and VRID become free, only when its own observedGeneration confirms that it has let go".
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from floatip_api import names
from floatip_api.v1alpha1 import FloatingIP, VirtualRouter
from floatip_operator.decide.plan import decide
from floatip_operator.decide.snapshot import Snapshot
from in_memory.agents import Agents, written
from in_memory.cluster import document, floating_ip, snapshot

NODES = ["n1", "n2", "n3", "n4"]
# Others than the documents' interfaces let expect: what the agents report counts.
SOURCES = {name: f"10.0.0.{number}" for number, name in enumerate(NODES, 1)}


def _step(world: Snapshot, agents: Agents, chance: random.Random, *, by_few: bool) -> Snapshot:
    """Some writes of the plan happen (a crash loses the others), some agents obey. `by_few`: most decisions are for some of the FloatingIPs
    alone."""
    plan = decide(world, chance.choice([{"a"}, {"b"}, {"a", "b"}, None]) if by_few else None)
    documents = {entry.metadata.name: entry for entry in world.documents}
    for entry, spec in plan.specs:
        if chance.random() < 0.7:
            documents[entry.metadata.name] = written(entry, spec)
    for name, entry in documents.items():
        if chance.random() < 0.5:
            documents[name] = agents.obey(entry)
    statuses = {entry.metadata.uid: status for entry, status in plan.statuses}
    floating_ips = tuple(
        entry.model_copy(update={"status": statuses.get(entry.metadata.uid, entry.status)})
        for entry in world.floating_ips
    )
    return dataclasses.replace(world, documents=tuple(documents.values()), floating_ips=floating_ips)


def _assert_owned_once(world: Snapshot) -> None:
    """No two nodes have one priority for one floating IP, by their documents or by their agents' last words."""
    owners: dict[tuple[str, int], set[str]] = {}
    for entry in world.documents:
        assert entry.status is not None
        confirmed = {(r.name, r.released_request_id) for r in entry.status.virtual_routers}
        for router in entry.spec.virtual_routers:
            if router.release is None or (router.name, router.release.request_id) not in confirmed:
                owners.setdefault((router.name, router.priority), set()).add(entry.metadata.name)
        for said in entry.status.virtual_routers:
            if said.released_request_id is None and said.priority is not None:
                owners.setdefault((said.name, said.priority), set()).add(entry.metadata.name)
    assert all(len(nodes) == 1 for nodes in owners.values()), owners


def _assert_one_holder(agents: Agents) -> None:
    """design.md: "VRRP settles who holds an address only among routers that hear each other and agree on the wire"."""
    for name in ("a", "b"):
        assert len(agents.active(name)) <= 1, f"{agents.active(name)} all hold {name}"


def _assert_all_who_speak_listen(running: Mapping[str, Sequence[VirtualRouter]]) -> None:
    """A speaker that another does not list is not heard by it, and is taken for dead."""
    speakers: dict[str, dict[str, list[str]]] = {}
    for node, routers in running.items():
        for router in routers:
            if router.release is None and router.peers:
                speakers.setdefault(router.name, {})[node] = router.peers
    for lists in speakers.values():
        for node, peers in lists.items():
            assert {SOURCES[other] for other in lists if other != node} <= set(peers), lists


def _any_spec(name: str, age: int, chance: random.Random) -> FloatingIP:
    group = {"syncGroup": "edge"} if chance.random() < 0.4 else {}
    chosen = chance.sample(NODES, chance.randint(1, len(NODES)))
    if group:  # members must agree: a few choices, so that they often do
        chosen, chance = chance.choice([NODES[:2], NODES[:3]]), random.Random(chance.randint(0, 2))
    entries = [{"name": node, **chance.choice([{}, {"priority": chance.choice([200, 150, 100])}])} for node in chosen]
    spec: dict[str, Any] = {"nodes": entries} if chance.random() < 0.8 else {"candidates": chance.randint(1, 4)}
    vrrp = {"version": chance.choice([2, 3]), "transport": chance.choice(["Multicast", "Unicast"])}
    spec |= {"vrrp": vrrp, "suspend": chance.random() < 0.1}
    if chance.random() < 0.3:
        spec["metadata"] = {"annotations": {names.PREFER_NODE: chance.choice(NODES)}}
    return floating_ip(name, age, addresses=[f"10.0.0.{100 + age}/24"], **spec, **group)


def _is_refused(wanted: FloatingIP) -> bool:
    assert wanted.status is not None
    return any((c.type, c.status) == ("Accepted", "False") for c in wanted.status.conditions)


def _assert_moves_together(world: Snapshot) -> None:
    """api.md: "floating IPs with one value [...] get the same candidates in the same order"."""
    placed: dict[str, dict[str, int]] = {}
    for wanted in world.floating_ips:
        if wanted.spec.sync_group and not wanted.spec.suspend and not _is_refused(wanted):
            routers = {e.metadata.name: e.spec.virtual_routers for e in world.documents}
            name = wanted.metadata.name
            placed[name] = {n: r.priority for n, rs in routers.items() for r in rs if r.name == name}
    assert all(one == other for one in placed.values() for other in placed.values()), placed


@pytest.mark.parametrize(("seed", "by_few"), [(seed, seed >= 40) for seed in range(60)])
def test_any_change_of_mind_ends_as_asked_and_owns_nothing_twice(seed: int, by_few: bool) -> None:
    chance = random.Random(seed)
    world = snapshot([_any_spec("a", 2, chance), _any_spec("b", 1, chance)], [document(name) for name in NODES])
    agents = Agents(SOURCES)
    for round_ in range(160):
        if round_ < 60 and chance.random() < 0.15:
            place = chance.randint(0, 1)
            old = world.floating_ips[place]
            new = _any_spec(old.metadata.name, 2 - place, chance).model_copy(update={"status": old.status})
            floating_ips = list(world.floating_ips)
            floating_ips[place] = new
            world = dataclasses.replace(world, floating_ips=tuple(floating_ips))
        world = _step(world, agents, chance, by_few=by_few)
        _assert_owned_once(world)
        _assert_one_holder(agents)
        _assert_all_who_speak_listen(agents.running)
    settled = dataclasses.replace(world, documents=tuple(map(agents.obey, world.documents)))
    assert decide(settled).specs == (), "still changing after 100 quiet rounds"
    _assert_moves_together(settled)
    for wanted in settled.floating_ips:
        if _is_refused(wanted):
            continue  # what it had before stays
        entries = [
            r for entry in settled.documents for r in entry.spec.virtual_routers if r.name == wanted.metadata.name
        ]
        assert all(router.release is None for router in entries)
        assert bool(entries) is not wanted.spec.suspend
        assert {router.vrrp.version for router in entries} <= {wanted.spec.vrrp.version}
        if wanted.spec.vrrp.transport == "Unicast":
            assert {len(router.peers) for router in entries} <= {len(entries) - 1}
    ids = {r.name: r.virtual_router_id for entry in settled.documents for r in entry.spec.virtual_routers}
    assert len(set(ids.values())) == len(ids)
