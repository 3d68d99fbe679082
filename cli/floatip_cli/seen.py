"""One VRRP packet as `floatip sniff` shows it: scapy takes the frame apart down to IP, the agent's own codec does the rest."""

from __future__ import annotations

import dataclasses
import datetime
import json
import socket
from collections.abc import Mapping
from typing import Any

from floatip_agent.vrrp import checksum, timers
from floatip_agent.vrrp.authentication import TRAILER_LENGTH, Keyring
from floatip_agent.vrrp.packet import MULTICAST_IPV4, MULTICAST_IPV6, Advertisement, DropReason, Wire, decode

Keys = Mapping[int, bytes]
_SHORTEST = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """An HMAC-SHA256 trailer. `is_valid` is None when its key is not known here."""

    key_id: int
    sequence: int
    is_valid: bool | None

    def __str__(self) -> str:
        checked = {None: "not checked", True: "valid", False: "wrong"}[self.is_valid]
        return f"HMAC key {self.key_id} sequence {self.sequence} ({checked})"


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What could be read; `fault` says why a router would not take it, in the words of the metrics' `reason`. `interval` in nanoseconds."""

    at: float
    interface: str | None
    source: str
    destination: str
    ttl: int
    length: int
    version: int | None = None
    virtual_router_id: int | None = None
    priority: int | None = None
    interval: int | None = None
    count: int | None = None
    addresses: tuple[str, ...] = ()
    has_password: bool = False
    signature: Signature | None = None
    fault: str | None = None

    def to_text(self) -> str:
        at = datetime.datetime.fromtimestamp(self.at).strftime("%H:%M:%S.%f")  # noqa: DTZ006 - the reader's own clock
        return f"{at} {self.source} > {self.destination} {self._contents()}"

    def to_json(self) -> str:
        """One line; every key is always there."""
        at = datetime.datetime.fromtimestamp(self.at, datetime.UTC).isoformat(timespec="microseconds")
        return json.dumps({
            "time": at,
            "interface": self.interface,
            "source": self.source,
            "destination": self.destination,
            "ttl": self.ttl,
            "version": self.version,
            "virtualRouterID": self.virtual_router_id,
            "priority": self.priority,
            "intervalMilliseconds": None if self.interval is None else self.interval // 1_000_000,
            "addresses": list(self.addresses),
            "authentication": "Password" if self.has_password else "HMACSHA256" if self.signature else None,
            "keyID": self.signature and self.signature.key_id,
            "sequence": self.signature and self.signature.sequence,
            "signatureValid": self.signature and self.signature.is_valid,
            "fault": self.fault,
        })  # fmt: skip

    def _contents(self) -> str:
        if self.version is None:
            return f"VRRP, cut off after {self.length} bytes"
        name = f"VRRPv{self.version} router {self.virtual_router_id}"
        if self.fault == DropReason.BAD_TTL:
            return f"{name} priority {self.priority}, {self.count} addresses: {self.fault} ({self.ttl})"
        if self.fault:
            return f"{name} priority {self.priority}, {self.count} addresses: {self.fault}"
        role = {0: " (leaving)", 255: " (owner)"}.get(self.priority or 0, "")
        authentication = ", password" if self.has_password else f", {self.signature}" if self.signature else ""
        every = f"every {(self.interval or 0) // 1_000_000} ms"
        return f"{name} priority {self.priority}{role}, {every}{authentication}: {', '.join(self.addresses)}"


def read(frame: Any, keys: Keys) -> Seen | None:
    """None for a frame that is not VRRP. `keys` by ID check signatures."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    if frame.haslayer(IP) and frame[IP].proto == checksum.PROTOCOL:
        layer, ttl = frame[IP], frame[IP].ttl
        message = bytes(layer.payload)[: layer.len - layer.ihl * 4]
    elif frame.haslayer(IPv6) and frame[IPv6].nh == checksum.PROTOCOL:
        layer, ttl = frame[IPv6], frame[IPv6].hlim
        message = bytes(layer.payload)[: layer.plen]
    else:
        return None
    interface = getattr(frame, "sniffed_on", None)
    seen = Seen(float(frame.time), interface, layer.src, layer.dst, ttl, len(message))
    return _decoded(seen, message, keys)


def _decoded(seen: Seen, message: bytes, keys: Keys) -> Seen:
    if len(message) < _SHORTEST:
        return dataclasses.replace(seen, fault=DropReason.TRUNCATED)
    head, virtual_router_id, priority, count, high, low = message[:6]
    version = head >> 4
    interval = low * timers.SECOND if version == 2 else ((high << 8 | low) & 0x0FFF) * timers.CENTISECOND
    seen = dataclasses.replace(
        seen,
        version=version,
        virtual_router_id=virtual_router_id,
        priority=priority,
        interval=interval,
        count=count,
        has_password=version == 2 and high == 1,
    )
    if version not in {2, 3}:
        return dataclasses.replace(seen, fault=DropReason.WRONG_VERSION)
    source, destination = _packed(seen.source), _packed(seen.destination)
    is_multicast = destination in {MULTICAST_IPV4, MULTICAST_IPV6}
    end = _SHORTEST + count * len(source)
    trailer = message[end:] if version == 3 and len(message) == end + TRAILER_LENGTH else b""
    wire = Wire(
        version=version,
        virtual_router_id=virtual_router_id,
        interval=interval,
        addresses=(bytes(len(source)),),
        password=message[-8:] if seen.has_password else None,
        keyring=Keyring(tuple(keys.items()), trailer[1]) if trailer else None,
        peers=frozenset() if is_multicast else frozenset({source}),
    )
    outcome = decode(wire, message, source, destination, seen.ttl)
    fault = None if isinstance(outcome, Advertisement) else outcome
    if trailer:
        is_valid = None if trailer[1] not in keys else fault != DropReason.AUTHENTICATION_FAILED
        seen = dataclasses.replace(seen, signature=Signature(trailer[1], _sequence(trailer), is_valid))
        if is_valid is None and fault == DropReason.AUTHENTICATION_FAILED:
            fault = None if interval else DropReason.ZERO_INTERVAL  # what a router that has the key checks next
    if fault is not None:
        return dataclasses.replace(seen, fault=fault.value)
    listed = (message[start : start + len(source)] for start in range(_SHORTEST, end, len(source)))
    return dataclasses.replace(seen, addresses=tuple(map(_text, listed)))


def _sequence(trailer: bytes) -> int:
    return int.from_bytes(trailer[4:12], "big")


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)
