"""The codec: golden bytes of real routers, every receive check, and scapy's independent reading."""

from __future__ import annotations

import dataclasses
import socket
import struct

import pytest
from floatip_agent.vrrp import packet
from floatip_agent.vrrp.checksum import internet_checksum, pseudo_header
from floatip_agent.vrrp.packet import Advertisement, DropReason, Wire, decode, encode
from floatip_agent.vrrp.timers import CENTISECOND, SECOND
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.vrrp import VRRP, VRRPv3


def ip(*texts: str) -> tuple[bytes, ...]:
    return tuple(socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text) for text in texts)


ELK = ip("172.16.69.94")
GUIDE = Wire(2, 51, SECOND, ELK, password=packet.padded_password("tan124"))
PLAIN = dataclasses.replace(GUIDE, password=None)
ZE_2 = Wire(2, 10, SECOND, ip("192.0.2.1", "192.0.2.2"))
ZE_3 = dataclasses.replace(ZE_2, version=3)
THREE = Wire(3, 51, SECOND, ELK)
MESSAGE_ONLY = dataclasses.replace(THREE, checksum_form="MessageOnly")
SIX = Wire(3, 10, SECOND, ip("fe80::1", "2001:db8::1"))

# What keepalived and FRR put on the wire in a laboratory, and what two other implementations hold as golden.
VECTORS = [
    ("V1", GUIDE, 100, "172.16.69.91", "2133640101017394ac10455e74616e3132340000"),
    ("V2", GUIDE, 99, "172.16.69.92", "2133630101017494ac10455e74616e3132340000"),
    ("V3", GUIDE, 0, "172.16.69.91", "213300010101d794ac10455e74616e3132340000"),
    ("V4", PLAIN, 100, "172.16.69.91", "213364010001895bac10455e0000000000000000"),
    ("V5", PLAIN, 0, "172.16.69.91", "213300010001ed5bac10455e0000000000000000"),
    (
        "V6",
        dataclasses.replace(GUIDE, password=packet.padded_password("longpassword")),
        100,
        "172.16.69.91",
        "213364010101c9afac10455e6c6f6e6770617373",
    ),
    (
        "V7",
        dataclasses.replace(PLAIN, addresses=ip("172.16.69.94", "172.16.69.95")),
        120,
        "172.16.69.91",
        "21337802000183eaac10455eac10455f0000000000000000",
    ),
    ("V8", ZE_2, 200, "192.0.2.251", "210ac802000192edc0000201c00002020000000000000000"),
    ("V9", Wire(2, 51, SECOND, ip("10.0.1.5")), 30, "10.0.1.1", "21331e010001b5c50a0001050000000000000000"),
    (
        "V10",
        dataclasses.replace(ZE_3, checksum_form="MessageOnly"),
        200,
        "192.0.2.251",
        "310ac8020064828ac0000201c0000202",
    ),
    ("V11", ZE_3, 200, "192.0.2.251", "310ac8020064defbc0000201c0000202"),
    (
        "V12",
        dataclasses.replace(ZE_3, interval=4095 * CENTISECOND),
        200,
        "192.0.2.251",
        "310ac8020fffcf60c0000201c0000202",
    ),
    ("V13", THREE, 100, "172.16.69.91", "313364010064a6fdac10455e"),
    ("V14", MESSAGE_ONLY, 100, "172.16.69.91", "31336401006478f8ac10455e"),
    ("V15", THREE, 0, "172.16.69.91", "3133000100640afeac10455e"),
    ("V15 message only", MESSAGE_ONLY, 0, "172.16.69.91", "313300010064dcf8ac10455e"),
    ("V18", dataclasses.replace(THREE, interval=3 * SECOND), 150, "172.16.69.93", "31339601012c7433ac10455e"),
    (
        "V20",
        SIX,
        100,
        "fe80::c8",
        "310a640200643f5dfe80000000000000000000000000000120010db8000000000000000000000001",
    ),
]
BY_NAME = [pytest.param(*vector[1:], id=vector[0]) for vector in VECTORS]


def group_of(source: bytes) -> bytes:
    return packet.MULTICAST_IPV4 if len(source) == 4 else packet.MULTICAST_IPV6


def heard(wire: Wire, message: bytes, source: str = "172.16.69.92", ttl: int = 255) -> Advertisement | DropReason:
    (address,) = ip(source)
    return decode(wire, message, address, group_of(address), ttl)


def summed(message: bytes, source: str | None = None) -> bytes:
    """The message with its right checksum; version 2 and the message-only form without a source."""
    zeroed = message[:6] + b"\0\0" + message[8:]
    before = b""
    if source is not None:
        (address,) = ip(source)
        before = pseudo_header(address, group_of(address), len(message))
    return zeroed[:6] + struct.pack("!H", internet_checksum(before + zeroed)) + zeroed[8:]


@pytest.mark.parametrize(("wire", "priority", "source", "golden"), BY_NAME)
@pytest.mark.rule("9568-5.2-format")
@pytest.mark.rule("3768-5.3-format")
@pytest.mark.rule("2338-5.3.6-password")
def test_what_we_send_is_what_real_routers_send(wire: Wire, priority: int, source: str, golden: str) -> None:
    (address,) = ip(source)
    assert encode(wire, priority, address, group_of(address)).hex() == golden


@pytest.mark.parametrize(("wire", "priority", "source", "golden"), BY_NAME)
def test_what_real_routers_send_is_accepted(wire: Wire, priority: int, source: str, golden: str) -> None:
    expected = Advertisement(
        wire.version, wire.virtual_router_id, priority, wire.interval, wire.addresses, ip(source)[0]
    )
    assert heard(wire, bytes.fromhex(golden), source) == expected


def test_unicast_v16_has_the_peer_in_the_pseudo_header() -> None:
    source, peer = ip("172.16.69.91", "172.16.69.92")
    message = bytes.fromhex("31336401006495a3ac10455e")
    assert encode(THREE, 100, source, peer) == message
    assert isinstance(decode(listening_to(source), message, source, peer, 255), Advertisement)


def test_unicast_v17_has_the_group_in_the_pseudo_header() -> None:
    """keepalived before 1.3.6 sums the multicast address although it sends to the peer: accepted, never sent."""
    source, peer = ip("172.16.69.91", "172.16.69.92")
    assert isinstance(decode(listening_to(source), V13, source, peer, 255), Advertisement)


def listening_to(*peers: bytes) -> Wire:
    return dataclasses.replace(THREE, peers=frozenset(peers))


@pytest.mark.parametrize(
    ("wire", "to", "reason"),
    [
        (listening_to(bytes((172, 16, 69, 93))), "172.16.69.92", DropReason.NOT_A_PEER),
        (listening_to(bytes((172, 16, 69, 91))), "224.0.0.18", DropReason.WRONG_DESTINATION),
        (THREE, "172.16.69.92", DropReason.WRONG_DESTINATION),
    ],
    ids=["from a stranger", "multicast to a unicast router", "unicast to a multicast router"],
)
def test_the_way_a_packet_came(wire: Wire, to: str, reason: DropReason) -> None:
    source, destination = ip("172.16.69.91", to)
    message = encode(wire, 100, source, destination)
    assert decode(wire, message, source, destination, 255) is reason


@pytest.mark.rule("9568-7.1-ttl")
def test_a_unicast_peer_may_be_behind_a_router() -> None:
    source, peer = ip("172.16.69.91", "172.16.69.92")
    wire = listening_to(source)
    assert isinstance(decode(wire, encode(wire, 100, source, peer), source, peer, 62), Advertisement)


@pytest.mark.rule("9568-5.2.7-zero")
def test_v19_with_interval_zero_is_dropped() -> None:
    """RFC 9568 7.1 with erratum 8301: a Max Advertise Interval of 0 is discarded. keepalived 2.2.7 becomes Active on it."""
    message = bytes.fromhex("313396010000755fac10455e")
    assert heard(THREE, message, "172.16.69.93") is DropReason.ZERO_INTERVAL


@pytest.mark.parametrize("form", ["PseudoHeader", "MessageOnly"])
@pytest.mark.parametrize("golden", ["313364010064a6fdac10455e", "31336401006478f8ac10455e"])
@pytest.mark.rule("9568-5.2.8-ipv4")
def test_both_ipv4_checksums_of_version_3_are_accepted_whatever_is_sent(form: packet.ChecksumForm, golden: str) -> None:
    """RFC 9568 5.2.8 leaves the pseudo-header out, keepalived and FRR put it in."""
    wire = dataclasses.replace(THREE, checksum_form=form)
    assert isinstance(heard(wire, bytes.fromhex(golden), "172.16.69.91"), Advertisement)


@pytest.mark.rule("9568-5.2.8-ipv6")
def test_ipv6_without_pseudo_header_is_a_bad_checksum() -> None:
    """RFC 9568 5.2.8: for IPv6 the checksum "also includes a prepended pseudo-header"."""
    good = encode(SIX, 100, ip("fe80::c8")[0], packet.MULTICAST_IPV6)
    assert heard(SIX, summed(good), "fe80::c8") is DropReason.BAD_CHECKSUM


def test_an_odd_byte_is_summed_as_the_upper_half_of_a_word() -> None:
    """RFC 1071 2: "[A,B] +' [C,D] +' ... +' [Z,0]"."""
    assert internet_checksum(b"\x01\x02\x03") == 0xFFFF - 0x0402


def test_ipv6_unicast_that_is_summed_for_ipv4s_group_is_a_bad_checksum() -> None:
    """The old keepalived's form that unicast accepts is IPv4's."""
    source, peer = ip("fe80::c8", "fe80::1")
    wire = dataclasses.replace(SIX, peers=frozenset({source}))
    message = encode(wire, 100, source, peer)
    zeroed = message[:6] + b"\0\0" + message[8:]
    total = internet_checksum(pseudo_header(source, packet.MULTICAST_IPV4, len(message)) + zeroed)
    assert (
        decode(wire, zeroed[:6] + struct.pack("!H", total) + zeroed[8:], source, peer, 255) is DropReason.BAD_CHECKSUM
    )


@pytest.mark.parametrize(
    ("password", "padded"), [("tan124", b"tan124\0\0"), ("longpassword", b"longpass"), ("", bytes(8))]
)
def test_a_password_is_eight_bytes(password: str, padded: bytes) -> None:
    """RFC 2338 5.3.6: shorter ones are filled with zeros; longer ones are cut, as keepalived does it."""
    assert packet.padded_password(password) == padded


@pytest.mark.rule("9568-5.2.6-reserved")
def test_the_reserved_bits_are_ignored_on_reception() -> None:
    """RFC 9568 5.2.6: rsvd "MUST be set to zero on transmission and ignored on reception"."""
    message = bytes.fromhex("313364010064a6fdac10455e")
    assert message[4] == 0
    accepted = heard(THREE, summed(message[:4] + b"\xf0" + message[5:]))
    assert isinstance(accepted, Advertisement)
    assert accepted.interval == SECOND


@pytest.mark.rule("9568-7.1-interval")
def test_another_interval_of_version_3_is_accepted_and_carried() -> None:
    """RFC 9568 6.4.2 adopts the sender's interval; an implementation that drops the packet makes two Actives."""
    accepted = heard(THREE, bytes.fromhex("31339601012c7433ac10455e"), "172.16.69.93")
    assert isinstance(accepted, Advertisement)
    assert accepted.interval == 3 * SECOND


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.rule("9568-7.1-addresses")
@pytest.mark.rule("3768-7.1-addresses")
def test_another_address_list_is_accepted(version: int) -> None:
    """RFC 9568 7.1 lets a receiver log a different list; dropping it splits a rolling change into two Actives."""
    wire = Wire(version, 51, SECOND, ELK)
    other = dataclasses.replace(wire, addresses=ip("172.16.69.1", "172.16.69.2", "172.16.69.3"))
    (source,) = ip("172.16.69.92")
    accepted = heard(wire, encode(other, 90, source, packet.MULTICAST_IPV4))
    assert isinstance(accepted, Advertisement)
    assert accepted.addresses == other.addresses


@pytest.mark.rule("9568-5.2.9-link-local")
def test_an_ipv6_list_that_does_not_begin_link_local_is_accepted_and_tells() -> None:
    swapped = dataclasses.replace(SIX, addresses=SIX.addresses[::-1])
    (source,) = ip("fe80::c8")
    accepted = heard(SIX, encode(swapped, 90, source, packet.MULTICAST_IPV6), "fe80::c8")
    assert isinstance(accepted, Advertisement)
    assert not accepted.begins_link_local


V1 = bytes.fromhex(VECTORS[0][4])
V4 = bytes.fromhex("213364010001895bac10455e0000000000000000")
V13 = bytes.fromhex("313364010064a6fdac10455e")

# Each broken packet is otherwise right, its checksum included: only the named check can refuse it.
BROKEN = [
    (DropReason.TRUNCATED, "empty", THREE, b"", 255),
    (DropReason.TRUNCATED, "7 of the 8 header bytes", THREE, V13[:7], 255),
    (DropReason.WRONG_VERSION, "version 2 to a version 3 router", THREE, V4, 255),
    (DropReason.WRONG_VERSION, "version 3 to a version 2 router", PLAIN, V13, 255),
    (DropReason.WRONG_VERSION, "version 15", THREE, summed(b"\xf1" + V13[1:], "172.16.69.92"), 255),
    (DropReason.BAD_TYPE, "type 2", THREE, summed(b"\x32" + V13[1:], "172.16.69.92"), 255),
    (DropReason.WRONG_VIRTUAL_ROUTER_ID, "52", THREE, summed(b"\x31\x34" + V13[2:], "172.16.69.92"), 255),
    (DropReason.BAD_TTL, "1", THREE, summed(V13, "172.16.69.92"), 1),
    (DropReason.BAD_TTL, "254: routed", THREE, summed(V13, "172.16.69.92"), 254),
    (DropReason.BAD_TTL, "version 2", GUIDE, V1, 64),
    (DropReason.BAD_LENGTH, "two addresses said, one sent", THREE, summed(V13[:3] + b"\2" + V13[4:]), 255),
    (DropReason.BAD_LENGTH, "an address too many", THREE, summed(V13 + b"\1\2\3\4"), 255),
    (DropReason.BAD_LENGTH, "version 2 without authentication data", PLAIN, summed(V4[:12]), 255),
    (DropReason.BAD_LENGTH, "a trailer to version 3", THREE, summed(V13 + bytes(8)), 255),
    (DropReason.BAD_CHECKSUM, "a flipped bit", THREE, V13[:2] + b"\x65" + V13[3:], 255),
    (DropReason.BAD_CHECKSUM, "version 2 with a pseudo-header", PLAIN, summed(V4, "172.16.69.92"), 255),
    (DropReason.NO_ADDRESSES, "count 0", THREE, summed(b"\x31\x33\x64\0\0\x64\0\0"), 255),
    (DropReason.AUTHENTICATION_TYPE, "none to a router with a password", GUIDE, V4, 255),
    (DropReason.AUTHENTICATION_TYPE, "a password to a router without", PLAIN, V1, 255),
    (DropReason.AUTHENTICATION_TYPE, "2, the old IPsec header", PLAIN, summed(V4[:4] + b"\2" + V4[5:]), 255),
    (DropReason.AUTHENTICATION_FAILED, "another password", GUIDE, summed(V1[:-8] + b"tan125\0\0"), 255),
    (DropReason.ZERO_INTERVAL, "version 3", THREE, summed(V13[:4] + b"\0\0" + V13[6:]), 255),
    (DropReason.ZERO_INTERVAL, "version 2", PLAIN, summed(V4[:5] + b"\0" + V4[6:]), 255),
    (DropReason.WRONG_INTERVAL, "2 s to a router of 1 s", PLAIN, summed(V4[:5] + b"\2" + V4[6:]), 255),
]


RULES = {
    (DropReason.TRUNCATED, 3): "9568-7.1-complete",
    (DropReason.WRONG_VERSION, 3): "9568-7.1-version",
    (DropReason.WRONG_VERSION, 2): "9568-8.4-interoperation",
    (DropReason.BAD_TYPE, 3): "9568-5.2.2-type",
    (DropReason.WRONG_VIRTUAL_ROUTER_ID, 3): "9568-7.1-virtual-router-id",
    (DropReason.BAD_TTL, 3): "9568-7.1-ttl",
    (DropReason.BAD_LENGTH, 3): "9568-7.1-complete",
    (DropReason.BAD_CHECKSUM, 3): "9568-7.1-checksum",
    (DropReason.NO_ADDRESSES, 3): "9568-5.2.5-count",
    (DropReason.ZERO_INTERVAL, 3): "9568-5.2.7-zero",
    (DropReason.AUTHENTICATION_TYPE, 2): "2338-7.1-type",
    (DropReason.AUTHENTICATION_FAILED, 2): "2338-7.1-data",
    (DropReason.WRONG_INTERVAL, 2): "3768-7.1-interval",
}


def shows(reason: DropReason, wire: object) -> list[pytest.MarkDecorator]:
    assert isinstance(wire, Wire)
    return [pytest.mark.rule(rule)] if (rule := RULES.get((reason, wire.version))) else []


@pytest.mark.parametrize(
    ("reason", "wire", "message", "ttl"),
    [
        pytest.param(reason, *rest, id=f"{reason}-{text}", marks=shows(reason, rest[0]))
        for reason, text, *rest in BROKEN
    ],
)
def test_every_receive_check_drops_what_it_is_for(reason: DropReason, wire: Wire, message: bytes, ttl: int) -> None:
    assert heard(wire, message, ttl=ttl) is reason


def test_every_reason_that_the_codec_gives_is_reached() -> None:
    """`OwnSource` and `Replayed` are the engine's: only it knows its source address and what came before. The two of the way are in a
    test of their own."""
    apart = {DropReason.OWN_SOURCE, DropReason.REPLAYED, DropReason.NOT_A_PEER, DropReason.WRONG_DESTINATION}
    assert {reason for reason, *_ in BROKEN} | apart == set(DropReason)


ADDRESSES = {4: st.binary(min_size=4, max_size=4), 16: st.binary(min_size=16, max_size=16)}


@st.composite
def wires(draw: st.DrawFn) -> Wire:
    version = draw(st.sampled_from([2, 3]))
    length = 4 if version == 2 else draw(st.sampled_from([4, 16]))
    unit, most = (SECOND, 255) if version == 2 else (CENTISECOND, 4095)
    forms: list[packet.ChecksumForm] = ["PseudoHeader", "MessageOnly"]
    return Wire(
        version,
        draw(st.integers(1, 255)),
        draw(st.integers(1, most)) * unit,
        tuple(draw(st.lists(ADDRESSES[length], min_size=1, max_size=20))),
        draw(st.sampled_from(forms)),
        draw(st.none() | st.binary(min_size=8, max_size=8)) if version == 2 else None,
    )


@given(wires(), st.integers(0, 255), st.data())
@pytest.mark.rule("9568-5.2.4-priority")
@pytest.mark.rule("9568-5.2.7-range")
def test_decoding_gives_back_what_was_encoded(wire: Wire, priority: int, data: st.DataObject) -> None:
    source = data.draw(ADDRESSES[wire.address_length])
    destination = group_of(source)
    accepted = decode(wire, encode(wire, priority, source, destination), source, destination, 255)
    expected = Advertisement(wire.version, wire.virtual_router_id, priority, wire.interval, wire.addresses, source)
    assert accepted == expected


@given(wires(), st.binary(max_size=120), st.integers(0, 255), st.data())
def test_garbage_is_a_reason_and_never_an_exception(wire: Wire, message: bytes, ttl: int, data: st.DataObject) -> None:
    source = data.draw(ADDRESSES[wire.address_length])
    head = bytes((wire.version << 4 | 1, wire.virtual_router_id))
    for garbage in (message, head + message):
        assert isinstance(decode(wire, garbage, source, group_of(source), ttl), DropReason | Advertisement)


@given(wires(), st.integers(0, 255), st.data())
def test_scapy_makes_the_same_bytes(wire: Wire, priority: int, data: st.DataObject) -> None:
    """Over IPv4, scapy's version 3 has the pseudo-header form only."""
    wire = dataclasses.replace(wire, checksum_form="PseudoHeader")
    source = data.draw(ADDRESSES[wire.address_length])
    family = socket.AF_INET if wire.address_length == 4 else socket.AF_INET6
    text = socket.inet_ntop(family, source)
    addresses = [socket.inet_ntop(family, address) for address in wire.addresses]
    about = {"vrid": wire.virtual_router_id, "priority": priority, "addrlist": addresses}
    if wire.version == 2:
        first, second = struct.unpack("!II", wire.password or bytes(8))
        kind = 0 if wire.password is None else 1
        body = VRRP(authtype=kind, adv=wire.interval // SECOND, auth1=first, auth2=second, **about)
    else:
        body = VRRPv3(adv=wire.interval // CENTISECOND, **about)
    below = IP(src=text, dst="224.0.0.18") if family == socket.AF_INET else IPv6(src=text, dst="ff02::12")
    assert bytes(below / body)[len(below) :] == encode(wire, priority, source, group_of(source))
