"""A router that says what a test tells it to, right or wrong, over IPv4 multicast."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Self

from floatip_agent.vrrp import checksum, packet
from lab.network import Host
from peers.ways import Way

ABOVE, BELOW = "172.16.69.93", "172.16.69.90"
"""Source addresses: one higher and one lower than the peer's."""
GROUP = "224.0.0.18"

Change = Callable[[bytearray], None]


class Stranger:
    """`with Stranger(host) as stranger:` a raw socket on the host's eth0."""

    def __init__(self, host: Host) -> None:
        for address in (ABOVE, BELOW):
            host.add_address(f"{address}/24")
        with host.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            interface = struct.pack("4s4si", bytes(4), bytes(4), socket.if_nametoindex("eth0"))  # struct ip_mreqn
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, message: bytes, source: str = ABOVE, ttl: int = 255) -> None:
        addresses = socket.inet_aton(source) + socket.inet_aton(GROUP)
        header = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(message), 0, 0, ttl, 112, 0) + addresses
        self._socket.sendto(header + message, (GROUP, 0))


def advertisement(
    way: Way,
    priority: int = 200,
    *,
    source: str = ABOVE,
    period: int | None = None,
    address: str | None = None,
    message_only: bool = False,
    password: str | None = None,
    change: Change | None = None,
) -> bytes:
    """A good advertisement of the way's router with the way's own settings, but for what is named; `period` in
    milliseconds. What `change` does to the bytes is covered by the checksum."""
    password = way.password if password is None else password
    wire = packet.Wire(
        version=way.version,
        virtual_router_id=way.virtual_router_id,
        interval=(way.period if period is None else period) * 1_000_000,
        addresses=(socket.inet_aton(address or way.address),),
        checksum_form="MessageOnly" if message_only else "PseudoHeader",
        password=packet.padded_password(password) if password else None,
    )
    origin, to = socket.inet_aton(source), packet.MULTICAST_IPV4
    message = bytearray(packet.encode(wire, priority, origin, to))
    if change is None:
        return bytes(message)
    change(message)
    message[6:8] = bytes(2)
    head = b"" if way.version == 2 or message_only else checksum.pseudo_header(origin, to, len(message))
    message[6:8] = struct.pack("!H", checksum.internet_checksum(head + bytes(message)))
    return bytes(message)
