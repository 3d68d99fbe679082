"""Which nodes take part in a floating IP: stable, few, and replaced one at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Set

from floatip_api.v1alpha1 import FloatingIP, NodeEntry

from floatip_operator.decide.snapshot import Snapshot


def rendezvous(seed: str, nodes: Iterable[str]) -> list[str]:
    """Nodes in an order that differs from one floating IP to the next, and in which one node more moves no other."""
    return sorted(nodes, key=lambda node: hashlib.sha256(f"{seed}/{node}".encode()).digest(), reverse=True)


def entries(floating_ip: FloatingIP, snapshot: Snapshot) -> dict[str, NodeEntry]:
    """The first entry that matches each node; without `nodes` in the spec every node with an agent. A node that is excluded
    from external load balancers matches none: labelling it hands its addresses over."""
    if floating_ip.spec.nodes is None:
        return snapshot.everyone
    found: dict[str, NodeEntry] = {}
    for entry in floating_ip.spec.nodes:
        if entry.name is not None:
            matching = [entry.name] if entry.name in snapshot.everyone else []
        else:
            matching = snapshot.selected(entry.selector) if entry.selector is not None else []
        for node in matching:
            found.setdefault(node, entry)
    return found


def candidates(
    floating_ip: FloatingIP,
    seed: str,
    matching: Set[str],
    present: Set[str],
    active: Set[str],
    joinable: Set[str],
    snapshot: Snapshot,
) -> list[str]:
    """Who takes part next, in rendezvous order. `present` are the candidates so far, `active` those that report Active, `joinable` those
    that could hold it.

    Nodes given by name always do. The others stay while they match, whoever comes, until there is a reason to replace one: it stayed
    away, or it shares a zone while a node of another zone is there. That is done to one at a time, and never to the Active.
    """
    named = {entry.name for entry in floating_ip.spec.nodes or []}
    by_name = {node for node in matching if node in named} if named else set()
    staying = rendezvous(seed, (present & matching) - by_name)
    coming = (joinable & matching) - present - by_name
    room = max(0, floating_ip.spec.candidates - len(by_name))
    kept = [node for node in staying if node in active] + [node for node in staying if node not in active]
    chosen = kept[:room]
    zones = Counter(snapshot.zone_of(node) for node in (*by_name, *chosen))
    if len(chosen) == room and all(snapshot.is_confirmed(node) for node in chosen if snapshot.is_fresh(node)):
        leaving = _to_replace([node for node in chosen if node not in active], coming, zones, snapshot)
        if leaving is not None:
            chosen.remove(leaving)
            zones[snapshot.zone_of(leaving)] -= 1
    able = rendezvous(seed, coming) if len(chosen) < room else []
    while len(chosen) < room and able:
        best = min(able, key=lambda node: zones[snapshot.zone_of(node)])  # of equals the first in the order
        able.remove(best)
        chosen.append(best)
        zones[snapshot.zone_of(best)] += 1
    return rendezvous(seed, by_name.union(chosen))


def _to_replace(replaceable: list[str], coming: Set[str], zones: Counter[str], snapshot: Snapshot) -> str | None:
    """The one that goes first, if there is somebody to come: one that stayed away, else the last of those that share a zone needlessly."""
    if not coming:
        return None
    if away := [node for node in replaceable if snapshot.is_away(node)]:
        return away[0]
    crowded = next((node for node in reversed(replaceable) if zones[snapshot.zone_of(node)] > 1), None)
    if crowded is None or all(zones[zone] for zone in set(map(snapshot.zones.__getitem__, coming))):
        return None
    return crowded
