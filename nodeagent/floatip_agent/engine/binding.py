"""Where a virtual router lives on this node: interface, source address and the addresses to hold. Pure."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterable, Mapping

from floatip_agent.configuration import Family, RouterConfiguration
from floatip_agent.ports import Interface, InterfaceAddress, Prefix, Route, RouteEntry, Rule
from floatip_agent.routing import DEFAULT
from floatip_agent.vrrp import authentication, packet


class Unbound(Exception):
    """The router cannot run on this node now; the text says why, for people."""


@dataclasses.dataclass(frozen=True, slots=True)
class Binding:
    """`wire.addresses` are advertised, `held` are all that the Active holds on `interface`; adverts leave from `source`. `lost` are the
    tracked interfaces that are down or missing."""

    interface: Interface
    source: bytes
    wire: packet.Wire
    held: tuple[bytes, ...]
    lost: frozenset[str] = frozenset()
    virtual_mac: bytes | None = None
    """Of the link that the Active makes for the addresses; None: they go to `interface` itself."""
    routes: tuple[RouteEntry, ...] = ()
    """There only while Active. `unroutable` are those whose interface is missing."""
    unroutable: tuple[str, ...] = ()


def bind(router: RouterConfiguration, interfaces: Mapping[str, Interface]) -> Binding:
    """Find the router's place. Raises `Unbound`."""
    floating = tuple(_packed(address) for address in router.addresses)
    interface = _interface(router, interfaces, floating[0])
    if not interface.is_up:
        raise Unbound(f"interface {interface.name} is down")
    excluded = tuple(_packed(address) for address in router.excluded_addresses)
    source = _source(router, interface, frozenset(floating + excluded))
    wire = _wire(router, floating)
    routes, unroutable = _routes(router, interfaces, interface)
    return Binding(
        interface=interface,
        source=source,
        wire=wire,
        held=wire.addresses + excluded,
        lost=_lost(router, interfaces),
        virtual_mac=virtual_mac(router.family, router.virtual_router_id) if router.virtual_mac else None,
        routes=routes,
        unroutable=unroutable,
    )


def concerns(router: RouterConfiguration, name: str, states: Iterable[Interface]) -> bool:
    """Whether an interface that was or is so has a part in where the router lives, or in why it lives nowhere."""
    named = {router.interface, *(tracked for tracked, _ in router.tracked_interfaces)}
    if name in named.union(route.interface for route in router.routes):
        return True
    if router.interface is not None:
        return False
    first = _packed(router.addresses[0])
    return any(_holds(own, first) for link in states for own in link.addresses)


def _interface(router: RouterConfiguration, interfaces: Mapping[str, Interface], first: bytes) -> Interface:
    if router.interface is not None:
        if router.interface not in interfaces:
            raise Unbound(f"interface {router.interface} does not exist")
        return interfaces[router.interface]
    # api.md: "on each node, the interface whose subnet holds the first address (longest prefix, then lowest name)".
    matches = [
        (-own.prefix_length, link.name)
        for link in interfaces.values()
        for own in link.addresses
        if not own.is_ours and own.address != first and _holds(own, first)
    ]
    if not matches:
        raise Unbound(f"no interface has a subnet that holds {router.addresses[0]}")
    return interfaces[min(matches)[1]]


def _source(router: RouterConfiguration, interface: Interface, floating: frozenset[bytes]) -> bytes:
    # RFC 9568 5.1.1.1: an address owner may send from the address; everybody else must not use a floating one.
    is_owner = router.priority == packet.OWNER
    own = [known for known in interface.addresses if not known.is_ours and (is_owner or known.address not in floating)]
    if router.source_address is not None:
        wanted = _packed(router.source_address)
        if not any(known.address == wanted for known in own):
            raise Unbound(f"source address {router.source_address} is not on interface {interface.name}")
        return wanted
    if router.family == "IPv6":
        return _link_local(interface, own)
    first = _packed(router.addresses[0])
    candidates = [known for known in own if len(known.address) == 4]
    if not candidates:
        raise Unbound(f"interface {interface.name} has no IPv4 address to send from")
    return next((known for known in candidates if _holds(known, first)), candidates[0]).address


def _link_local(interface: Interface, own: list[InterfaceAddress]) -> bytes:
    found = [known for known in own if len(known.address) == 16 and _is_link_local(known.address)]
    if not found:
        raise Unbound(f"interface {interface.name} has no IPv6 link-local address to send from")
    usable = [known for known in found if not known.is_tentative]
    if not usable:
        raise Unbound(f"the IPv6 link-local address of interface {interface.name} is still tentative")
    return usable[0].address


def _lost(router: RouterConfiguration, interfaces: Mapping[str, Interface]) -> frozenset[str]:
    names = {name for name, _ in router.tracked_interfaces}
    return frozenset(name for name in names if name not in interfaces or not interfaces[name].is_up)


def _wire(router: RouterConfiguration, floating: tuple[bytes, ...]) -> packet.Wire:
    if router.family == "IPv6" and router.link_local == "Derived" and not any(map(_is_link_local, floating)):
        # RFC 9568 5.2.9: the first address MUST be the virtual router's link-local one.
        floating = (derived_link_local(router.virtual_router_id), *floating)
    floating = tuple(sorted(floating, key=lambda address: not _is_link_local(address)))
    return packet.Wire(
        version=router.version,
        virtual_router_id=router.virtual_router_id,
        interval=router.advertisement_interval,
        addresses=floating,
        checksum_form=router.ipv4_checksum,
        password=None if router.password is None else packet.padded_password(router.password),
        keyring=_keyring(router),
        peers=frozenset(map(_packed, router.peers)) if router.transport == "Unicast" else frozenset(),
    )


def _keyring(router: RouterConfiguration) -> authentication.Keyring | None:
    if not router.hmac_keys:
        return None
    keys = tuple((key_id, bytes.fromhex(key)) for key_id, key in router.hmac_keys)
    return authentication.Keyring(keys, router.hmac_active_key_id, router.hmac_mode)


def _routes(
    router: RouterConfiguration, interfaces: Mapping[str, Interface], own: Interface
) -> tuple[tuple[RouteEntry, ...], tuple[str, ...]]:
    """Routes, then rules, and what cannot be because its interface is missing."""
    entries: list[RouteEntry] = []
    missing = []
    for route in router.routes:
        link = own if route.interface is None else interfaces.get(route.interface)
        if link is None:
            missing.append(f"route {route.to}: interface {route.interface} does not exist")
            continue
        via, source = (None if text is None else _packed(text) for text in (route.via, route.source))
        entries.append(Route(_prefix(route.to, via), link.index, via, source, route.table, route.metric))
    for rule in router.rules:
        origin, to = (None if text is None else _prefix(text, None) for text in (rule.origin, rule.to))
        entries.append(Rule(origin, to, rule.table, rule.priority))
    return tuple(entries), tuple(missing)


def _prefix(text: str, via: bytes | None) -> Prefix:
    if text == DEFAULT:
        return bytes(len(via or b"")), 0
    address = _packed(text)
    length = text.partition("/")[2]
    return address, int(length) if length else len(address) * 8


def virtual_mac(family: Family, virtual_router_id: int) -> bytes:
    """RFC 9568 7.3: 00-00-5E-00-01-{VRID} for IPv4, 00-00-5E-00-02-{VRID} for IPv6."""
    return bytes((0, 0, 0x5E, 0, 1 if family == "IPv4" else 2, virtual_router_id))


def derived_link_local(virtual_router_id: int) -> bytes:
    """fe80::200:5eff:fe00:2XX, the modified EUI-64 form of the virtual MAC 00-00-5E-00-02-{VRID}."""
    return bytes.fromhex("fe800000000000000200 5efffe0002".replace(" ", "")) + bytes((virtual_router_id,))


def _is_link_local(address: bytes) -> bool:
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80


def _packed(address: str) -> bytes:
    text = address.partition("/")[0]
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _holds(own: InterfaceAddress, address: bytes) -> bool:
    if len(own.address) != len(address):
        return False
    shift = len(address) * 8 - own.prefix_length
    return int.from_bytes(own.address, "big") >> shift == int.from_bytes(address, "big") >> shift
