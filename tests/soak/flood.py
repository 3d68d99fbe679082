"""`python -m soak.flood KIND RATE SECONDS PERIOD_MS VRID...`: a hostile neighbour on eth0. Prints the rate that it reached.

KIND `garbage`: frames of random bytes, half of them as VRRP over IPv4 or IPv6, of these one in eight with a router ID of the victim.
KIND `routers`: advertisements as other routers would send them, with foreign router IDs and with the victim's: at the lowest
priority (which must not move anybody), from off the link, with a wrong checksum, of another version, of another length.
"""

from __future__ import annotations

import ctypes
import os
import random
import socket
import sys
import time
from collections.abc import Sequence

from floatip_agent.vrrp import packet
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

BATCH = 100
POOL = 2000
"""Different frames, sent in turn."""
PROTOCOL = 112
CENTISECOND = 10_000_000


class _IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _MsgHdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("iov", ctypes.POINTER(_IoVec)),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _MMsgHdr(ctypes.Structure):
    _fields_ = [("header", _MsgHdr), ("length", ctypes.c_uint)]


class Batch:
    """Frames that leave with one sendmmsg(2)."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._buffers = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
        self._vectors = [_IoVec(ctypes.addressof(buffer), len(buffer)) for buffer in self._buffers]
        headers = [_MsgHdr(iov=ctypes.pointer(vector), iov_length=1) for vector in self._vectors]
        self._messages = (_MMsgHdr * len(frames))(*(_MMsgHdr(header) for header in headers))

    def send(self, libc: ctypes.CDLL, descriptor: int) -> int:
        """How many left."""
        return max(0, int(libc.sendmmsg(descriptor, self._messages, len(self._messages), 0)))


def garbage(chance: random.Random, victims: Sequence[int]) -> bytes:
    source = bytes.fromhex("0200000000") + bytes((chance.randrange(256),))
    noise = chance.randbytes(chance.choice((0, 1, 7, 8, 12, 20, 40, 200, 1400)))
    match chance.randrange(4):
        case 0:
            return b"\xff" * 6 + source + chance.randbytes(2) + noise
        case 1:
            return b"\xff" * 6 + source + bytes.fromhex(chance.choice(("0800", "0806", "86dd"))) + noise
        case 2:
            below = IP(src="10.9.0.66", dst="224.0.0.18", proto=PROTOCOL, ttl=255)
            frame = Ether(src=source, dst="01:00:5e:00:00:12") / below / Raw(_for_one(chance, noise, victims))
        case _:
            below = IPv6(src="fe80::66", dst="ff02::12", nh=PROTOCOL, hlim=255)
            frame = Ether(src=source, dst="33:33:00:00:00:12") / below / Raw(_for_one(chance, noise, victims))
    return bytes(frame)


def _for_one(chance: random.Random, noise: bytes, victims: Sequence[int]) -> bytes:
    if chance.randrange(8) or len(noise) < 2:
        return noise
    return noise[:1] + bytes((chance.choice(victims),)) + noise[2:]


def advertisement(chance: random.Random, victims: Sequence[int], period: int) -> bytes:
    """`period` in nanoseconds."""
    source, ttl, priority = f"10.9.0.{chance.randrange(60, 70)}", 255, 254
    foreign = [number for number in range(1, 256) if number not in victims]
    is_foreign = chance.randrange(2) == 0
    number = chance.choice(foreign if is_foreign else victims)
    wire = packet.Wire(3, number, period, (bytes((10, 9, 1, number)),))
    kind = "good" if is_foreign else chance.choice(("lowest", "ttl", "checksum", "version", "length"))
    if kind == "lowest":
        priority = 1
    if kind == "ttl":
        ttl = chance.randrange(1, 255)
    if kind == "version":
        wire = packet.Wire(2, number, 1_000_000_000, wire.addresses)
    message = packet.encode(wire, priority, socket.inet_aton(source), packet.MULTICAST_IPV4)
    if kind == "checksum":
        message = message[:6] + bytes((message[6] ^ 0x55, message[7])) + message[8:]
    if kind == "length":
        message = message[: chance.randrange(len(message))]
    below = IP(src=source, dst="224.0.0.18", proto=PROTOCOL, ttl=ttl)
    return bytes(Ether(src="02:00:00:00:00:66", dst="01:00:5e:00:00:12") / below / Raw(message))


def main(kind: str, rate: int, seconds: int, period_milliseconds: int, *victims: int) -> None:
    chance = random.Random(1)
    make = garbage if kind == "garbage" else None
    period = period_milliseconds * 1_000_000
    frames = [make(chance, victims) if make else advertisement(chance, victims, period) for _ in range(POOL)]
    batches = [Batch(frames[start : start + BATCH]) for start in range(0, POOL, BATCH)]
    libc = ctypes.CDLL(None, use_errno=True)
    # A hostile host has processors of its own; here it goes before everything but the engines, whose priority is 50.
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    sent, place = 0, 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind(("eth0", 0))
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds:
            ahead = sent / rate - elapsed
            if ahead > 0:
                time.sleep(ahead)
            sent += batches[place % len(batches)].send(libc, sender.fileno())
            place += 1
    print(round(sent / (time.monotonic() - started)))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
