"""Raw sockets and frames on a real wire."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Iterator

import pytest
from floatip_agent.configuration import Family
from floatip_agent.linux.announce import PacketAnnouncer, gratuitous_arp, unsolicited_advertisement
from floatip_agent.linux.interfaces import KernelInterfaces
from floatip_agent.linux.netlink import Requests
from floatip_agent.linux.sockets import advertisement_socket
from floatip_agent.ports import AdvertisementSocket, Interface, Packet
from floatip_agent.vrrp import packet
from lab.network import Host, Lan
from lab.waiting import until
from scapy.layers.inet import IP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from wire.sniffer import Sniffer, send

FAMILIES: list[Family] = ["IPv4", "IPv6"]
MAC = bytes.fromhex("020000000001")


@pytest.mark.rule("9568-8.1.2-gratuitous-arp")
def test_gratuitous_arp_is_keepalived_s() -> None:
    golden = "ffffffffffff02000000000108060001080006040001020000000001ac10455effffffffffffac10455e"
    frame = gratuitous_arp(MAC, socket.inet_aton("172.16.69.94"))
    assert frame.hex() == golden
    assert Ether(frame)[ARP].psrc == Ether(frame)[ARP].pdst == "172.16.69.94"


@pytest.mark.rule("9568-8.2.2-neighbor-advertisement")
def test_unsolicited_neighbor_advertisement_is_golden() -> None:
    golden = (
        "33330000000102000000000186dd6000000000203aff20010db8000000000000000000000001ff020000000000000000000000000001"
        "8800792aa000000020010db80000000000000000000000010201020000000001"
    )
    assert unsolicited_advertisement(MAC, socket.inet_pton(socket.AF_INET6, "2001:db8::1")).hex() == golden


class End:
    """One host's interface and its socket for a family."""

    def __init__(self, host: Host, family: Family) -> None:
        self.host = host
        with host.entered():
            requests = Requests()
            interfaces = KernelInterfaces(requests)
            self.interface: Interface = interfaces.by_name["eth0"]
            interfaces.close()
            requests.close()
            self.socket: AdvertisementSocket = advertisement_socket(self.interface, family)
        length = 4 if family == "IPv4" else 16
        self.source = next(
            known.address
            for known in self.interface.addresses
            if len(known.address) == length and (length == 4 or known.address[0] == 0xFE)
        )

    @property
    def group(self) -> bytes:
        return packet.MULTICAST_IPV4 if len(self.source) == 4 else packet.MULTICAST_IPV6

    def receive(self, seconds: float = 0.2) -> Packet | None:
        """The next one; None when none comes."""
        select.select([self.socket], [], [], seconds)
        return self.socket.receive()


@pytest.fixture(params=FAMILIES)
def ends(request: pytest.FixtureRequest, lan: Lan) -> Iterator[tuple[End, End]]:
    hosts = lan.host("n1", "10.9.0.1/24", "fd09::1/64"), lan.host("n2", "10.9.0.2/24", "fd09::2/64")
    one, other = (End(host, request.param) for host in hosts)
    yield one, other
    one.socket.close()
    other.socket.close()


MESSAGE = bytes.fromhex("3133640100640000") + bytes(16)


@pytest.mark.linux
@pytest.mark.rule("9568-5.1-ip-header")
def test_what_one_sends_the_other_receives_with_what_the_header_said(ends: tuple[End, End]) -> None:
    one, other = ends
    other.socket.listen_to([51])
    with Sniffer(other.host) as seen:
        one.socket.send(MESSAGE, one.source, one.group)
        assert other.receive() == Packet(MESSAGE, one.source, one.group, 255)
        ((_, frame),) = [entry for entry in seen._read() if Raw in entry[1] or entry[1].haslayer("VRRPv3")]
    below = frame.getlayer(IP) or frame.getlayer(IPv6)
    assert (below.tos if IP in frame else below.tc) == 0xC0, "internetwork control, as keepalived sends it"
    expected = "01:00:5e:00:00:12" if IP in frame else "33:33:00:00:00:12"
    assert (frame.dst, frame.src) == (expected, one.interface.mac.hex(":"))


@pytest.mark.linux
@pytest.mark.rule("9568-7.1-virtual-router-id")
def test_only_listed_router_ids_come_through(ends: tuple[End, End]) -> None:
    one, other = ends
    other.socket.listen_to([7, 51, 255])
    for router_id in (1, 6, 7, 8, 50, 51, 52, 254, 255):
        one.socket.send(bytes((0x31, router_id)) + MESSAGE[2:], one.source, one.group)
    received = []
    while (heard := other.receive()) is not None:
        received.append(heard.message[1])
    assert received == [7, 51, 255]


@pytest.mark.linux
def test_nothing_comes_through_before_it_says_what_it_listens_to(ends: tuple[End, End]) -> None:
    one, other = ends
    one.socket.send(MESSAGE, one.source, one.group)
    assert other.receive() is None
    other.socket.listen_to([51])
    other.socket.listen_to([])
    one.socket.send(MESSAGE, one.source, one.group)
    assert other.receive() is None


@pytest.mark.linux
def test_own_packets_do_not_come_back(ends: tuple[End, End]) -> None:
    one, _ = ends
    one.socket.listen_to([51])
    one.socket.send(MESSAGE, one.source, one.group)
    assert one.receive() is None


@pytest.mark.linux
def test_other_multicast_and_other_interfaces_are_not_ours(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    sender = lan.host("n2", "10.9.0.2/24")
    end = End(host, "IPv4")
    end.socket.listen_to([51])
    stray = IP(src="10.9.0.2", dst="224.0.0.19", proto=112, ttl=255) / Raw(MESSAGE)
    send(sender, Ether(dst="01:00:5e:00:00:13") / stray)
    assert end.receive() is None
    with Lan() as another:
        another.attach(host, "10.8.0.1/24", interface="eth1")
        elsewhere = another.host("n3", "10.8.0.3/24")
        frame = IP(src="10.8.0.3", dst="224.0.0.18", proto=112, ttl=255) / Raw(MESSAGE)
        send(elsewhere, Ether(dst="01:00:5e:00:00:12") / frame)
        assert end.receive() is None
    end.socket.close()


@pytest.mark.linux
@pytest.mark.rule("9568-7.1-complete")
def test_ip_options_and_padding_are_not_part_of_the_message(lan: Lan) -> None:
    """Implementations that take the IPv4 header for 20 bytes, or Ethernet's padding for data, fail here."""
    end = End(lan.host("n1", "10.9.0.1/24"), "IPv4")
    sender = lan.host("n2", "10.9.0.2/24")
    end.socket.listen_to([51])
    short = MESSAGE[:12]
    below = IP(src="10.9.0.2", dst="224.0.0.18", proto=112, ttl=17, options=[IPOption_Router_Alert()])
    whole = Ether(bytes(Ether(dst="01:00:5e:00:00:12") / below / Raw(short)) + bytes(20))

    def arrived() -> Packet | None:
        send(sender, whole)
        return end.receive()

    heard = until(arrived, 5, "the packet arrives")
    assert (heard.message, heard.ttl, heard.source) == (short, 17, socket.inet_aton("10.9.0.2"))
    end.socket.close()


@pytest.mark.linux
def test_announcements_reach_the_neighbours_tables(lan: Lan) -> None:
    """What they are for: a client that had the old hardware address has the new one."""
    client, node = lan.host("client", "10.9.0.9/24"), lan.host("n1", "10.9.0.1/24")
    for address in ("10.9.0.100", "fd09::100"):
        client.run(["ip", "neighbour", "add", address, "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0"])
    end = End(node, "IPv4")
    with node.entered():
        announcer = PacketAnnouncer()
    vip, vip6 = socket.inet_aton("10.9.0.100"), socket.inet_pton(socket.AF_INET6, "fd09::100")
    announcer.announce(end.interface, [vip, vip6])
    shown = client.run(["ip", "neighbour", "show", "dev", "eth0"]).stdout
    for address in ("10.9.0.100", "fd09::100"):
        (line,) = [line for line in shown.splitlines() if line.startswith(f"{address} ")]
        assert end.interface.mac.hex(":") in line
    end.socket.close()


@pytest.mark.linux
def test_unicast_reaches_the_peer_and_nobody_else(ends: tuple[End, End]) -> None:
    one, other = ends
    for end in ends:
        end.socket.listen_to([51])
    one.socket.send(MESSAGE, one.source, other.source)
    assert other.receive() == Packet(MESSAGE, one.source, other.source, 255)
    assert one.receive() is None


WITHOUT_NET_ADMIN = """
import socket
from floatip_agent.linux.claims import ClaimSocket
from floatip_agent.linux.sockets import advertisement_socket
from floatip_agent.ports import Interface
for family in ("IPv4", "IPv6"):
    for opening in (advertisement_socket, ClaimSocket):
        opening(Interface(socket.if_nametoindex("eth0"), "eth0", True, b""), family)
print("opened")
"""


def test_the_keeper_listens_with_net_raw_alone(lan: Lan) -> None:
    """docs/security.md: the keeper has NET_RAW and no other capability."""
    dropped = ["setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all"]
    host = lan.host("node", "10.9.0.1/24")
    assert host.run([*dropped, sys.executable, "-c", WITHOUT_NET_ADMIN]).stdout == "opened\n"
