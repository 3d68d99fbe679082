"""What counts as a claim to an address, on a real link: frames as they arrive."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest
from floatip_agent.linux.announce import PacketAnnouncer
from floatip_agent.linux.claims import Claim, ClaimSocket, own_hardware_addresses
from floatip_agent.ports import Interface
from lab.network import Host, Lan
from lab.waiting import until
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from wire.sniffer import Sniffer, send

pytestmark = pytest.mark.linux

VIP, VIP6 = "10.9.0.100", "fd09::100"
PACKED, PACKED6 = socket.inet_aton(VIP), socket.inet_pton(socket.AF_INET6, VIP6)
MAC, BROADCAST, ALL_NODES = "02:00:00:00:00:77", "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"
CLAIM, CLAIM6 = Claim(PACKED, bytes.fromhex("020000000077")), Claim(PACKED6, bytes.fromhex("020000000077"))
TO_ALL = {"psrc": VIP, "hwsrc": MAC, "hwdst": BROADCAST}


@pytest.fixture
def hosts(lan: Lan) -> tuple[Host, Host]:
    return lan.host("node", "10.9.0.1/24", "fd09::1/64"), lan.host("stranger", "10.9.0.7/24", "fd09::7/64")


@pytest.fixture
def arp(hosts: tuple[Host, Host]) -> Iterator[ClaimSocket]:
    yield from _opened(hosts[0], "IPv4")


@pytest.fixture
def neighbor(hosts: tuple[Host, Host]) -> Iterator[ClaimSocket]:
    yield from _opened(hosts[0], "IPv6")


def _opened(host: Host, family: str) -> Iterator[ClaimSocket]:
    with host.entered():
        opened = ClaimSocket(Interface(socket.if_nametoindex("eth0"), "eth0", True, b""), family)  # type: ignore[arg-type]
    opened.listen_to([PACKED, PACKED6])
    yield opened
    opened.close()


def frame(**fields: object) -> Ether:
    return Ether(src=MAC, dst=BROADCAST) / ARP(**fields)


def advertisement(*, hop_limit: int = 255, target: str = VIP6, is_complete: bool = True) -> Ether:
    body = ICMPv6ND_NA(tgt=target, R=1, S=0, O=1)
    option = ICMPv6NDOptDstLLAddr(lladdr=MAC)
    ip = Ether(src=MAC, dst=ALL_NODES) / IPv6(src="fe80::77", dst="ff02::1", hlim=hop_limit)
    return ip / body / option if is_complete else ip / body


@pytest.mark.parametrize(
    "claiming",
    [
        frame(op=1, pdst=VIP, **TO_ALL),
        frame(op=2, pdst=VIP, **TO_ALL),
        frame(op=1, pdst="10.9.0.1", **TO_ALL),
    ],
    ids=["gratuitous request", "gratuitous reply", "a question from the address"],
)
def test_arp_from_the_address_is_a_claim(hosts: tuple[Host, Host], arp: ClaimSocket, claiming: Ether) -> None:
    send(hosts[1], claiming)
    assert until(arp.receive, 2, "the claim") == CLAIM
    assert arp.receive() is None


def test_arp_that_is_none_is_passed_over(hosts: tuple[Host, Host], arp: ClaimSocket) -> None:
    others = [
        frame(op=1, psrc="10.9.0.7", pdst=VIP, hwsrc=MAC),  # who has it?
        frame(op=1, psrc="0.0.0.0", pdst=VIP, hwsrc=MAC),  # RFC 5227: a probe asks, it does not claim
        frame(op=1, pdst=VIP, **TO_ALL, hwlen=7),
        Ether(bytes(frame(op=1, pdst=VIP, **TO_ALL))[:34]),
    ]
    send(hosts[1], *others, frame(op=1, pdst=VIP, **TO_ALL))
    assert until(arp.receive, 2, "the claim behind them") == CLAIM
    assert arp.receive() is None


def test_neighbor_advertisements_are_claims_when_they_could_move_a_client(
    hosts: tuple[Host, Host], neighbor: ClaimSocket
) -> None:
    """RFC 4861 7.1.2: "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly have been forwarded"."""
    others = [advertisement(hop_limit=64), advertisement(is_complete=False), advertisement(target="fd09::7")]
    send(hosts[1], *others, advertisement())
    assert until(neighbor.receive, 2, "the claim") == CLAIM6
    assert neighbor.receive() is None


def test_what_this_node_announces_itself_does_not_come_back(
    hosts: tuple[Host, Host], arp: ClaimSocket, neighbor: ClaimSocket
) -> None:
    node, stranger = hosts
    with node.entered():
        mac = _mac(node)
        announcer = PacketAnnouncer()
        announcer.announce(Interface(socket.if_nametoindex("eth0"), "eth0", True, mac), [PACKED, PACKED6])
        assert mac in own_hardware_addresses()
    send(stranger, frame(op=1, pdst=VIP, **TO_ALL), advertisement())
    assert until(arp.receive, 2, "the stranger's claim") == CLAIM
    assert until(neighbor.receive, 2, "the stranger's claim") == CLAIM6


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_one_that_holds_the_address_in_silence_answers_a_question(hosts: tuple[Host, Host], family: str) -> None:
    """And nobody's neighbour entry of the address moves: the question comes from the node's own address."""
    node, stranger = hosts
    for address in (f"{VIP}/32", f"{VIP6}/128"):
        stranger.add_address(address)
    is_ipv4 = family == "IPv4"
    source = next(a.partition("/")[0] for a in node.addresses("eth0") if a.startswith("10." if is_ipv4 else "fe80:"))
    packed = socket.inet_pton(socket.AF_INET if is_ipv4 else socket.AF_INET6, source)
    with contextlib.contextmanager(_opened)(node, family) as asking, Sniffer(stranger) as seen:
        asking.ask(PACKED if is_ipv4 else PACKED6, packed)
        assert until(asking.receive, 2, "an answer") == Claim(PACKED if is_ipv4 else PACKED6, _mac(stranger))
        asking.ask(socket.inet_aton("10.9.0.99") if is_ipv4 else PACKED6[:-1] + b"\x99", packed)
        assert asking.receive() is None
        assert seen.gratuitous_arps(VIP) == []
    neighbours = stranger.run(["ip", "neighbour", "show"]).stdout
    assert VIP not in neighbours
    assert VIP6 not in neighbours


def test_nothing_is_heard_of_addresses_that_are_not_listed(hosts: tuple[Host, Host], arp: ClaimSocket) -> None:
    arp.listen_to([socket.inet_aton("10.9.0.101")])
    send(hosts[1], frame(op=1, pdst=VIP, **TO_ALL))
    send(hosts[1], frame(op=1, psrc="10.9.0.101", pdst=VIP, hwsrc=MAC))
    claim = until(arp.receive, 2, "the other address")
    assert claim is not None
    assert socket.inet_ntoa(claim.address) == "10.9.0.101"


def test_more_addresses_than_a_filter_can_list_are_all_heard(hosts: tuple[Host, Host], arp: ClaimSocket) -> None:
    arp.listen_to([socket.inet_aton(f"10.{high}.{low}.1") for high in range(12) for low in range(250)])
    send(hosts[1], frame(op=1, pdst=VIP, **TO_ALL))
    assert until(arp.receive, 2, "heard all the same") == CLAIM


def _mac(host: Host) -> bytes:
    link = json.loads(host.run(["ip", "-json", "link", "show", "eth0"]).stdout)[0]
    return bytes.fromhex(link["address"].replace(":", ""))
