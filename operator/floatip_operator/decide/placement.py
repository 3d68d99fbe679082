"""Which nodes take part in a floating IP: stable, few, and replaced one at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set

from floatip_api import selection
from floatip_api.v1alpha1 import FloatingIP, NodeEntry

from floatip_operator.decide.links import addresses_of, interface_for
from floatip_operator.decide.snapshot import Snapshot


def rendezvous(seed: str, nodes: Iterable[str]) -> list[str]:
    """Nodes in an order that differs from one floating IP to the next, and in which one node more moves no other."""
    return sorted(nodes, key=lambda node: hashlib.sha256(f"{seed}/{node}".encode()).digest(), reverse=True)


def entries(floating_ip: FloatingIP, snapshot: Snapshot) -> dict[str, NodeEntry]:
    """The first entry that matches each node; without `nodes` in the spec every node with an agent. A node that is excluded
    from external load balancers matches none: labelling it hands its addresses over."""
    if floating_ip.spec.nodes is None:
        return {node.name: NodeEntry(name=node.name) for node in snapshot.usable_nodes}
    found = {
        node.name: selection.first_match(floating_ip.spec.nodes, node.name, node.labels)
        for node in snapshot.usable_nodes
    }
    return {name: entry for name, entry in found.items() if entry is not None}


def can_hold(floating_ip: FloatingIP, node: str, entry: NodeEntry, snapshot: Snapshot) -> bool:
    """The agent lives and has room for one more, and a reported interface can hold the first address."""
    named = entry.interface or floating_ip.spec.interface
    document = snapshot.document_of[node]
    has_place = interface_for(document, addresses_of(floating_ip)[0], named) is not None
    return has_place and snapshot.is_fresh(node) and snapshot.has_room(node)


def candidates(
    floating_ip: FloatingIP,
    order: Sequence[str],
    present: Set[str],
    active: Set[str],
    can_join: Callable[[str], bool],
    snapshot: Snapshot,
) -> set[str]:
    """Who takes part next. `order` are the nodes that match, the best first, `present` the candidates so far, `active` those that
    report Active.

    Nodes given by name always do. The others stay while they match, whoever comes, until there is a reason to replace one: it stayed
    away, or it shares a zone while a node of another zone is there. That is done to one at a time, and never to the Active.
    """
    named = {entry.name for entry in floating_ip.spec.nodes or []}
    by_name = {node for node in order if node in named}
    staying = [node for node in order if node in present and node not in by_name]
    able = [node for node in order if node not in present | by_name and can_join(node)]
    room = max(0, floating_ip.spec.candidates - len(by_name))
    kept = [node for node in staying if node in active] + [node for node in staying if node not in active]
    chosen = kept[:room]
    zones = Counter(snapshot.zone_of(node) for node in (*by_name, *chosen))
    if len(chosen) == room and all(snapshot.is_confirmed(node) for node in chosen if snapshot.is_fresh(node)):
        leaving = _to_replace([node for node in chosen if node not in active], able, zones, snapshot)
        if leaving is not None:
            chosen.remove(leaving)
            zones[snapshot.zone_of(leaving)] -= 1
    while len(chosen) < room and able:
        best = min(able, key=lambda node: zones[snapshot.zone_of(node)])  # of equals the first in the order
        able.remove(best)
        chosen.append(best)
        zones[snapshot.zone_of(best)] += 1
    return by_name | set(chosen)


def _to_replace(replaceable: list[str], able: list[str], zones: Counter[str], snapshot: Snapshot) -> str | None:
    """The one that goes first, if there is somebody to come: one that stayed away, else the last of those that share a zone needlessly."""
    if not able:
        return None
    if away := [node for node in replaceable if snapshot.is_away(node)]:
        return away[0]
    if all(zones[snapshot.zone_of(node)] for node in able):
        return None
    return next((node for node in reversed(replaceable) if zones[snapshot.zone_of(node)] > 1), None)
