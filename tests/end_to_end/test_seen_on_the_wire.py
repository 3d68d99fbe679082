"""What strangers do on the wire, as an agent in static mode tells it: in its status, its metrics and its log."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from typing import Any

import pytest
from floatip_agent.vrrp.packet import MULTICAST_IPV4, MULTICAST_IPV6, Wire, encode
from lab.agents import Agent, StaticAgent
from lab.network import Host, Lan
from lab.programs import installed
from lab.waiting import throughout, until
from scapy.layers.inet import IP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from wire.sniffer import send

pytestmark = pytest.mark.linux

VIP, VIP6 = "10.9.0.100", "fd09::100"
MAC = "02:00:00:00:00:77"
CLAIM = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=MAC, psrc=VIP, pdst=VIP)
CLAIM6 = (
    Ether(src=MAC, dst="33:33:00:00:00:01")
    / IPv6(src="fe80::77", dst="ff02::1", hlim=255)
    / ICMPv6ND_NA(tgt=VIP6, R=0, S=0, O=1)
    / ICMPv6NDOptDstLLAddr(lladdr=MAC)
)


def routers(priority: int) -> list[dict[str, Any]]:
    common = {"name": "web", "virtualRouterID": 7, "priority": priority, "interface": "eth0"}
    vrrp = {"vrrp": {"advertisementPeriodMilliseconds": 100}}
    return [
        {**common, **vrrp, "family": "IPv4", "addresses": [f"{VIP}/24"]},
        {**common, **vrrp, "family": "IPv6", "addresses": [f"{VIP6}/64"]},
    ]


def node(lan: Lan, number: int, priority: int) -> StaticAgent:
    agent = Agent.static(lan.host(f"n{number}", f"10.9.0.{number}/24", f"fd09::{number}/64"), *routers(priority))
    agent.start()
    return agent


def warnings(agent: StaticAgent, family: str = "IPv4") -> dict[str, str]:
    found = [entry for entry in (agent.status() or {}).get("virtualRouters", []) if entry["family"] == family]
    return {warning["reason"]: warning["message"] for entry in found for warning in entry.get("warnings", [])}


def metrics(agent: StaticAgent, name: str) -> list[str]:
    """The lines of one metric."""
    with agent.host.entered(), urllib.request.urlopen("http://127.0.0.1:9405/metrics", timeout=5) as response:
        text = response.read().decode()
    return [line for line in text.splitlines() if re.match(rf"{name}[{{ ]", line)]


def test_an_address_that_a_stranger_claims_is_told_with_its_hardware_address(lan: Lan) -> None:
    agent, stranger = node(lan, 1, 200), lan.host("stranger", "10.9.0.66/24")
    agent.wait_for("Active", 10)
    before = len(agent.log.read_text().splitlines())
    time.sleep(1)

    def told() -> bool:
        send(stranger, CLAIM, CLAIM6)
        return all("AddressClaimed" in warnings(agent, family) for family in ("IPv4", "IPv6"))

    until(told, 20, "both claims are told")
    assert warnings(agent)["AddressClaimed"] == f"{VIP} is claimed by {MAC} on eth0, too"
    assert warnings(agent, "IPv6")["AddressClaimed"] == f"{VIP6} is claimed by {MAC} on eth0, too"
    assert metrics(agent, "floatip_address_claimed") == [
        f'floatip_address_claimed{{address="{VIP}",family="IPv4",floatingip="web",hardware_address="{MAC}"}} 1.0',
        f'floatip_address_claimed{{address="{VIP6}",family="IPv6",floatingip="web",hardware_address="{MAC}"}} 1.0',
    ]
    shown = agent.host.run([installed("floatip-agent"), "status", f"--run-dir={agent.run}"]).stdout
    assert f"warning: web/IPv4: AddressClaimed: {VIP} is claimed by {MAC} on eth0, too\n" in shown
    for _ in range(200):
        send(stranger, CLAIM, CLAIM6)
    assert set(agent.states().values()) == {"Active"}
    lines = [line for line in agent.log.read_text().splitlines()[before:] if MAC in line]
    assert len(lines) == 2, "one line a minute about an address"


def test_a_second_holder_that_is_silent_is_found_by_asking(lan: Lan) -> None:
    """Linux announces no address that is added by hand, and nothing that a dead daemon left behind."""
    agent, stranger = node(lan, 1, 200), lan.host("stranger", "10.9.0.66/24")
    for address in (f"{VIP}/32", f"{VIP6}/128"):
        stranger.add_address(address)
    agent.wait_for("Active", 10)
    until(lambda: all("AddressClaimed" in warnings(agent, family) for family in ("IPv4", "IPv6")), 20, "both are told")


def test_a_takeover_by_another_node_is_no_strangers_claim(lan: Lan) -> None:
    """It announces the address, at once and 5 s later, and may do so before this node has heard it."""
    one, other = node(lan, 1, 200), node(lan, 2, 100)
    agents, hosts = (one, other), (one.host, other.host)
    one.wait_for("Active", 10)
    other.wait_for("Backup", 10)

    def nothing() -> bool:
        return not any("AddressClaimed" in warnings(agent, family) for agent in agents for family in ("IPv4", "IPv6"))

    one.stop()
    _alone(other.host, hosts)
    one.start()
    _alone(one.host, hosts)
    lan.partition(one.host, other.host)
    until(lambda: all(host.holds(VIP) for host in hosts), 5, "both hold it")
    time.sleep(0.5)
    lan.heal()
    _alone(one.host, hosts)
    throughout(nothing, 7, "nobody is taken for a stranger")


def _alone(holder: Host, hosts: tuple[Host, ...]) -> None:
    until(lambda: [host for host in hosts if host.holds(VIP)] == [holder], 10, f"{holder} alone holds it")


SECOND = 1_000_000_000


def advertisement(source: str, wire: Wire) -> Ether:
    if ":" in source:
        message = encode(wire, 1, socket.inet_pton(socket.AF_INET6, source), MULTICAST_IPV6)
        below = Ether(src=MAC, dst="33:33:00:00:00:12") / IPv6(src=source, dst="ff02::12", nh=112, hlim=255)
    else:
        message = encode(wire, 1, socket.inet_aton(source), MULTICAST_IPV4)
        below = Ether(src=MAC, dst="01:00:5e:00:00:12") / IP(src=source, dst="224.0.0.18", proto=112, ttl=255, id=0)
    return below / Raw(message)


def test_what_does_not_fit_is_told_with_its_sender_and_stays_bounded(lan: Lan) -> None:
    """A router of version 2, one with other addresses and another period, and a crowd behind them."""
    agent, stranger = node(lan, 1, 200), lan.host("stranger", "10.9.0.66/24")
    agent.wait_for("Active", 10)
    before = len(agent.log.read_text().splitlines())
    version_2 = Wire(2, 7, SECOND, (socket.inet_aton(VIP),))
    others = Wire(3, 7, SECOND, (socket.inet_aton("10.9.0.101"),))
    odd = [
        advertisement("10.9.0.66", version_2),
        advertisement("10.9.0.67", others),
        *[advertisement(f"10.9.1.{number}", version_2) for number in range(100)],
    ]

    def told() -> bool:
        send(stranger, *odd)
        return {"WireMismatch", "RivalHeard"} <= warnings(agent).keys()

    until(told, 20, f"all is told: {warnings(agent)}")
    said = warnings(agent)
    assert (
        "10.9.0.66 speaks version 2; 10.9.0.67 advertises 10.9.0.101; 10.9.0.67 advertises every 1000 ms"
        in said["WireMismatch"]
    )
    assert said["RivalHeard"] == "10.9.0.67 advertises too, with priority 1"
    rival = 'floatip_rival_heard{address="10.9.0.67",family="IPv4",floatingip="web"} 1.0'
    assert metrics(agent, "floatip_rival_heard") == [rival]
    until(lambda: len(metrics(agent, "floatip_wire_mismatch")) == 17, 5, "16 senders and the others")
    found = metrics(agent, "floatip_wire_mismatch")
    label = 'address="{}",family="IPv4",floatingip="web",reason="{}"'
    for address, reason in (
        ("10.9.0.66", "WrongVersion"),
        ("10.9.0.67", "OtherAddresses"),
        ("other", "WrongVersion"),
    ):
        assert f"floatip_wire_mismatch{{{label.format(address, reason)}}} 1.0" in found
    for _ in range(30):
        send(stranger, *odd)
        time.sleep(0.1)
    assert agent.states()["web/IPv4"] == "Active"
    lines = [line for line in agent.log.read_text().splitlines()[before:] if "web/IPv4" in line]
    assert len(lines) == 2, "at most one line per reason and router a minute"


def test_own_advertisements_that_come_back_are_told(lan: Lan) -> None:
    """Over IPv6; over IPv4 the kernel itself drops what comes in from one of its own addresses."""
    agent, stranger = node(lan, 1, 200), lan.host("stranger", "10.9.0.66/24")
    agent.wait_for("Active", 10)
    own = next(a.partition("/")[0] for a in agent.host.addresses("eth0") if a.startswith("fe80:") and a.endswith("/64"))
    wire = Wire(3, 7, SECOND // 10, (socket.inet_pton(socket.AF_INET6, VIP6),))

    def told() -> bool:
        send(stranger, advertisement(own, wire))
        return "LoopedBack" in warnings(agent, "IPv6")

    until(told, 20, "it is told")
    assert warnings(agent, "IPv6")["LoopedBack"].startswith(f"{own} is this node's own address")
    assert agent.states()["web/IPv6"] == "Active"
