"""The codec: VRRP messages of versions 2 and 3 for both address families.

`decode` walks the receive checks of RFC 9568 7.1 (RFC 3768 7.1 for version 2) in a fixed order; each failure is one
`DropReason`, which is also the metric label. Nothing that is dropped may touch a timer or a state.
"""

from __future__ import annotations

import dataclasses
import enum
import hmac
import struct
from typing import Literal

from floatip_agent.vrrp import authentication, checksum, timers

MULTICAST_IPV4 = bytes((224, 0, 0, 18))
MULTICAST_IPV6 = bytes.fromhex("ff020000000000000000000000000012")
TTL = 255
OWNER = 255
"""The priority of the router that owns the addresses."""

_ADVERTISEMENT = 1
_NO_AUTHENTICATION = 0
_SIMPLE_PASSWORD = 1
_PASSWORD_LENGTH = 8
_HEADER = struct.Struct("!BBBBHH")

ChecksumForm = Literal["PseudoHeader", "MessageOnly"]


class DropReason(enum.StrEnum):
    """Why an advertisement was not accepted."""

    TRUNCATED = "Truncated"
    BAD_TYPE = "BadType"
    WRONG_VERSION = "WrongVersion"
    WRONG_VIRTUAL_ROUTER_ID = "WrongVirtualRouterID"
    BAD_TTL = "BadTTL"
    BAD_LENGTH = "BadLength"
    BAD_CHECKSUM = "BadChecksum"
    NO_ADDRESSES = "NoAddresses"
    AUTHENTICATION_TYPE = "AuthenticationType"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    REPLAYED = "Replayed"
    ZERO_INTERVAL = "ZeroInterval"
    WRONG_INTERVAL = "WrongInterval"
    OWN_SOURCE = "OwnSource"
    WRONG_DESTINATION = "WrongDestination"
    NOT_A_PEER = "NotAPeer"


@dataclasses.dataclass(frozen=True, slots=True)
class Wire:
    """How one virtual router speaks; the same for what it sends and what it accepts.

    `password` is the padded 8 bytes of RFC 2338 simple text authentication, `keyring` the keys of version 3's HMAC, None for none;
    `interval` is in nanoseconds.
    """

    version: int
    virtual_router_id: int
    interval: int
    addresses: tuple[bytes, ...]
    checksum_form: ChecksumForm = "PseudoHeader"
    password: bytes | None = None
    keyring: authentication.Keyring | None = None
    peers: frozenset[bytes] = frozenset()
    """Unicast: whom to send to and to believe. Empty: multicast."""

    @property
    def destinations(self) -> tuple[bytes, ...]:
        """Where advertisements go."""
        if self.peers:
            return tuple(sorted(self.peers))
        return (MULTICAST_IPV4 if self.address_length == 4 else MULTICAST_IPV6,)

    @property
    def address_length(self) -> int:
        return len(self.addresses[0])


@dataclasses.dataclass(frozen=True, slots=True)
class Advertisement:
    """An ADVERTISEMENT that passed every check. `interval` in nanoseconds, addresses packed in network byte order."""

    version: int
    virtual_router_id: int
    priority: int
    interval: int
    addresses: tuple[bytes, ...]
    source: bytes
    stamp: authentication.Stamp | None = None
    """Of a signed one: whether it is a replay is for `authentication.HighWaterMarks` to say."""

    @property
    def begins_link_local(self) -> bool:
        """RFC 9568 5.2.9: the first address MUST be the IPv6 link-local address of the virtual router."""
        first = self.addresses[0]
        return len(first) == 16 and first[0] == 0xFE and first[1] & 0xC0 == 0x80


def padded_password(password: str) -> bytes:
    """RFC 2338 5.3.6: 8 bytes, zero padded; keepalived cuts longer ones, and so do we."""
    return password.encode()[:_PASSWORD_LENGTH].ljust(_PASSWORD_LENGTH, b"\0")


def encode(wire: Wire, priority: int, source: bytes, destination: bytes, sequence: int = 0) -> bytes:
    """The message of one advertisement, checksum included. `priority` 0 says that the sender lets go; `sequence` is for a
    keyring that signs: greater each time (`authentication.HighWaterMarks`)."""
    if wire.version == 2:
        kind = _NO_AUTHENTICATION if wire.password is None else _SIMPLE_PASSWORD
        timing = kind << 8 | wire.interval // timers.SECOND
        trailer = wire.password or bytes(_PASSWORD_LENGTH)
    else:
        timing = wire.interval // timers.CENTISECOND
        trailer = b""
    head = wire.version << 4 | _ADVERTISEMENT
    body = b"".join(wire.addresses) + trailer
    message = _HEADER.pack(head, wire.virtual_router_id, priority, len(wire.addresses), timing, 0) + body
    signature = b""
    if wire.keyring is not None and wire.keyring.signs:
        signature = authentication.trailer(wire.keyring, message, source, sequence)
    total = checksum.internet_checksum(_summed(wire, wire.checksum_form, message, signature, source, destination))
    return message[:6] + struct.pack("!H", total) + message[8:] + signature


def _summed(
    wire: Wire, form: ChecksumForm, message: bytes, signature: bytes, source: bytes, destination: bytes
) -> bytes:
    """The bytes that the checksum covers. RFC 2338 5.3.8: "the entire VRRP message", authentication data included. Of a signed
    message only IPv6 sums the trailer too, since there the kernel may do it."""
    if wire.version == 2:
        return message
    if len(source) == 16:
        whole = message + signature
        return checksum.pseudo_header(source, destination, len(whole)) + whole
    if form == "PseudoHeader":
        return checksum.pseudo_header(source, destination, len(message)) + message
    return message


def decode(wire: Wire, message: bytes, source: bytes, destination: bytes, ttl: int) -> Advertisement | DropReason:
    """Check a received message against what this router speaks.

    `message` is the payload of the IP packet by its total length, without link-layer padding.
    """
    if len(message) < _HEADER.size:
        return DropReason.TRUNCATED
    head, virtual_router_id, priority, count, timing, _ = _HEADER.unpack_from(message)
    if reason := _check_header(wire, head, virtual_router_id, count, ttl, len(message)):
        return reason
    if reason := _check_way(wire, source, destination):
        return reason
    length = _length(wire, count)
    message, signature = message[:length], message[length:]
    if not _checksum_fits(wire, message, signature, source, destination):
        return DropReason.BAD_CHECKSUM
    if count == 0:
        # RFC 9568 5.2.5 (erratum 8299): "If the received count is 0, the VRRP advertisement MUST be ignored."
        return DropReason.NO_ADDRESSES
    stamp = _stamp(wire, message, signature, source)
    if isinstance(stamp, DropReason):
        return stamp
    timed = _interval_version_2(wire, timing, message) if wire.version == 2 else _interval_version_3(timing)
    if isinstance(timed, DropReason):
        return timed
    size = wire.address_length
    addresses = tuple(message[8 + size * index : 8 + size * (index + 1)] for index in range(count))
    return Advertisement(wire.version, virtual_router_id, priority, timed, addresses, source, stamp)


def _check_header(
    wire: Wire, head: int, virtual_router_id: int, count: int, ttl: int, length: int
) -> DropReason | None:
    if head >> 4 != wire.version:
        return DropReason.WRONG_VERSION
    if head & 0x0F != _ADVERTISEMENT:
        return DropReason.BAD_TYPE
    if virtual_router_id != wire.virtual_router_id:
        return DropReason.WRONG_VIRTUAL_ROUTER_ID
    # RFC 9568 7.1: "It MUST verify that the IPv4 TTL or IPv6 Hop Limit is 255." A unicast peer may be behind a router.
    if ttl != TTL and not wire.peers:
        return DropReason.BAD_TTL
    signed = authentication.TRAILER_LENGTH if wire.keyring is not None else 0
    if length - _length(wire, count) not in {0, signed}:
        return DropReason.BAD_LENGTH
    return None


def _length(wire: Wire, count: int) -> int:
    """Bytes of a message with this many addresses, without an HMAC's trailer."""
    return _HEADER.size + count * wire.address_length + (_PASSWORD_LENGTH if wire.version == 2 else 0)


def _stamp(wire: Wire, message: bytes, signature: bytes, source: bytes) -> authentication.Stamp | DropReason | None:
    if wire.keyring is None:
        return None
    if not signature:
        return DropReason.AUTHENTICATION_TYPE if wire.keyring.mode == "Enforce" else None
    return authentication.verify(wire.keyring, message, signature, source) or DropReason.AUTHENTICATION_FAILED


def _check_way(wire: Wire, source: bytes, destination: bytes) -> DropReason | None:
    """Multicast and unicast routers with one ID on one link are strangers; so is everybody who is no peer."""
    is_multicast = destination in {MULTICAST_IPV4, MULTICAST_IPV6}
    if is_multicast == bool(wire.peers):
        return DropReason.WRONG_DESTINATION
    return DropReason.NOT_A_PEER if wire.peers and source not in wire.peers else None


def _checksum_fits(wire: Wire, message: bytes, signature: bytes, source: bytes, destination: bytes) -> bool:
    """RFC 9568 5.2.8 leaves the IPv4 pseudo-header out, RFC 5798 and keepalived put it in: the own form first, then the other.

    keepalived before 1.3.6 sums the multicast address in unicast, too: accepted, never sent.
    """
    tried = [(wire.checksum_form, destination)]
    if wire.version == 3 and len(source) == 4:
        other: ChecksumForm = "MessageOnly" if wire.checksum_form == "PseudoHeader" else "PseudoHeader"
        tried.append((other, destination))
        if wire.peers:
            tried.append(("PseudoHeader", MULTICAST_IPV4))
    return any(
        checksum.internet_checksum(_summed(wire, form, message, signature, source, to)) == 0 for form, to in tried
    )


def _interval_version_2(wire: Wire, timing: int, message: bytes) -> int | DropReason:
    kind, seconds = timing >> 8, timing & 0xFF
    # RFC 2338 7.1: "MUST verify that the Auth Type matches the locally configured authentication method".
    if kind != (_NO_AUTHENTICATION if wire.password is None else _SIMPLE_PASSWORD):
        return DropReason.AUTHENTICATION_TYPE
    if wire.password is not None and not hmac.compare_digest(message[-_PASSWORD_LENGTH:], wire.password):
        return DropReason.AUTHENTICATION_FAILED
    if seconds == 0:
        return DropReason.ZERO_INTERVAL
    # RFC 3768 7.1: the Adver Interval MUST be the same as the locally configured one, else the packet is discarded.
    if seconds * timers.SECOND != wire.interval:
        return DropReason.WRONG_INTERVAL
    return seconds * timers.SECOND


def _interval_version_3(timing: int) -> int | DropReason:
    # RFC 9568 5.2.7: the upper four bits are reserved, "MUST be ignored on reception". Erratum 8301: 0 is discarded.
    interval = (timing & 0x0FFF) * timers.CENTISECOND
    return interval or DropReason.ZERO_INTERVAL
