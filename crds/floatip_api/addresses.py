"""What an address is: each check returns the fault's text, None for none; a later one lets pass what an earlier one refuses.

They say what the API server's CEL says; Go's netip and Python's ipaddress differ in what they let pass.
"""

from __future__ import annotations

import ipaddress


def is_ip(text: str) -> bool:
    """CEL's isIP: Python lets scopes (fe80::1%eth0) and IPv4-mapped addresses pass."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text and not (address.version == 6 and address.ipv4_mapped)


def is_cidr(text: str) -> bool:
    """CEL's isCIDR: Python lets netmasks and leading zeros pass instead of a prefix length."""
    address, _, length = text.partition("/")
    if not is_ip(address) or not (length.isascii() and length.isdecimal()) or length != str(int(length)):
        return False
    return int(length) <= ipaddress.ip_address(address).max_prefixlen


def prefix_length_given(text: str) -> str | None:
    if not is_ip(text):
        return None
    return f"{text}: the prefix length of its subnet is missing: write {text}/{64 if ':' in text else 24} or what it is"


def interface_address(text: str) -> str | None:
    if is_cidr(text) or is_ip(text):
        return None
    return f"{text}: must be an address with its subnet's prefix length, as in 192.0.2.1/24 or 2001:db8::1/64"


def canonical_interface(text: str) -> str | None:
    if not is_cidr(text) or str(ipaddress.ip_interface(text)) == text:
        return None
    return f"{text}: must be in canonical text: write {ipaddress.ip_interface(text)}"


def canonical_address(text: str) -> str | None:
    if not is_ip(text) or str(ipaddress.ip_address(text)) != text:
        return f"{text}: must be an IP address in canonical text, without a prefix length"
    return None


def subnet(text: str) -> str | None:
    if is_cidr(text) and str(ipaddress.ip_interface(text).network) == text:
        return None
    return f"{text}: must be a subnet in canonical text, as in 10.50.0.0/16"


def destination(text: str) -> str | None:
    return None if text == "default" or subnet(text) is None else f"{subnet(text)}, or default"


def link_local_source(text: str) -> str | None:
    if not is_ip(text) or ":" not in text or ipaddress.ip_address(text).is_link_local:
        return None
    return f"{text}: over IPv6 advertisements come from a link-local address (RFC 9568, 5.1.2.1)"


def unicast(text: str) -> str | None:
    if not is_cidr(text):
        return None
    address = ipaddress.ip_interface(text).ip
    is_broadcast = str(address) == "255.255.255.255"
    if address.is_multicast or address.is_loopback or address.is_unspecified or is_broadcast:
        return f"{text}: must be a unicast address, not loopback, multicast, broadcast or unspecified"
    return None


def not_the_network(text: str) -> str | None:
    if not is_cidr(text):
        return None
    interface = ipaddress.ip_interface(text)
    if interface.ip != interface.network.network_address or interface.network.num_addresses <= 2:
        return None
    return f"{text}: must be an address in the subnet, not the subnet itself"


def not_everything(text: str) -> str | None:
    return f"{text}: the prefix length must be at least 1" if is_cidr(text) and text.endswith("/0") else None


def unique_addresses(addresses: list[str]) -> str | None:
    plain = [text.split("/")[0] for text in addresses]
    return None if len(plain) == len(set(plain)) else "must be unique, whatever their prefix length"


def is_ipv4(text: str) -> bool:
    return ":" not in text
