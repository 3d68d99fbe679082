"""Which nodes take part in a floating IP: stable, few, and replaced one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from floatip_api import selection
from floatip_api.v1alpha1 import FloatingIP, NodeEntry

from floatip_operator.decide.links import addresses_of, interface_for
from floatip_operator.decide.snapshot import Snapshot


def rendezvous(uid: str, nodes: Iterable[str]) -> list[str]:
    """Nodes in an order that differs from one floating IP to the next, and in which one node more moves no other."""
    return sorted(nodes, key=lambda node: hashlib.sha256(f"{uid}/{node}".encode()).digest(), reverse=True)


def entries(floating_ip: FloatingIP, snapshot: Snapshot) -> dict[str, NodeEntry]:
    """The first entry that matches each node; without `nodes` in the spec every node with an agent."""
    if floating_ip.spec.nodes is None:
        return {name: NodeEntry(name=name) for name in snapshot.node_of if snapshot.document_of.get(name)}
    found = {
        node.name: selection.first_match(floating_ip.spec.nodes, node.name, node.labels)
        for node in snapshot.nodes
        if node.name in snapshot.document_of
    }
    return {name: entry for name, entry in found.items() if entry is not None}


def can_hold(floating_ip: FloatingIP, node: str, entry: NodeEntry, snapshot: Snapshot) -> bool:
    """The agent lives, and a reported interface can hold the first address."""
    named = entry.interface or floating_ip.spec.interface
    document = snapshot.document_of[node]
    return snapshot.is_fresh(node) and interface_for(document, addresses_of(floating_ip)[0], named) is not None


def candidates(
    floating_ip: FloatingIP, matching: Mapping[str, NodeEntry], present: set[str], active: set[str], snapshot: Snapshot
) -> set[str]:
    """Who takes part next. `present` are the candidates so far, `active` those reported Active.

    Nodes given by name always do. The others stay while they match; one that stayed away is replaced, one at a time, and
    never the Active.
    """
    by_name = set() if floating_ip.spec.nodes is None else {n for n, entry in matching.items() if entry.name == n}
    order = rendezvous(floating_ip.metadata.uid, matching)
    staying = [node for node in order if node in present and node not in by_name]
    able = [
        node
        for node in order
        if node not in present | by_name and can_hold(floating_ip, node, matching[node], snapshot)
    ]
    room = max(0, floating_ip.spec.candidates - len(by_name))
    kept = [node for node in staying if node in active] + [node for node in staying if node not in active]
    chosen = kept[:room]
    gone = next((node for node in chosen if snapshot.is_away(node) and node not in active), None)
    if gone is not None and len(chosen) == room and able:
        chosen.remove(gone)
    return by_name | set(chosen) | set(able[: room - len(chosen)])
