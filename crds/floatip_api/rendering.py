"""From a FloatingIP's spec to the virtual routers of one node: what the operator writes and `floatip render` prints."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Collection

from floatip_api.floatingip import FloatingIPSpec, NodeEntry
from floatip_api.floatingipnode import VirtualRouter
from floatip_api.parts import Family, Route

_FAMILIES: tuple[Family, ...] = ("IPv4", "IPv6")


def virtual_routers(
    name: str,
    spec: FloatingIPSpec,
    *,
    virtual_router_id: int,
    priority: int,
    entry: NodeEntry | None,
    peers: Collection[str] = (),
) -> list[VirtualRouter]:
    """One for each family that has addresses, defaults filled in. `entry` is the one that matched the node, `peers` are all
    that it speaks with in Unicast, extraPeers among them, of either family."""
    sources = entry.source_addresses if entry and entry.source_addresses else []
    interface = (entry.interface if entry else None) or spec.interface
    carried = {family_of(address) for address in spec.addresses}
    found: list[VirtualRouter] = []
    for family in _FAMILIES:
        addresses = [address for address in spec.addresses if family_of(address) == family]
        if addresses:
            # Excluded ones of a family without a router of its own go with the first.
            own = {family} | (set() if found else set(_FAMILIES) - carried)
            found.append(
                VirtualRouter(
                    name=name,
                    family=family,
                    virtual_router_id=virtual_router_id,
                    addresses=addresses,
                    excluded_addresses=[address for address in spec.excluded_addresses if family_of(address) in own],
                    priority=priority,
                    interface=interface,
                    peers=sorted(peer for peer in peers if family_of(peer) == family),
                    source_address=next((source for source in sources if family_of(source) == family), None),
                    vrrp=spec.vrrp,
                    preemption=spec.preemption,
                    probes=spec.probes,
                    tracked_interfaces=spec.tracked_interfaces,
                    link_damping=spec.link_damping,
                    routes=[route for route in spec.routes if family_of_route(route) == family],
                    rules=[rule for rule in spec.rules if family_of(rule.from_ or rule.to or "") == family],
                    sync_group=spec.sync_group,
                )
            )
    return found


def family_of_route(route: Route) -> Family:
    """The destination says; of `default` the gateway. Raises ValueError when neither is an address."""
    return family_of(route.via or "" if route.to == "default" else route.to)


@functools.lru_cache(maxsize=65536)
def family_of(address: str) -> Family:
    """Of an address with or without prefix length. Raises ValueError when it is none."""
    return "IPv4" if ipaddress.ip_interface(address).version == 4 else "IPv6"
