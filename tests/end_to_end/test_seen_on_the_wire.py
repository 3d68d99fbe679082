"""What strangers do on the wire, as an agent in static mode tells it: in its status, its metrics and its log."""

from __future__ import annotations

import re
import time
import urllib.request
from typing import Any

import pytest
from lab.agents import Agent, StaticAgent
from lab.network import Host, Lan
from lab.waiting import throughout, until
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
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
    for _ in range(200):
        send(stranger, CLAIM, CLAIM6)
    assert set(agent.states().values()) == {"Active"}
    lines = [line for line in agent.log.read_text().splitlines()[before:] if MAC in line]
    assert len(lines) == 2, "one line a minute about an address"


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
