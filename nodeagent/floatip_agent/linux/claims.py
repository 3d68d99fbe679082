"""Who else on a link says that an address is theirs: ARP and Neighbor Advertisements as they arrive, of the listed addresses only,
and the questions that make them come.

Frames that this node sends do not come back to these sockets.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import socket
import struct
from collections.abc import Collection

from floatip_agent.configuration import Family
from floatip_agent.linux import packet_filter
from floatip_agent.ports import Interface

_ETH_P_ARP = 0x0806
_ARP_OF_IPV4_ON_ETHERNET = bytes.fromhex("000108000604")
_ARP_LENGTH = 28
_SO_BINDTODEVICE = 25
_ICMP6_FILTER = 1
_NEIGHBOR_SOLICITATION, _NEIGHBOR_ADVERTISEMENT = 135, 136
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")
_BROADCAST = b"\xff" * 6
_SOURCE_LINK_LAYER_ADDRESS, _TARGET_LINK_LAYER_ADDRESS = 1, 2
_HOP_LIMIT = 255
_RECEIVE_BUFFER = 64 * 1024
_LARGEST = 512
_SIOCGIFHWADDR = 0x8927
# ld [14]: the sender's protocol address; an AF_PACKET socket of datagrams begins with the ARP header.
_ARP_PROLOGUE = ((0x20, 0, 0, 14),)
# ld [20]: the last four bytes of the target; an ICMPv6 raw socket begins with the ICMPv6 header.
_NEIGHBOR_PROLOGUE = ((0x20, 0, 0, 20),)


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the wire: this address is at this hardware address. Both packed."""

    address: bytes
    mac: bytes


class ClaimSocket:
    """On one interface and of one family. Raises OSError where that is not to be had."""

    def __init__(self, interface: Interface, family: Family) -> None:
        self._family = family
        self._interface = interface
        self._prologue = _ARP_PROLOGUE if family == "IPv4" else _NEIGHBOR_PROLOGUE
        self._socket = _arp_socket() if family == "IPv4" else _neighbor_socket(interface)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            self.listen_to(())
            if family == "IPv4":
                self._socket.bind((interface.name, _ETH_P_ARP))
        except OSError:
            self._socket.close()
            raise

    def listen_to(self, addresses: Collection[bytes]) -> None:
        """Only claims to these; an IPv6 address that ends like one of them may come through."""
        values = (int.from_bytes(address[-4:], "big") for address in addresses)
        packet_filter.attach(self._socket, packet_filter.accept(self._prologue, values))

    def receive(self) -> Claim | None:
        """One claim, or None when nothing is there; what is malformed is passed over. Never blocks.
        Raises OSError when the link is gone."""
        read = _arp if self._family == "IPv4" else _neighbor
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(_LARGEST, 64)
            except BlockingIOError:
                return None
            if (claim := read(data, ancillary)) is not None:
                return claim

    def ask(self, address: bytes, source: bytes) -> None:
        """Who has the address? Asked from one of the node's own, so that nobody's neighbour entry of the address moves. Raises OSError."""
        mac = _hardware_address(self._socket, self._interface.name)
        if self._family == "IPv4":
            question = _ARP_OF_IPV4_ON_ETHERNET + b"\0\1" + mac + source + bytes(6) + address
            self._socket.sendto(question, (self._interface.name, _ETH_P_ARP, 0, 0, _BROADCAST))
            return
        # RFC 4861 4.3: the source link-layer address "MUST be included in multicast solicitations".
        option = struct.pack("!BB", _SOURCE_LINK_LAYER_ADDRESS, 1) + mac
        question = struct.pack("!BBHI", _NEIGHBOR_SOLICITATION, 0, 0, 0) + address + option
        to = socket.inet_ntop(socket.AF_INET6, _SOLICITED_NODE + address[-3:])
        information = struct.pack("=16si", source, self._interface.index)
        ancillary = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, information)]
        self._socket.sendmsg([question], ancillary, 0, (to, 0, 0, self._interface.index))

    def close(self) -> None:
        self._socket.close()


def own_hardware_addresses() -> frozenset[bytes]:
    """Of every interface of the network namespace."""
    found = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # gone meanwhile
                found.add(_hardware_address(any_socket, name))
    return frozenset(found)


def _hardware_address(any_socket: socket.socket, interface: str) -> bytes:
    return fcntl.ioctl(any_socket, _SIOCGIFHWADDR, struct.pack("16s24x", interface.encode()))[18:24]


def _arp_socket() -> socket.socket:
    return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)


def _neighbor_socket(interface: Interface) -> socket.socket:
    """Not a packet socket: that would look at every IPv6 packet of the node."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    opened = socket.socket(socket.AF_INET6, kind, socket.IPPROTO_ICMPV6)
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.name.encode() + b"\0")
        blocked = bytearray(b"\xff" * 32)
        struct.pack_into(
            "=I", blocked, _NEIGHBOR_ADVERTISEMENT // 32 * 4, ~(1 << _NEIGHBOR_ADVERTISEMENT % 32) & 0xFFFFFFFF
        )
        opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, bytes(blocked))
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOP_LIMIT)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    except OSError:
        opened.close()
        raise
    return opened


Ancillary = list[tuple[int, int, bytes]]


def _arp(data: bytes, _: Ancillary) -> Claim | None:
    if len(data) < _ARP_LENGTH or data[:6] != _ARP_OF_IPV4_ON_ETHERNET:
        return None
    return Claim(data[14:18], data[8:14])


def _neighbor(data: bytes, ancillary: Ancillary) -> Claim | None:
    """RFC 4861 7.1.2: hop limit 255, code 0. Without a target link-layer address it moves nobody's neighbour entry."""
    hop_limits = [
        value for level, kind, value in ancillary if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)
    ]
    if hop_limits != [struct.pack("=i", _HOP_LIMIT)] or len(data) < 24 or data[1] != 0:
        return None
    options = data[24:]
    while len(options) >= 8 and options[1]:
        if options[0] == _TARGET_LINK_LAYER_ADDRESS:
            return Claim(data[8:24], options[2:8])
        options = options[options[1] * 8 :]
    return None
