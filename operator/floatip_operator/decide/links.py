"""Which interface of a node can hold a floating IP, and which LAN that is."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from floatip_api.v1alpha1 import FloatingIP, FloatingIPNode, Interface

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
InterfaceAddress = ipaddress.IPv4Interface | ipaddress.IPv6Interface

read = functools.lru_cache(maxsize=65536)(ipaddress.ip_interface)
"""The same few texts are read in every decision."""


def addresses_of(floating_ip: FloatingIP) -> list[Address]:
    """All that it holds; the first is the one that finds the interface."""
    held = [*floating_ip.spec.addresses, *floating_ip.spec.excluded_addresses]
    return [read(text).ip for text in held]


def carried_by(floating_ip: FloatingIP) -> list[Address]:
    """What its advertisements carry."""
    return [read(text).ip for text in floating_ip.spec.addresses]


class Place(NamedTuple):
    """An interface and the subnets of its addresses."""

    interface: Interface
    networks: frozenset[Network]


class Places:
    """The interfaces of all nodes, as their agents reported them, found by name, subnet and address."""

    def __init__(self, documents: Iterable[FloatingIPNode]) -> None:
        self.owners: defaultdict[Address, set[str]] = defaultdict(set)
        """By address, the nodes whose own it is."""
        self._named: defaultdict[str, dict[str, Place]] = defaultdict(dict)
        self._on: defaultdict[Network, dict[str, Place]] = defaultdict(dict)
        self._holding: dict[tuple[Network, ...], dict[str, Place]] = {}
        for document in documents:
            for interface in document.status.interfaces if document.status else []:
                self._add(document.metadata.name, interface)
        self._lengths = sorted({(network.version, network.prefixlen) for network in self._on}, reverse=True)

    def holding(self, first: Address, named: str | None) -> Mapping[str, Place]:
        """By node, the named interface, or the one whose subnet holds the first address: longest prefix, then lowest name."""
        if named is not None:
            return self._named.get(named, {})
        lengths = [length for version, length in self._lengths if version == first.version]
        around = (ipaddress.ip_network((first, length), strict=False) for length in lengths)
        networks = tuple(network for network in around if network in self._on)
        if networks not in self._holding:
            found: dict[str, Place] = {}
            for network in reversed(networks):
                found |= self._on[network]
            self._holding[networks] = found
        return self._holding[networks]

    def named(self, node: str, interface: str) -> Place | None:
        return self._named.get(interface, {}).get(node)

    def _add(self, node: str, interface: Interface) -> None:
        own = list(_read(interface))
        place = Place(interface, frozenset(_network(address) for address in own))
        self._named[interface.name].setdefault(node, place)
        for address in own:
            self.owners[address.ip].add(node)
        for network in place.networks:
            known = self._on[network].setdefault(node, place)
            if interface.name < known.interface.name:
                self._on[network][node] = place


def sources_of(interface: Interface, addresses: Sequence[str]) -> set[str]:
    """Where advertisements for these addresses would come from, as the agent chooses it: IPv4 the first own address, best one whose subnet
    holds the first of them; IPv6 the link-local one."""
    own = list(_read(interface))
    floating = [read(text).ip for text in addresses]
    found = set()
    if first := next((address for address in floating if address.version == 4), None):
        ipv4 = [known for known in own if known.version == 4]
        found |= {str(known.ip) for known in sorted(ipv4, key=lambda known: first not in known.network)[:1]}
    if any(address.version == 6 for address in floating):
        found |= {str(known.ip) for known in [known for known in own if known.version == 6 and known.is_link_local][:1]}
    return found


def _read(interface: Interface) -> Iterator[InterfaceAddress]:
    """What is no address is passed over: one node's odd word must not stop the decisions for all others."""
    for text in interface.addresses:
        with contextlib.suppress(ValueError):
            yield read(text)


def lans(floating_ip: FloatingIP, places: Iterable[Place]) -> frozenset[Network]:
    """The connected subnets that a floating IP shares with others: the operator's stand-in for one LAN."""
    own = {_network(read(text)) for text in floating_ip.spec.addresses}
    connected: frozenset[Network] = frozenset().union(*(place.networks for place in places))
    return frozenset(own | {network for network in connected if not network.is_link_local})


@functools.lru_cache(maxsize=65536)
def _network(address: InterfaceAddress) -> Network:
    """One object for each subnet: sets tell it by identity, which is quick."""
    return _same(address.network)


@functools.lru_cache(maxsize=65536)
def _same(network: Network) -> Network:
    return network
