"""Raw sockets for VRRP of one family on one interface: the multicast group, and what is sent to the node itself."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from floatip_agent.configuration import Family
from floatip_agent.linux import packet_filter
from floatip_agent.ports import AdvertisementSocket, Interface, Packet
from floatip_agent.vrrp import packet
from floatip_agent.vrrp.checksum import PROTOCOL

_SO_BINDTODEVICE, _SO_PRIORITY = 25, 12
_IP_PKTINFO, _IP_TRANSPARENT, _IP_MULTICAST_ALL = 8, 19, 49
_IPV6_MULTICAST_ALL, _IPV6_TRANSPARENT = 29, 75
# Transparent: a source address that was just taken out may still say goodbye (priority 0); without it the kernel refuses to send.
_INTERNETWORK_CONTROL = 0xC0  # the type of service of keepalived's advertisements
_PRIORITY_CONTROL = 6
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 1024 * 1024
"""Bytes: what 250 routers say in a second at 0.1 s fits, so that a pause of the node loses no proof of life."""
_LARGEST = 8 + 255 * 16 + 60


# ldxb 4*([0]&0xf); ldb [x+1]: an IPv4 raw socket's packet begins with the IP header.
_IPV4_PROLOGUE = ((0xB1, 0, 0, 0), (0x50, 0, 0, 1))
# ldb [1]: an IPv6 raw socket's packet begins with the payload.
_IPV6_PROLOGUE = ((0x30, 0, 0, 1),)


class _RawSocket:
    """What both families share. The socket belongs to one interface; when that goes, it is closed and made anew."""

    def __init__(self, interface: Interface, family: socket.AddressFamily) -> None:
        self._interface = interface
        self._socket = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, PROTOCOL)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.name.encode() + b"\0")
            self._enlarge_buffer()
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY_CONTROL)
            self._attach(())  # nothing wakes the engine before it says what it listens to
            self._join()
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def listen_to(self, virtual_router_ids: Sequence[int]) -> None:
        self._attach(virtual_router_ids)

    def close(self) -> None:
        self._socket.close()

    def _enlarge_buffer(self) -> None:
        """Past the system's limit with CAP_NET_ADMIN; up to it without, as the keeper is in its Pod."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)

    def _attach(self, virtual_router_ids: Sequence[int]) -> None:
        packet_filter.attach(self._socket, packet_filter.accept(self._prologue(), virtual_router_ids))

    def _prologue(self) -> Sequence[packet_filter.Instruction]:
        raise NotImplementedError

    def _join(self) -> None:
        raise NotImplementedError


class IPv4Socket(_RawSocket):
    """Implements `ports.AdvertisementSocket` over IPv4."""

    def __init__(self, interface: Interface) -> None:
        super().__init__(interface, socket.AF_INET)

    def _prologue(self) -> Sequence[packet_filter.Instruction]:
        return _IPV4_PROLOGUE

    def _join(self) -> None:
        member = struct.pack("=4s4si", packet.MULTICAST_IPV4, bytes(4), self._interface.index)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, packet.TTL)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, packet.TTL)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _INTERNETWORK_CONTROL)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)

    def send(self, message: bytes, source: bytes, destination: bytes) -> None:
        information = struct.pack("=i4s4s", self._interface.index, source, bytes(4))
        self._socket.sendmsg(
            [message], [(socket.IPPROTO_IP, _IP_PKTINFO, information)], 0, (socket.inet_ntoa(destination), 0)
        )

    def receive(self) -> Packet | None:
        try:
            data = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return None
        header = (data[0] & 0x0F) * 4
        (total,) = struct.unpack_from("!H", data, 2)
        return Packet(data[header:total], data[12:16], data[16:20], data[8])


class IPv6Socket(_RawSocket):
    """Implements `ports.AdvertisementSocket` over IPv6."""

    def __init__(self, interface: Interface) -> None:
        super().__init__(interface, socket.AF_INET6)

    def _prologue(self) -> Sequence[packet_filter.Instruction]:
        return _IPV6_PROLOGUE

    def _join(self) -> None:
        index = self._interface.index
        member = struct.pack("=16si", packet.MULTICAST_IPV6, index)
        ipv6 = socket.IPPROTO_IPV6
        self._socket.setsockopt(ipv6, socket.IPV6_JOIN_GROUP, member)
        self._socket.setsockopt(ipv6, socket.IPV6_MULTICAST_IF, index)
        self._socket.setsockopt(ipv6, _IPV6_MULTICAST_ALL, 0)
        self._socket.setsockopt(ipv6, socket.IPV6_MULTICAST_LOOP, 0)
        self._socket.setsockopt(ipv6, socket.IPV6_MULTICAST_HOPS, packet.TTL)
        self._socket.setsockopt(ipv6, socket.IPV6_UNICAST_HOPS, packet.TTL)
        self._socket.setsockopt(ipv6, socket.IPV6_TCLASS, _INTERNETWORK_CONTROL)
        self._socket.setsockopt(ipv6, _IPV6_TRANSPARENT, 1)
        self._socket.setsockopt(ipv6, socket.IPV6_RECVHOPLIMIT, 1)
        self._socket.setsockopt(ipv6, socket.IPV6_RECVPKTINFO, 1)

    def send(self, message: bytes, source: bytes, destination: bytes) -> None:
        information = struct.pack("=16si", source, self._interface.index)
        to = (socket.inet_ntop(socket.AF_INET6, destination), 0, 0, self._interface.index)
        self._socket.sendmsg([message], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, information)], 0, to)

    def receive(self) -> Packet | None:
        try:
            data, ancillary, _, sender = self._socket.recvmsg(_LARGEST, 128)
        except BlockingIOError:
            return None
        destination, hop_limit = packet.MULTICAST_IPV6, 0
        for _, kind, value in ancillary:
            if kind == socket.IPV6_HOPLIMIT:
                (hop_limit,) = struct.unpack("=i", value[:4])
            elif kind == socket.IPV6_PKTINFO:
                destination = value[:16]
        source = socket.inet_pton(socket.AF_INET6, sender[0].partition("%")[0])
        return Packet(data, source, destination, hop_limit)


def advertisement_socket(interface: Interface, family: Family) -> AdvertisementSocket:
    return IPv4Socket(interface) if family == "IPv4" else IPv6Socket(interface)
