"""HMAC-SHA256 authentication of version 3, in the form of keepalived 2.4's `auth_hmac`: a trailer of 28 bytes behind the message.

The trailer is type 1, key ID, two zero bytes, a 64-bit sequence and the first 16 bytes of the HMAC. The HMAC covers family,
version, virtual router ID and source address, then the message and the trailer with both checksum and HMAC as zero. The destination is
not covered: one signature serves all unicast peers.

A sequence is Unix time in units of 2^-32 s as long as the clock moves forward, and always greater than the one before. A receiver
compares it with the last one of the same sender and key and never with its own clock, so a clock that jumps refuses nothing.
"""

from __future__ import annotations

import dataclasses
import hmac
import struct
from collections.abc import Mapping
from typing import Literal

TRAILER_LENGTH = 28
SHORTEST_KEY, LONGEST_KEY = 32, 64
"""Bytes of a key, as keepalived has it."""

Mode = Literal["ReceiveOnly", "Permissive", "Enforce"]

_SHA256 = 1
_TAG_LENGTH = 16
_TRAILER = struct.Struct("!BBHQ")
_PSEUDO_HEADER = struct.Struct("!BBBx16s")
_VERSION = 3
_RESERVED_AHEAD = 2 << 32
_MOST_SENDERS = 64
_SENT = "sent"


@dataclasses.dataclass(frozen=True, slots=True)
class Keyring:
    """`keys` by ID; `active_key_id` signs. ReceiveOnly sends unsigned and takes both, Permissive signs and takes both, Enforce signs
    and takes only what is signed. A signature that is there must be right in every mode."""

    keys: tuple[tuple[int, bytes], ...]
    active_key_id: int
    mode: Mode = "Enforce"

    @property
    def signs(self) -> bool:
        return self.mode != "ReceiveOnly"

    def key(self, key_id: int) -> bytes | None:
        return next((key for known, key in self.keys if known == key_id), None)


@dataclasses.dataclass(frozen=True, slots=True)
class Stamp:
    """Which key signed an advertisement, and its place among its sender's."""

    key_id: int
    sequence: int


def trailer(keyring: Keyring, message: bytes, source: bytes, sequence: int) -> bytes:
    """What is appended to the message, signed with the active key."""
    key = keyring.key(keyring.active_key_id)
    assert key is not None
    head = _TRAILER.pack(_SHA256, keyring.active_key_id, 0, sequence)
    return head + _tag(key, message, source, head)


def verify(keyring: Keyring, message: bytes, signature: bytes, source: bytes) -> Stamp | None:
    """The stamp of a trailer that one of the keys made for this message and source, else None."""
    kind, key_id, reserved, sequence = _TRAILER.unpack_from(signature)
    key = keyring.key(key_id)
    if kind != _SHA256 or reserved or key is None:
        return None
    head, tag = signature[: _TRAILER.size], signature[_TRAILER.size :]
    return Stamp(key_id, sequence) if hmac.compare_digest(_tag(key, message, source, head), tag) else None


def _tag(key: bytes, message: bytes, source: bytes, head: bytes) -> bytes:
    family = 4 if len(source) == 4 else 6
    covered = _PSEUDO_HEADER.pack(family, _VERSION, message[1], source)
    covered += message[:6] + b"\0\0" + message[8:] + head + bytes(_TAG_LENGTH)
    return hmac.digest(key, covered, "sha256")[:_TAG_LENGTH]


class HighWaterMarks:
    """The last sequence that was sent, and the last that was accepted of each sender and key: what a replay cannot pass.

    `changed` holds what was raised since it was last taken; whoever keeps it (`known` on the next start) refuses replays across
    restarts. The sent mark is reserved two seconds ahead, so that it need not be kept for each advertisement.
    """

    def __init__(self, known: Mapping[str, int] = {}) -> None:
        self._marks = dict(known)
        self._sent = self._reserved = self._marks.get(_SENT, 0)
        self._changed: dict[str, int] = {}

    @property
    def marks(self) -> Mapping[str, int]:
        return self._marks

    def take_changed(self) -> Mapping[str, int]:
        changed, self._changed = self._changed, {}
        return changed

    def next_sequence(self, unix_time: float) -> int:
        """For the next advertisement; `unix_time` in seconds."""
        self._sent = max(int(unix_time * 65536) << 16, self._sent + 1)
        if self._sent >= self._reserved:
            self._reserved = self._sent + _RESERVED_AHEAD
            self._raise(_SENT, self._reserved)
        return self._sent

    def accept(self, stamp: Stamp, source: bytes) -> bool:
        """False for a replay: a sequence that is not greater than the sender's last one with this key."""
        sender = f"{stamp.key_id}/{source.hex()}"
        last = self._marks.get(sender)
        if last is not None and stamp.sequence <= last:
            return False
        if last is None and len(self._marks) > _MOST_SENDERS:
            # All have proved that they hold a key; one that speaks no more goes first.
            del self._marks[min((name for name in self._marks if name != _SENT), key=lambda name: self._marks[name])]
        self._raise(sender, stamp.sequence)
        return True

    def _raise(self, name: str, mark: int) -> None:
        self._marks[name] = self._changed[name] = mark
