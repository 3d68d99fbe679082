"""`floatip render --node NAME FILE...`"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml
from floatip_api import names
from floatip_api.base import Metadata
from floatip_api.documents import Document, Fault
from floatip_api.floatingip import FloatingIP, NodeEntry
from floatip_api.floatingipnode import FloatingIPNode, FloatingIPNodeSpec, VirtualRouter
from floatip_api.rendering import virtual_routers
from floatip_api.selection import first_match

from floatip_cli import files


def run(paths: list[Path], node: str, labels: Mapping[str, str]) -> int:
    documents, faults = files.read(paths)
    if faults:
        return files.refuse(faults)
    rendering = Rendering(node, labels)
    for document in documents:
        if document.is_ours:
            rendering.take(document)
    if rendering.faults:
        return files.refuse(rendering.faults)
    if not rendering.routers:
        print(f"no FloatingIP has a place for node {node}", file=sys.stderr)
    print(rendering.text(), end="")
    return 0


class Rendering:
    """Collects a node's virtual routers from valid documents."""

    def __init__(self, node: str, labels: Mapping[str, str]) -> None:
        self._node = node
        self._labels = labels
        self._taken: dict[tuple[object, ...], Document] = {}
        self.routers: list[VirtualRouter] = []
        self.faults: list[Fault] = []

    def take(self, document: Document) -> None:
        if document.kind != names.FLOATING_IP:
            self.faults.append(document.fault(("kind",), f"{document.kind}: only a FloatingIP can be rendered"))
            return
        floating_ip = FloatingIP.from_manifest(document.normal)
        self._claim(document, ("metadata", "name"), ("name", floating_ip.metadata.name))
        if floating_ip.spec.suspend:
            return
        if floating_ip.spec.nodes is None:
            entry, at = None, -1
        else:
            entry = first_match(floating_ip.spec.nodes, self._node, self._labels)
            if entry is None:
                return
            at = floating_ip.spec.nodes.index(entry)
        self._render(document, floating_ip, entry, at)

    def _render(self, document: Document, floating_ip: FloatingIP, entry: NodeEntry | None, at: int) -> None:
        router_id = floating_ip.spec.virtual_router_id
        priority = entry.priority if entry else None
        if router_id is None:
            self.faults.append(document.fault(("spec", "virtualRouterID"), "required: offline, none can be allocated"))
        if priority is None:
            path = ("spec", "nodes", at, "priority") if entry else ("spec", "nodes")
            reason = f"required: offline, {self._node} cannot be given a priority"
            self.faults.append(document.fault(path, reason))
        if router_id is None or priority is None:
            return
        for router in virtual_routers(
            floating_ip.metadata.name,
            floating_ip.spec,
            virtual_router_id=router_id,
            priority=priority,
            entry=entry,
            peers=self._peers(document, floating_ip),
        ):
            self._claim_router(document, router)
            self.routers.append(router)

    def _peers(self, document: Document, floating_ip: FloatingIP) -> list[str]:
        """Unicast: the other nodes' source addresses, which nobody reports offline, and extraPeers."""
        if floating_ip.spec.vrrp.transport != "Unicast":
            return []
        found = list(floating_ip.spec.vrrp.extra_peers or [])
        for at, entry in enumerate(floating_ip.spec.nodes or []):
            if entry.name == self._node:
                continue
            found += entry.source_addresses or []
            if not entry.source_addresses:
                reason = "required: offline, nobody reports the address that this node speaks from"
                self.faults.append(document.fault(("spec", "nodes", at, "sourceAddresses"), reason))
        return found

    def _claim_router(self, document: Document, router: VirtualRouter) -> None:
        lan = router.interface or str(ipaddress.ip_interface(router.addresses[0]).network)
        key = ("virtualRouterID", router.virtual_router_id, router.family, lan)
        self._claim(document, ("spec", "virtualRouterID"), key)
        for address in [*router.addresses, *router.excluded_addresses]:
            self._claim(document, ("spec", "addresses"), ("address", address.partition("/")[0]))

    def _claim(self, document: Document, path: tuple[str, ...], key: tuple[object, ...]) -> None:
        """A name, a router ID on a LAN and an address belong to one FloatingIP."""
        owner = self._taken.setdefault(key, document)
        fault = document.fault(path, f"{key[1]}: in use already, by {owner.file}:{owner.line}")
        if owner is not document and fault not in self.faults:  # both families say the same
            self.faults.append(fault)

    def text(self) -> str:
        """The FloatingIPNode; the same input makes the same text."""
        ordered = sorted(self.routers, key=lambda router: (router.name, router.family))
        document = FloatingIPNode(metadata=Metadata(name=self._node), spec=FloatingIPNodeSpec(virtual_routers=ordered))
        manifest = document.to_manifest()
        manifest["metadata"] = {"name": self._node}
        return yaml.safe_dump(manifest, sort_keys=False, width=120)
