"""What one floating IP has on the nodes now: entries in specs, and what the agents say of them."""

from __future__ import annotations

import dataclasses
from functools import cached_property

from floatip_api import names, wire
from floatip_api.conditions import Reason
from floatip_api.v1alpha1 import FloatingIP, NodeEntry, VirtualRouter, VirtualRouterStatus

from floatip_operator.decide import links, placement
from floatip_operator.decide.snapshot import Snapshot


@dataclasses.dataclass(frozen=True)
class Standing:
    """One floating IP in one snapshot."""

    floating_ip: FloatingIP
    snapshot: Snapshot

    @property
    def name(self) -> str:
        return self.floating_ip.metadata.name

    @cached_property
    def matching(self) -> dict[str, NodeEntry]:
        """The nodes that may take part, with the entry that says how."""
        return placement.entries(self.floating_ip, self.snapshot)

    @cached_property
    def entries(self) -> dict[str, list[VirtualRouter]]:
        """What stands in the FloatingIPNodes for it, by node."""
        return self.snapshot.entries_of.get(self.name, {})

    @cached_property
    def present(self) -> dict[str, list[VirtualRouter]]:
        """The entries that are not on their way out."""
        kept = {node: [r for r in routers if r.release is None] for node, routers in self.entries.items()}
        return {node: routers for node, routers in kept.items() if routers}

    @cached_property
    def reported(self) -> dict[str, list[VirtualRouterStatus]]:
        """What agents say of it, by node, fresh or not."""
        return self.snapshot.reported_of.get(self.name, {})

    @cached_property
    def unlisted(self) -> dict[str, list[VirtualRouterStatus]]:
        """What agents run without an entry that says so: a document was deleted by hand, or the store jumped back. A missing entry is
        no order, so they go on until they are told."""
        found: dict[str, list[VirtualRouterStatus]] = {}
        for node, routers in self.reported.items():
            listed = {router.family for router in self.entries.get(node, [])}
            running = [said for said in routers if said.family not in listed and said.released_request_id is None]
            if running:
                found[node] = running
        return found

    @cached_property
    def priorities(self) -> dict[str, int]:
        """The value of each node that takes part, be it without an entry, by its agent's word."""
        unlisted = {node: routers[0].priority for node, routers in self.unlisted.items() if node not in self.entries}
        said = {node: priority for node, priority in unlisted.items() if priority is not None}
        return said | {node: routers[0].priority for node, routers in self.present.items()}

    @cached_property
    def abandoned(self) -> frozenset[str]:
        """Nodes of which a human says that they are off; one that is heard again is not."""
        return self.snapshot.abandoned_by(self.floating_ip)

    @property
    def preferred(self) -> str | None:
        """The node that a human wants first (`floatip move`)."""
        return self.floating_ip.metadata.annotations.get(names.PREFER_NODE)

    @cached_property
    def active(self) -> set[str]:
        """Nodes that say Active, in any family. The last word of those that fell silent counts only while nobody else says so."""
        said = {node for node, routers in self.reported.items() if any(r.state == "Active" for r in routers)}
        return {node for node in said if self.snapshot.is_fresh(node)} or said

    @cached_property
    def places(self) -> dict[str, links.Place]:
        """Of the nodes that match, those with an interface that can hold the first address, and which."""
        spec, first = self.floating_ip.spec, links.addresses_of(self.floating_ip)[0]
        found: dict[str, links.Place] = {}
        for named in {entry.interface or spec.interface for entry in spec.nodes or [NodeEntry()]}:
            holding = self.snapshot.places.holding(first, named)
            for node in holding.keys() & self.matching.keys():
                if (self.matching[node].interface or spec.interface) == named:
                    found[node] = holding[node]
        return found

    @cached_property
    def lans(self) -> frozenset[links.Network]:
        return links.lans(self.floating_ip, self.places.values())

    @cached_property
    def virtual_router_id(self) -> int | None:
        """The ID that is already its own: in the nodes' documents, in its status (which may be lost), asked for, or run unlisted."""
        used = [router.virtual_router_id for routers in self.entries.values() for router in routers]
        if used:
            return used[0]
        status = self.floating_ip.status
        recorded = status.virtual_router_id if status else None
        return recorded or self.floating_ip.spec.virtual_router_id or self._run_unlisted

    @cached_property
    def _run_unlisted(self) -> int | None:
        """The router ID that agents go on with, the Active's first."""
        words = [said for routers in self.unlisted.values() for said in routers if not is_from_elsewhere(said)]
        known = [(w.state != "Active", w.virtual_router_id) for w in words if w.virtual_router_id is not None]
        return min(known)[1] if known else None

    def has_taken_up(self, node: str) -> bool:
        """The node speaks as its entries say, by its agent's own word. One that never spoke of them and cannot be reached has no other: an
        entry's wire changes only after it was taken up."""
        said = {router.family: router for router in self.reported.get(node, [])}
        for router in (router for router in self.entries.get(node, []) if router.release is None):
            spoken = said.get(router.family)
            if spoken is not None and spoken.digest is not None:
                has_taken_up = spoken.digest == wire.digest(router)
            else:
                is_silent = spoken is None and not self.snapshot.is_fresh(node)
                has_taken_up = is_silent or self.snapshot.is_confirmed(node)
            if not has_taken_up:
                return False
        return True

    def is_released(self, node: str, router: VirtualRouter) -> bool:
        """The agent confirmed this very request: the addresses are out of the kernel."""
        return router.release is not None and any(
            said.family == router.family and said.released_request_id == router.release.request_id
            for said in self.reported.get(node, [])
        )

    def unconfirmed(self) -> list[str]:
        """Nodes that may still hold it although they should not, less the abandoned ones."""
        leaving = {
            node
            for node, routers in self.entries.items()
            if any(router.release and not self.is_released(node, router) for router in routers)
        }
        return sorted((leaving | self.unlisted.keys()) - self.abandoned)

    def priorities_held(self) -> dict[str, set[int]]:
        """The values that each node has, or has not confirmed to have left."""
        held: dict[str, set[int]] = {}
        for node in {*self.entries, *self.reported} - self.abandoned:
            specified = {r.priority for r in self.entries.get(node, []) if not self.is_released(node, r)}
            said = {
                r.priority
                for r in self.reported.get(node, [])
                if r.priority is not None and r.released_request_id is None
            }
            held[node] = specified | said
        return {node: values for node, values in held.items() if values}


def is_from_elsewhere(said: VirtualRouterStatus) -> bool:
    """Another cluster ordered it, which may have a FloatingIP of the same name."""
    return any(warning.reason == Reason.OTHER_CLUSTER for warning in said.warnings)
