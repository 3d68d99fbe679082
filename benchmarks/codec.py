"""`python -m benchmarks.codec`: advertisements to bytes and back, ours and scapy's in one run."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable

from floatip_agent.vrrp.packet import MULTICAST_IPV4, MULTICAST_IPV6, Wire, decode, encode, padded_password
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.vrrp import VRRP, VRRPv3

from benchmarks import timing

SECOND = 1_000_000_000
OWN = socket.inet_aton("10.9.0.1")
OWN6 = socket.inet_pton(socket.AF_INET6, "fe80::1")
ONE = Wire(3, 51, SECOND, (socket.inet_aton("10.9.0.100"),))
TWENTY = dataclasses.replace(ONE, addresses=tuple(bytes((10, 9, 0, 100 + index)) for index in range(20)))
GUIDE = dataclasses.replace(ONE, version=2, password=padded_password("tan124"))
SIX = Wire(3, 51, SECOND, tuple(socket.inet_pton(socket.AF_INET6, text) for text in ("fe80::100", "fd09::100")))


def compare(name: str, wire: Wire) -> None:
    is_ipv4 = wire.address_length == 4
    source, group = (OWN, MULTICAST_IPV4) if is_ipv4 else (OWN6, MULTICAST_IPV6)
    message = encode(wire, 100, source, group)
    timing.measure(f"{name}: encode", lambda: encode(wire, 100, source, group), calls=5_000)
    timing.measure(f"{name}: encode, scapy", scapys(wire), calls=50)
    timing.measure(f"{name}: check and decode", lambda: decode(wire, message, source, group, 255), calls=5_000)
    layer = VRRP if wire.version == 2 else VRRPv3
    timing.measure(f"{name}: decode, scapy (no checks)", lambda: layer(message).vrid, calls=200)


def scapys(wire: Wire) -> Callable[[], bytes]:
    """The same message built by scapy, with the IP header that its checksum needs."""
    family = socket.AF_INET if wire.address_length == 4 else socket.AF_INET6
    addresses = [socket.inet_ntop(family, address) for address in wire.addresses]
    below = IP(src="10.9.0.1", dst="224.0.0.18") if family == socket.AF_INET else IPv6(src="fe80::1", dst="ff02::12")
    if wire.version == 2:
        return lambda: bytes(below / VRRP(vrid=51, authtype=1, auth1=1, auth2=2, addrlist=addresses))
    return lambda: bytes(below / VRRPv3(vrid=51, addrlist=addresses))


if __name__ == "__main__":
    timing.header()
    compare("version 3, IPv4, 1 address", ONE)
    compare("version 3, IPv4, 20 addresses", TWENTY)
    compare("version 2, password, 1 address", GUIDE)
    compare("version 3, IPv6, 2 addresses", SIX)
