"""Frames that tell a LAN where an address is now: gratuitous ARP and unsolicited Neighbor Advertisement."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from floatip_agent.ports import Interface
from floatip_agent.vrrp.checksum import internet_checksum

_BROADCAST = b"\xff" * 6
_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ICMPV6 = 58
_FLAGS = 0xA0000000  # Router, Override (RFC 9568 8.2.2: R, S and O bits are 1, 0, 1)


def gratuitous_arp(mac: bytes, address: bytes) -> bytes:
    """A broadcast ARP request in which sender and target are the address, as keepalived sends it (RFC 9568 8.1.2)."""
    head = _BROADCAST + mac + struct.pack("!H", 0x0806)
    return head + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address + _BROADCAST + address


def unsolicited_advertisement(mac: bytes, address: bytes) -> bytes:
    """A Neighbor Advertisement to all nodes (RFC 4861 4.4, RFC 9568 8.2.2), hop limit 255."""
    body = struct.pack("!BBHI", 136, 0, 0, _FLAGS) + address + struct.pack("!BB", 2, 1) + mac
    pseudo = address + _ALL_NODES + struct.pack("!I3xB", len(body), _ICMPV6)
    body = body[:2] + struct.pack("!H", internet_checksum(pseudo + body)) + body[4:]
    packet = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + address + _ALL_NODES + body
    return _ALL_NODES_MAC + mac + struct.pack("!H", 0x86DD) + packet


class PacketAnnouncer:
    """Implements `ports.Announcer` with one packet socket, which receives nothing (protocol 0)."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)

    def announce(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        if len(interface.mac) != 6:
            return  # not Ethernet: nobody keeps a neighbour table of it
        for address in addresses:
            frame = gratuitous_arp if len(address) == 4 else unsolicited_advertisement
            self._socket.sendto(frame(interface.mac, address), (interface.name, 0))
