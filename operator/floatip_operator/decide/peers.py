"""Unicast: with whom a node speaks. Nobody may speak before all who speak already listen to it.

A node whose peers do not list it hears nothing, takes the others for dead and becomes a second holder. So a new one stays silent (no
peers) until every speaker has confirmed a list with its source address, which it reports while silent; the first to speak is the living
one of highest priority. A node leaves the others' lists only when its entry is gone, which takes its own word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from floatip_operator.decide import links
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.decide.standing import Standing


def peers(standing: Standing, node: str, priorities: Mapping[str, int], snapshot: Snapshot) -> list[str]:
    """The addresses that this node speaks with next, of both families; empty: it stays silent. `priorities` are the candidates'."""
    spec = standing.floating_ip.spec
    if spec.vrrp.transport != "Unicast":
        return []
    others = [other for other in standing.entries if other != node and other not in standing.abandoned]
    told = {source for other in others for source in _sources(standing, other)}
    expected = _expected(standing, node, priorities) if _goes_on(standing, node) else set()
    wanted = sorted({*(spec.vrrp.extra_peers or []), *told, *expected})
    if _speaks(standing, node):
        return wanted
    speakers = [other for other in others if _speaks(standing, other)]
    if speakers:
        return wanted if all(_listens(standing, other, node, snapshot) for other in speakers) else []
    able = [name for name in priorities if _sources(standing, name) and snapshot.is_fresh(name)]
    return wanted if node == max(able, key=lambda name: (priorities[name], name), default=None) else []


def unheard(standing: Standing, node: str, snapshot: Snapshot) -> set[str]:
    """The speakers for whom a node stays silent: they do not listen to it yet."""
    if standing.floating_ip.spec.vrrp.transport != "Unicast" or _speaks(standing, node):
        return set()
    others = [other for other in standing.entries if other != node and other not in standing.abandoned]
    return {o for o in others if _speaks(standing, o) and not _listens(standing, o, node, snapshot)}


def _sources(standing: Standing, node: str) -> set[str]:
    """Where its advertisements come from, by its agent's word."""
    return {said.source_address for said in standing.reported.get(node, []) if said.source_address is not None}


def _goes_on(standing: Standing, node: str) -> bool:
    """It speaks already, or did by multicast: without anybody to speak with it would let go."""
    return _speaks(standing, node) or any(r.vrrp.transport == "Multicast" for r in standing.present.get(node, []))


def _expected(standing: Standing, node: str, candidates: Iterable[str]) -> set[str]:
    """Where the advertisements of the others will come from, of those that take no part yet."""
    coming = [name for name in candidates if name != node and name not in standing.abandoned]
    return {source for name in coming if not _sources(standing, name) for source in _to_be(standing, name)}


def _to_be(standing: Standing, node: str) -> set[str]:
    entry = standing.matching.get(node)
    if entry is not None and entry.source_addresses:
        return set(entry.source_addresses)
    addresses = standing.floating_ip.spec.addresses
    named = (entry.interface if entry else None) or standing.floating_ip.spec.interface
    place = standing.snapshot.places.holding(links.read(addresses[0]).ip, named).get(node)
    return links.sources_of(place.interface, addresses) if place else set()


def _speaks(standing: Standing, node: str) -> bool:
    """Also on its way out, until it has confirmed that it let go."""
    return any(router.peers and not standing.is_released(node, router) for router in standing.entries.get(node, []))


def _listens(standing: Standing, speaker: str, node: str, snapshot: Snapshot) -> bool:
    """The speaker has taken up a list in which the node stands."""
    sources = _sources(standing, node)
    listed = {peer for router in standing.entries[speaker] for peer in router.peers}
    return bool(sources) and sources <= listed and snapshot.is_confirmed(speaker)
