"""Which interface of a node can hold a floating IP, and which LAN that is."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator, Sequence

from floatip_api.v1alpha1 import FloatingIP, FloatingIPNode, Interface

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def addresses_of(floating_ip: FloatingIP) -> list[Address]:
    """All that it holds; the first is the one that finds the interface."""
    held = [*floating_ip.spec.addresses, *floating_ip.spec.excluded_addresses]
    return [ipaddress.ip_interface(text).ip for text in held]


def carried_by(floating_ip: FloatingIP) -> list[Address]:
    """What its advertisements carry."""
    return [ipaddress.ip_interface(text).ip for text in floating_ip.spec.addresses]


def own_addresses(document: FloatingIPNode) -> set[Address]:
    """The node's own addresses, as its agent reported them."""
    interfaces = document.status.interfaces if document.status else []
    return {address.ip for interface in interfaces for address in _read(interface)}


def interface_for(document: FloatingIPNode, first: Address, named: str | None) -> Interface | None:
    """The named interface, or the one whose subnet holds the first address: longest prefix, then lowest name."""
    interfaces = document.status.interfaces if document.status else []
    if named is not None:
        return next((interface for interface in interfaces if interface.name == named), None)
    matches = [
        (-network.prefixlen, interface.name, interface)
        for interface in interfaces
        for network in networks_of(interface)
        if network.version == first.version and first in network
    ]
    return min(matches, key=lambda match: match[:2])[2] if matches else None


def sources_of(interface: Interface, addresses: Sequence[str]) -> set[str]:
    """Where advertisements for these addresses would come from, as the agent chooses it: IPv4 the first own address, best one whose subnet
    holds the first of them; IPv6 the link-local one."""
    own = list(_read(interface))
    floating = [ipaddress.ip_interface(text).ip for text in addresses]
    found = set()
    if first := next((address for address in floating if address.version == 4), None):
        ipv4 = [known for known in own if known.version == 4]
        found |= {str(known.ip) for known in sorted(ipv4, key=lambda known: first not in known.network)[:1]}
    if any(address.version == 6 for address in floating):
        found |= {str(known.ip) for known in [known for known in own if known.version == 6 and known.is_link_local][:1]}
    return found


def networks_of(interface: Interface) -> list[Network]:
    return [address.network for address in _read(interface)]


def _read(interface: Interface) -> Iterator[ipaddress.IPv4Interface | ipaddress.IPv6Interface]:
    """What is no address is passed over: one node's odd word must not stop the decisions for all others."""
    for text in interface.addresses:
        with contextlib.suppress(ValueError):
            yield ipaddress.ip_interface(text)


def lans(floating_ip: FloatingIP, interfaces: list[Interface]) -> frozenset[Network]:
    """The connected subnets that a floating IP shares with others: the operator's stand-in for one LAN."""
    own = {ipaddress.ip_interface(text).network for text in floating_ip.spec.addresses}
    connected = {network for interface in interfaces for network in networks_of(interface) if not network.is_link_local}
    return frozenset(own | connected)
