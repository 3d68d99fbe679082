"""Where a virtual router lives: a table of nodes and configurations."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

import pytest
from floatip_agent.configuration import RouterConfiguration
from floatip_agent.engine.binding import Unbound, bind, derived_link_local
from floatip_agent.ports import Interface, InterfaceAddress


def packed(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def on(text: str, *, ours: bool = False, tentative: bool = False) -> InterfaceAddress:
    address, _, length = text.partition("/")
    return InterfaceAddress(packed(address), int(length), ours, tentative)


def link(name: str, *addresses: str | InterfaceAddress, up: bool = True) -> Interface:
    shown = tuple(on(address) if isinstance(address, str) else address for address in addresses)
    return Interface(int(name[-1]) + 2, name, up, bytes(6), shown)


FOUR = RouterConfiguration("elk", "IPv4", 51, ("10.9.0.100/32",), 100)
SIX = RouterConfiguration("elk", "IPv6", 51, ("fd09::100/128",), 100)


def replaced(configuration: RouterConfiguration, **fields: Any) -> RouterConfiguration:
    return dataclasses.replace(configuration, **fields)


FOUND = [
    ("the subnet that holds the first address", FOUR, [link("eth0", "10.9.0.1/24")], "eth0", "10.9.0.1"),
    (
        "longest prefix",
        FOUR,
        [link("eth0", "10.0.0.1/8"), link("eth1", "10.9.0.1/24")],
        "eth1",
        "10.9.0.1",
    ),
    ("then lowest name", FOUR, [link("eth1", "10.9.0.2/24"), link("eth0", "10.9.0.1/24")], "eth0", "10.9.0.1"),
    (
        "the named interface, though its subnet is another",
        replaced(FOUR, interface="eth1"),
        [link("eth0", "10.9.0.1/24"), link("eth1", "192.168.7.1/24")],
        "eth1",
        "192.168.7.1",
    ),
    (
        "the source in the address's subnet before the first one",
        FOUR,
        [link("eth0", "192.168.7.1/24", "10.9.0.1/24")],
        "eth0",
        "10.9.0.1",
    ),
    (
        "a floating address is never a source, ours or not",
        FOUR,
        [link("eth0", on("10.9.0.99/32", ours=True), "10.9.0.100/24", "10.9.0.1/24")],
        "eth0",
        "10.9.0.1",
    ),
    (
        "the source that was asked for",
        replaced(FOUR, source_address="10.9.0.7"),
        [link("eth0", "10.9.0.1/24", "10.9.0.7/24")],
        "eth0",
        "10.9.0.7",
    ),
    (
        "the owner of the address sends from it",
        replaced(FOUR, priority=255, interface="eth0"),
        [link("eth0", "10.9.0.100/24")],
        "eth0",
        "10.9.0.100",
    ),
    ("IPv6 sends link-local", SIX, [link("eth0", "fd09::1/64", "fe80::1/64")], "eth0", "fe80::1"),
    (
        "IPv6 takes the link-local address that is ready",
        SIX,
        [link("eth0", "fd09::1/64", on("fe80::1/64", tentative=True), "fe80::2/64")],
        "eth0",
        "fe80::2",
    ),
]


@pytest.mark.parametrize(
    ("configuration", "links", "interface", "source"), [pytest.param(*row[1:], id=row[0]) for row in FOUND]
)
@pytest.mark.rule("9568-5.1-source")
def test_found(configuration: RouterConfiguration, links: list[Interface], interface: str, source: str) -> None:
    binding = bind(configuration, {known.name: known for known in links})
    assert (binding.interface.name, binding.source) == (interface, packed(source))


NOT_FOUND = [
    ("interface eth7 does not exist", replaced(FOUR, interface="eth7"), [link("eth0", "10.9.0.1/24")]),
    ("no interface has a subnet that holds 10.9.0.100/32", FOUR, [link("eth0", "192.168.7.1/24")]),
    ("no interface has a subnet that holds 10.9.0.100/32", FOUR, []),
    ("no interface has a subnet that holds 10.9.0.100/32", FOUR, [link("eth0", on("10.9.0.99/24", ours=True))]),
    ("interface eth0 is down", FOUR, [link("eth0", "10.9.0.1/24", up=False)]),
    ("interface eth0 has no IPv4 address to send from", replaced(FOUR, interface="eth0"), [link("eth0", "fe80::1/64")]),
    (
        "source address 10.9.0.7 is not on interface eth0",
        replaced(FOUR, source_address="10.9.0.7"),
        [link("eth0", "10.9.0.1/24")],
    ),
    ("interface eth0 has no IPv6 link-local address to send from", SIX, [link("eth0", "fd09::1/64")]),
    (
        "the IPv6 link-local address of interface eth0 is still tentative",
        SIX,
        [link("eth0", "fd09::1/64", on("fe80::1/64", tentative=True))],
    ),
]


@pytest.mark.parametrize(("reason", "configuration", "links"), NOT_FOUND)
def test_not_found(reason: str, configuration: RouterConfiguration, links: list[Interface]) -> None:
    with pytest.raises(Unbound) as raised:
        bind(configuration, {known.name: known for known in links})
    assert str(raised.value) == reason


LINKS = {"eth0": link("eth0", "10.9.0.1/24", "fd09::1/64", "fe80::1/64")}


@pytest.mark.parametrize(
    ("fields", "wire"),
    [
        ({}, ["fe80::200:5eff:fe00:233", "fd09::100"]),
        ({"link_local": "None"}, ["fd09::100"]),
        ({"addresses": ("fd09::100/128", "fe80::100/128")}, ["fe80::100", "fd09::100"]),
    ],
)
@pytest.mark.rule("9568-5.2.9-link-local")
def test_the_first_ipv6_address_is_the_virtual_routers_link_local_one(fields: dict[str, Any], wire: list[str]) -> None:
    """RFC 9568 5.2.9: for IPv6 "the first address MUST be the IPv6 link-local address associated with the Virtual Router"."""
    assert bind(replaced(SIX, **fields), LINKS).wire.addresses == tuple(map(packed, wire))


def test_the_derived_address_is_made_of_the_virtual_mac() -> None:
    """RFC 9568 7.3: 00-00-5E-00-02-{VRID}; as modified EUI-64 the universal bit is flipped."""
    assert derived_link_local(1) == packed("fe80::200:5eff:fe00:201")
    assert derived_link_local(255) == packed("fe80::200:5eff:fe00:2ff")


def test_the_rest_of_the_wire_comes_from_the_configuration() -> None:
    wire = bind(replaced(FOUR, version=2, password="longpassword", ipv4_checksum="MessageOnly"), LINKS).wire
    assert (wire.version, wire.virtual_router_id, wire.interval) == (2, 51, 1_000_000_000)
    assert (wire.password, wire.checksum_form) == (b"longpass", "MessageOnly")
