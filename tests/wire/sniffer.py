"""What a host's interface sees except UDP, with the kernel's timestamps, read by scapy: another eye than the product's own."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Self

from lab.network import Host
from scapy.layers.inet import IP
from scapy.layers.inet6 import ICMPv6ND_NA, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vrrp import VRRP, VRRPv3

_SO_TIMESTAMPNS, _SO_RCVBUFFORCE, _SO_ATTACH_FILTER = 35, 33, 26
_ALL = 0x0003
_ROOM = 128 * 1024 * 1024
_UDP = 17
# Classic BPF over the frame: load the Ethernet type; of IPv4 and IPv6 the protocol; what is UDP ends here, a client may probe.
_ALL_BUT_UDP = [
    (0x28, 0, 0, 12),
    (0x15, 0, 2, 0x0800),
    (0x30, 0, 0, 23),
    (0x15, 3, 4, _UDP),
    (0x15, 0, 3, 0x86DD),
    (0x30, 0, 0, 20),
    (0x15, 0, 1, _UDP),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFF),
]

Frame = tuple[int, Ether]
"""Nanoseconds of the wall clock, and the frame."""


class Sniffer:
    """`with Sniffer(host) as seen:` keeps all frames from then on; the properties show what came so far."""

    def __init__(self, host: Host, interface: str = "eth0") -> None:
        self.frames: list[Frame] = []
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._interface = interface

    def __enter__(self) -> Self:
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _ALL_BUT_UDP))
        filter_ = struct.pack("HP", len(_ALL_BUT_UDP), ctypes.addressof(program))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)
        self._socket.bind((self._interface, _ALL))
        self._socket.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _read(self) -> list[Frame]:
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(2048, 64)
            except BlockingIOError:
                return self.frames
            seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2][:16])
            self.frames.append((seconds * 1_000_000_000 + nanoseconds, Ether(data)))

    def advertisements(self, source: str, router_id: int = 51) -> list[tuple[int, int]]:
        """When and with which priority a host advertised."""
        return [
            (at, priority)
            for at, frame, priority in self._vrrp(router_id)
            if (frame.getlayer(IP) or frame[IPv6]).src == source
        ]

    def senders(self, router_id: int) -> list[tuple[int, str, int]]:
        """When, from which address and with which priority somebody advertised."""
        return [(at, str(frame.payload.src), priority) for at, frame, priority in self._vrrp(router_id)]

    def _vrrp(self, router_id: int) -> list[tuple[int, Ether, int]]:
        found = []
        for at, frame in self._read():
            message = frame.payload.payload  # not the one that an ICMP error quotes
            if isinstance(message, VRRP | VRRPv3) and message.vrid == router_id:
                found.append((at, frame, int(message.priority)))
        return found

    def gratuitous_arps(self, address: str) -> list[tuple[int, str]]:
        """When and from which hardware address an ARP request announced the address."""
        return [
            (at, str(frame[ARP].hwsrc))
            for at, frame in self._read()
            if ARP in frame and frame[ARP].op == 1 and frame[ARP].psrc == frame[ARP].pdst == address
        ]

    def neighbor_advertisements(self, address: str) -> list[tuple[int, Ether]]:
        return [(at, frame) for at, frame in self._read() if ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].tgt == address]


def send(host: Host, *frames: Ether, interface: str = "eth0") -> None:
    """Put frames on the wire as they are."""
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        for frame in frames:
            sender.sendto(bytes(frame), (interface, 0))
