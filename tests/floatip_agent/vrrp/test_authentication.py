"""HMAC-SHA256 in the form of keepalived 2.4, and what a replay cannot pass."""

from __future__ import annotations

import dataclasses
import hmac
import socket
import struct

import pytest
from floatip_agent.vrrp import packet
from floatip_agent.vrrp.authentication import TRAILER_LENGTH, HighWaterMarks, Keyring, Mode, Stamp
from floatip_agent.vrrp.packet import Advertisement, DropReason, Wire, decode, encode
from floatip_agent.vrrp.timers import SECOND
from hypothesis import given
from hypothesis import strategies as st

KEY, OTHER = bytes(range(32)), bytes(range(32, 96))
FIRST = Keyring(((1, KEY),), 1)
SOURCE, PEER = socket.inet_aton("198.51.100.10"), socket.inet_aton("198.51.100.20")
SOURCE6, PEER6 = (socket.inet_pton(socket.AF_INET6, text) for text in ("fe80::10", "fe80::20"))
FOUR = Wire(3, 51, SECOND, (socket.inet_aton("192.0.2.100"),), keyring=FIRST)
SIX = Wire(3, 51, SECOND, (socket.inet_pton(socket.AF_INET6, "fe80::100"),), keyring=FIRST, peers=frozenset({PEER6}))
SEQUENCE = 0x6800000080000000
MULTICAST = packet.MULTICAST_IPV4


def sent(wire: Wire, sequence: int = SEQUENCE) -> bytes:
    return encode(wire, 200, SOURCE, MULTICAST, sequence)


def heard(wire: Wire, message: bytes, source: bytes = SOURCE) -> Advertisement | DropReason:
    return decode(wire, message, source, MULTICAST, 255)


def with_mode(mode: Mode) -> Wire:
    return dataclasses.replace(FOUR, keyring=dataclasses.replace(FIRST, mode=mode))


def test_the_golden_bytes_of_keepalived_for_ipv4() -> None:
    """V21: the checksum covers the message without the trailer."""
    golden = "3133c80100644402c0000264" + "010100006800000080000000" + "1b84bc4e8e43892dc6d98448f8ee2265"
    wire = dataclasses.replace(FOUR, checksum_form="MessageOnly")
    assert sent(wire).hex() == golden
    accepted = heard(wire, bytes.fromhex(golden))
    assert isinstance(accepted, Advertisement)
    assert accepted.stamp == Stamp(1, SEQUENCE)


def test_the_golden_bytes_of_keepalived_for_ipv6() -> None:
    """V22: the checksum covers the trailer too."""
    golden = (
        "3133c8010064a2e9fe800000000000000000000000000100"
        + "010100006800000080000000"
        + "c8c56146ebfd66ee10ec4d8186461b78"
    )
    assert encode(SIX, 200, SOURCE6, PEER6, SEQUENCE).hex() == golden
    theirs = dataclasses.replace(SIX, peers=frozenset({SOURCE6}))
    accepted = decode(theirs, bytes.fromhex(golden), SOURCE6, PEER6, 255)
    assert isinstance(accepted, Advertisement)
    assert accepted.stamp == Stamp(1, SEQUENCE)


@pytest.mark.parametrize(
    ("sender", "receiver", "outcome"),
    [
        ("ReceiveOnly", "ReceiveOnly", "unsigned"),
        ("ReceiveOnly", "Permissive", "unsigned"),
        ("ReceiveOnly", "Enforce", DropReason.AUTHENTICATION_TYPE),
        ("Permissive", "ReceiveOnly", "signed"),
        ("Permissive", "Permissive", "signed"),
        ("Permissive", "Enforce", "signed"),
        ("Enforce", "ReceiveOnly", "signed"),
        ("Enforce", "Permissive", "signed"),
        ("Enforce", "Enforce", "signed"),
    ],
)
def test_neighbouring_modes_understand_each_other(sender: Mode, receiver: Mode, outcome: object) -> None:
    """ "a mixed group needs receive-only → permissive → enforce": each step loses nobody."""
    result = heard(with_mode(receiver), sent(with_mode(sender)))
    if isinstance(result, Advertisement):
        assert outcome == ("unsigned" if result.stamp is None else "signed")
    else:
        assert result is outcome


def test_a_receiver_without_keys_refuses_the_trailer_by_its_length() -> None:
    assert heard(dataclasses.replace(FOUR, keyring=None), sent(FOUR)) is DropReason.BAD_LENGTH


@pytest.mark.parametrize("mode", ["ReceiveOnly", "Permissive", "Enforce"])
@pytest.mark.parametrize("place", [*range(len(sent(FOUR)) - TRAILER_LENGTH), *range(-TRAILER_LENGTH, 0)])
def test_no_byte_can_be_changed_in_any_mode(mode: Mode, place: int) -> None:
    """The two bytes of the checksum are not signed, but then it is wrong. What a message would be unsigned is of no help either."""
    message = bytearray(sent(FOUR))
    message[place] ^= 1
    assert isinstance(heard(with_mode(mode), bytes(message)), DropReason)


def test_a_changed_message_with_a_fresh_checksum_is_refused() -> None:
    forged = encode(dataclasses.replace(FOUR, keyring=None), 255, SOURCE, MULTICAST) + sent(FOUR)[-TRAILER_LENGTH:]
    assert heard(FOUR, forged) is DropReason.AUTHENTICATION_FAILED


def test_another_source_or_another_router_id_is_refused() -> None:
    """ "Binding family, version and vrid stops splicing between instances that share a key, binding the source ties the packet to its
    claimed sender"."""
    wire = dataclasses.replace(FOUR, checksum_form="MessageOnly")
    assert heard(wire, sent(wire), socket.inet_aton("198.51.100.11")) is DropReason.AUTHENTICATION_FAILED
    other = dataclasses.replace(wire, virtual_router_id=52)
    spliced = encode(dataclasses.replace(other, keyring=None), 200, SOURCE, MULTICAST) + sent(wire)[-TRAILER_LENGTH:]
    assert heard(other, spliced) is DropReason.AUTHENTICATION_FAILED


def test_one_signature_serves_all_unicast_peers() -> None:
    wire = dataclasses.replace(FOUR, peers=frozenset({SOURCE, PEER}))
    first, second = (encode(wire, 200, SOURCE, to, SEQUENCE) for to in (PEER, MULTICAST))
    assert first[-TRAILER_LENGTH:] == second[-TRAILER_LENGTH:]


@pytest.mark.parametrize("form", ["PseudoHeader", "MessageOnly"])
def test_both_forms_of_the_checksum_are_taken_with_a_signature(form: packet.ChecksumForm) -> None:
    assert isinstance(heard(FOUR, sent(dataclasses.replace(FOUR, checksum_form=form))), Advertisement)


def test_keys_rotate_without_a_refused_advertisement() -> None:
    """The new key is taken everywhere before anybody signs with it, and signs everywhere before the old one goes."""
    old = FIRST
    taken = Keyring(((1, KEY), (2, OTHER)), 1)
    signing = dataclasses.replace(taken, active_key_id=2)
    new = Keyring(((2, OTHER),), 2)
    for one, other in ((old, taken), (taken, signing), (signing, new)):
        for sender, receiver in ((one, other), (other, one)):
            message = sent(dataclasses.replace(FOUR, keyring=sender))
            assert isinstance(heard(dataclasses.replace(FOUR, keyring=receiver), message), Advertisement)
    message = sent(dataclasses.replace(FOUR, keyring=new))
    assert heard(FOUR, message) is DropReason.AUTHENTICATION_FAILED


def test_a_replay_is_refused_and_so_is_what_was_overtaken() -> None:
    marks = HighWaterMarks()
    assert marks.accept(Stamp(1, 10), SOURCE)
    assert not marks.accept(Stamp(1, 10), SOURCE)
    assert not marks.accept(Stamp(1, 9), SOURCE)
    assert marks.accept(Stamp(1, 11), SOURCE)


def test_senders_and_keys_have_marks_of_their_own() -> None:
    """Two routers advertise at once while they contend; a new key starts anew, which is the way out when a sender lost its marks."""
    marks = HighWaterMarks()
    assert marks.accept(Stamp(1, 10), SOURCE)
    assert marks.accept(Stamp(1, 5), PEER)
    assert marks.accept(Stamp(2, 5), SOURCE)
    assert not marks.accept(Stamp(1, 10), SOURCE)


def test_what_was_raised_is_told_once_and_refuses_replays_after_a_restart() -> None:
    marks = HighWaterMarks()
    marks.accept(Stamp(1, 10), SOURCE)
    kept = dict(marks.take_changed())
    assert not marks.take_changed()
    restarted = HighWaterMarks(kept)
    assert not restarted.accept(Stamp(1, 10), SOURCE)
    assert restarted.accept(Stamp(1, 11), SOURCE)


def test_so_many_senders_that_one_must_go_cost_the_oldest() -> None:
    marks = HighWaterMarks()
    marks.next_sequence(1.0)
    for number in range(200):
        assert marks.accept(Stamp(1, 1000 + number), number.to_bytes(4, "big"))
    assert len(marks.marks) < 100
    assert not marks.accept(Stamp(1, 1199), (199).to_bytes(4, "big"))


def test_the_oldest_is_the_one_with_the_lowest_mark_and_not_before_64() -> None:
    marks = HighWaterMarks()
    for number in range(65):
        assert marks.accept(Stamp(1, 1000 - number), number.to_bytes(4, "big"))
    assert not marks.accept(Stamp(1, 1000 - 64), (64).to_bytes(4, "big")), "65 fit"
    assert marks.accept(Stamp(1, 5000), (65).to_bytes(4, "big"))
    assert not marks.accept(Stamp(1, 1000), (0).to_bytes(4, "big")), "the first has the highest mark and stays"
    assert marks.accept(Stamp(1, 1000 - 64), (64).to_bytes(4, "big")), "the last had the lowest and went"


@pytest.mark.parametrize(("kind", "reserved"), [(1, 0), (2, 0), (1, 1), (1, 0x8000)])
def test_another_type_or_reserved_bits_are_refused_although_the_tag_is_right(kind: int, reserved: int) -> None:
    message = encode(dataclasses.replace(FOUR, keyring=None, checksum_form="MessageOnly"), 200, SOURCE, MULTICAST)
    head = struct.pack("!BBHQ", kind, 1, reserved, SEQUENCE)
    covered = struct.pack("!BBBx16s", 4, 3, 51, SOURCE) + message[:6] + b"\0\0" + message[8:] + head + bytes(16)
    tag = hmac.digest(KEY, covered, "sha256")[:16]
    good = kind == 1 and not reserved
    assert isinstance(heard(FOUR, message + head + tag), Advertisement) == good


def test_a_sequence_is_unix_time_in_the_upper_half() -> None:
    """keepalived compares it with its own clock (anti_replay time, a window of at least 5 s)."""
    assert HighWaterMarks().next_sequence(1_700_000_000.5) == 1_700_000_000 << 32 | 1 << 31


@given(st.lists(st.floats(0, 2**32 - 1), min_size=1), st.data())
def test_sequences_grow_whatever_the_clock_does_and_across_restarts(clock: list[float], data: st.DataObject) -> None:
    """A clock that goes back a day must not make us look like a replay, neither now nor after the next start."""
    kept: dict[str, int] = {}
    marks, last = HighWaterMarks(), -1
    for now in clock:
        if data.draw(st.booleans()):
            marks = HighWaterMarks(kept)
        sequence = marks.next_sequence(now)
        assert sequence > last
        last = sequence
        kept.update(marks.take_changed())


def test_the_sent_mark_is_told_rarely() -> None:
    """Two seconds are reserved at a time, so a router at 10 ms does not have its mark written a hundred times a second."""
    marks, told = HighWaterMarks(), 0
    for tick in range(1000):
        marks.next_sequence(1_700_000_000 + tick / 100)
        told += bool(marks.take_changed())
    assert told <= 6
