"""Agents of the decision tables: each runs its document as it was when it last looked, and says so in its status."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from floatip_api import wire
from floatip_api.v1alpha1 import FloatingIPNode, FloatingIPNodeSpec, VirtualRouter


def written(entry: FloatingIPNode, spec: FloatingIPNodeSpec) -> FloatingIPNode:
    """The document after the operator's write."""
    generation = entry.metadata.generation + 1
    metadata = entry.metadata.model_copy(update={"generation": generation, "resource_version": str(generation)})
    return entry.model_copy(update={"spec": spec, "metadata": metadata})


class Agents:
    """`running` is what the engines run, by node. `sources` are the nodes' addresses."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.sources = sources
        self.running: dict[str, list[VirtualRouter]] = {}
        self._released: dict[str, list[VirtualRouter]] = {}

    def obey(self, entry: FloatingIPNode) -> FloatingIPNode:
        """Take the document up: run what is listed, let go what is to be released, run on what is not listed."""
        node = entry.metadata.name
        listed = {(router.name, router.family): router for router in entry.spec.virtual_routers}
        unlisted = [router for router in self.running.get(node, []) if (router.name, router.family) not in listed]
        self.running[node] = [*unlisted, *(router for router in listed.values() if router.release is None)]
        self._released[node] = [router for router in listed.values() if router.release]
        whole = self.say(entry).to_manifest()
        whole["status"]["observedGeneration"] = entry.metadata.generation
        return FloatingIPNode.from_manifest(whole)

    def say(self, entry: FloatingIPNode) -> FloatingIPNode:
        """The status as it is now."""
        node = entry.metadata.name
        said = [self._running(node, router) for router in self.running.get(node, [])]
        said += [_released(router) for router in self._released.get(node, [])]
        whole = entry.to_manifest()
        whole["status"]["virtualRouters"] = said
        return FloatingIPNode.from_manifest(whole)

    def _running(self, node: str, router: VirtualRouter) -> dict[str, Any]:
        is_active = self.active(router.name) == {node}
        return {
            "name": router.name,
            "family": router.family,
            "state": "Active" if is_active else "Backup" if self.speaks(router) else "Fault",
            "priority": router.priority,
            "virtualRouterID": router.virtual_router_id,
            "interface": router.interface or "eth0",
            "sourceAddress": self.sources[node],
            "addresses": [*router.addresses, *router.excluded_addresses],
            "digest": wire.digest(router),
        }

    @staticmethod
    def speaks(router: VirtualRouter) -> bool:
        return router.vrrp.transport == "Multicast" or bool(router.peers)

    def of(self, name: str) -> dict[str, VirtualRouter]:
        """Who runs the FloatingIP and speaks; all tables have one family."""
        return {n: r for n, routers in self.running.items() for r in routers if r.name == name and self.speaks(r)}

    def active(self, name: str) -> set[str]:
        """The best of each set of routers that hear each other: more than one is a second holder."""
        found = self.of(name)
        hears = {(a, b) for a, b in itertools.permutations(found, 2) if self._hears(found[a], found[b], b)}
        beaten = {a for a, b in hears if (b, a) in hears and found[b].priority > found[a].priority}
        return found.keys() - beaten

    def _hears(self, one: VirtualRouter, other: VirtualRouter, sender: str) -> bool:
        is_one_lan = (one.interface or "eth0") == (other.interface or "eth0")
        is_peer = one.vrrp.transport == "Multicast" or self.sources[sender] in one.peers
        return is_one_lan and is_peer and one.virtual_router_id == other.virtual_router_id and wire.agree(one, other)

    def carried(self, names: Iterable[str]) -> dict[str, set[str]]:
        """By address, the FloatingIPs that some node could hold it for."""
        found: dict[str, set[str]] = {}
        for router in (router for routers in self.running.values() for router in routers if router.name in names):
            for address in [*router.addresses, *router.excluded_addresses]:
                found.setdefault(address, set()).add(router.name)
        return found


def _released(router: VirtualRouter) -> dict[str, Any]:
    assert router.release is not None
    request = router.release.request_id
    return {"name": router.name, "family": router.family, "state": "Initialize", "releasedRequestID": request}
