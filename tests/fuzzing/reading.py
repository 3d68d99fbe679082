"""What the RFCs say of a received packet, read a second time and written another way than `packet.decode`.

Whole-number arithmetic instead of structs, one sentence after the other instead of an ordered ladder. Only whether a packet is accepted and
what it then says is compared, not which of several rules it broke first.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac

from floatip_agent.vrrp.packet import Wire

GROUPS = bytes((224, 0, 0, 18)), bytes((0xFF, 2)) + bytes(13) + bytes((0x12,))


@dataclasses.dataclass(frozen=True, slots=True)
class Packet:
    """A VRRP message as the IP layer hands it over."""

    message: bytes
    source: bytes
    destination: bytes
    ttl: int


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """What an accepted packet says; `interval` in nanoseconds, `sequence` None for an unsigned one."""

    priority: int
    interval: int
    addresses: tuple[bytes, ...]
    sequence: int | None


def read(wire: Wire, packet: Packet) -> Said | None:
    """None for what must be discarded."""
    message, size = packet.message, len(packet.source)
    # RFC 9568 5.2: the fixed part is two 32-bit words.
    if len(message) < 8:
        return None
    bare = 8 + message[3] * size + (8 if wire.version == 2 else 0)
    trailer = message[bare:]
    is_signed = wire.keyring is not None and len(trailer) == 28
    rules = (
        message[0] == wire.version * 16 + 1,
        message[1] == wire.virtual_router_id,
        message[3] > 0,
        len(message) == bare or is_signed,
        packet.ttl == 255 or bool(wire.peers),
        packet.source in wire.peers if wire.peers else packet.destination in GROUPS,
        packet.destination not in GROUPS or not wire.peers,
    )
    if not all(rules) or not _is_summed(wire, packet, message[:bare], trailer):
        return None
    if wire.version == 2:
        return _read_version_2(wire, message, size)
    interval = (message[4] % 16 * 256 + message[5]) * 10_000_000
    if not interval or not _is_authentic(wire, packet, message[:bare], trailer):
        return None
    sequence = int.from_bytes(trailer[4:12], "big") if is_signed else None
    return Said(message[2], interval, _addresses(message, size), sequence)


def _read_version_2(wire: Wire, message: bytes, size: int) -> Said | None:
    """RFC 3768 7.1 and RFC 2338 7.1: authentication type, data and interval are the receiver's own."""
    data = message[-8:] if wire.password is not None else None
    if message[4] != (wire.password is not None) or data != wire.password:
        return None
    interval = message[5] * 1_000_000_000
    return Said(message[2], interval, _addresses(message, size), None) if interval == wire.interval else None


def _addresses(message: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(message[start : start + size] for start in range(8, 8 + size * message[3], size))


def _is_summed(wire: Wire, packet: Packet, message: bytes, trailer: bytes) -> bool:
    """The sum of 16-bit words in one's complement is that of the whole number modulo 65535."""
    if wire.version == 2:
        return _is_zero(message)
    if len(packet.source) == 16:
        whole = message + trailer
        length = len(whole).to_bytes(4, "big")
        return _is_zero(packet.source + packet.destination + length + b"\0\0\0\x70" + whole)
    before = packet.source, b"\0\x70", len(message).to_bytes(2, "big"), message
    group = wire.peers and _is_zero(GROUPS[0] + b"".join(before))
    return _is_zero(message) or _is_zero(packet.destination + b"".join(before)) or bool(group)


def _is_zero(data: bytes) -> bool:
    return int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF == 0


def _is_authentic(wire: Wire, packet: Packet, message: bytes, trailer: bytes) -> bool:
    """vrrp_auth_hmac.c of keepalived 2.4: type, key ID, reserved, sequence; the tag over a pseudo header, message and trailer."""
    if wire.keyring is None:
        return True
    if not trailer:
        return wire.keyring.mode != "Enforce"
    key = dict(wire.keyring.keys).get(trailer[1])
    if key is None or trailer[0] != 1 or trailer[2:4] != b"\0\0":
        return False
    family = b"\x04" if len(packet.source) == 4 else b"\x06"
    covered = [family, b"\x03", message[1:2], b"\0", packet.source.ljust(16, b"\0"), message[:6], b"\0\0", message[8:]]
    covered += [trailer[:12], bytes(16)]
    return hmac.new(key, b"".join(covered), hashlib.sha256).digest()[:16] == trailer[12:]
