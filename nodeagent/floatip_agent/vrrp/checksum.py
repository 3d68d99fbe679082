"""Checksums of RFC 9568 5.2.8 and RFC 5798 5.2.8 over VRRP messages."""

from __future__ import annotations

import struct

PROTOCOL = 112


def internet_checksum(data: bytes) -> int:
    """The 16-bit one's complement of the one's complement sum (RFC 1071); 0 for data that carries its right checksum."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """What is summed before the message (RFC 8200 8.1). IPv4's of RFC 793 has the same words in another order: the sum is one."""
    return source + destination + struct.pack("!I3xB", length, PROTOCOL)
