"""The virtual MAC on a real LAN: what clients learn, what a switch sees, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import Any

import pytest
from floatip_agent.configuration import RouterConfiguration
from floatip_agent.routing import RouteConfiguration, RuleConfiguration
from lab.network import Host, Lan
from lab.prober import Prober
from lab.waiting import throughout, until
from scapy.layers.inet import IP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from wire.engine import EngineAgent
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux

VIP, VIP6 = "10.9.0.100", "fd09::100"
MAC, MAC6 = "00:00:5e:00:01:33", "00:00:5e:00:02:33"


def router(priority: int, **more: Any) -> RouterConfiguration:
    fields: dict[str, Any] = {"advertisement_interval": 100_000_000, "virtual_mac": True} | more
    return RouterConfiguration("elk", "IPv4", 51, (f"{VIP}/32",), priority, **fields)


def router6(priority: int, **more: Any) -> RouterConfiguration:
    fields: dict[str, Any] = {"advertisement_interval": 100_000_000, "virtual_mac": True, "interface": "eth0"} | more
    return RouterConfiguration("elk", "IPv6", 51, (f"{VIP6}/128",), priority, **fields)


class Pair:
    """n1 (priority 200) Active, n2 (priority 100) Backup, both families, and a client."""

    def __init__(self, lan: Lan, **more: Any) -> None:
        self.client = lan.host("client", "10.9.0.9/24", "fd09::9/64")
        self.n1, self.n2 = lan.host("n1", "10.9.0.1/24", "fd09::1/64"), lan.host("n2", "10.9.0.2/24", "fd09::2/64")
        self.first, self.second = (
            EngineAgent(host, router(priority, **more), router6(priority, **more))
            for host, priority in ((self.n1, 200), (self.n2, 100))
        )

    def start(self) -> None:
        self.first.start()
        self.first.wait_for("Active", 10)
        self.second.start()
        self.second.wait_for("Backup", 10)


def neighbour(host: Host, address: str) -> str | None:
    """Which MAC a host has learned for an address."""
    found = json.loads(host.run(["ip", "-json", "neighbour", "show", address]).stdout or "[]")
    return next((entry["lladdr"] for entry in found if "lladdr" in entry), None)


def send(host: Host, to: str, source: str | None = None) -> None:
    """A datagram to nobody: the kernel has to resolve the address first."""
    with host.entered():
        datagram = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
    with datagram:
        if source:
            datagram.bind((source, 0))
        datagram.sendto(b"?", (to, 9))


def ask(host: Host, address: str) -> str | None:
    """Resolve an address anew, as a client without a neighbour entry does."""
    host.run(["ip", "neighbour", "flush", "all"])
    send(host, address)
    return until(lambda: neighbour(host, address), 3, f"{host} resolves {address}")


def macvlans(host: Host) -> str:
    return host.run(["ip", "-brief", "link", "show", "type", "macvlan"]).stdout


def shows(frame: Ether) -> set[str]:
    """Every MAC by which a frame says where a floating address is."""
    if ARP in frame and frame[ARP].psrc == VIP:
        return {frame.src, frame[ARP].hwsrc}
    if ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].tgt == VIP6:
        return {frame.src, frame[ICMPv6NDOptDstLLAddr].lladdr}
    is_advertisement = (IP in frame and frame[IP].proto == 112) or (IPv6 in frame and frame[IPv6].nh == 112)
    return {frame.src} if is_advertisement else set()


@pytest.mark.rule("9568-7.3-virtual-mac")
def test_everything_that_is_said_of_the_address_shows_only_the_virtual_mac(lan: Lan) -> None:
    """RFC 9568 7.3; 8.1.2: "the Active Router MUST respond with the Virtual Router MAC address"."""
    pair = Pair(lan)
    with Sniffer(pair.client) as seen:
        pair.start()
        assert ask(pair.client, VIP) == MAC
        assert ask(pair.client, VIP6) == MAC6
        # The node's own addresses stay where they are.
        assert ask(pair.client, "10.9.0.1") not in {None, MAC}
        assert ask(pair.client, "fd09::1") not in {None, MAC6}
        pair.first.stop()
        until(lambda: pair.n2.holds(VIP) and pair.n2.holds(VIP6), 3, "n2 took over")
        assert ask(pair.client, VIP) == MAC
        assert ask(pair.client, VIP6) == MAC6
        seen.advertisements("10.9.0.1")
    said = set().union(*(shows(frame) for _, frame in seen.frames))
    assert said == {MAC, MAC6}


@pytest.mark.rule("9568-6.1-accept")
@pytest.mark.rule("9568-7.3-virtual-mac")
def test_a_client_needs_to_learn_nothing_on_a_move(lan: Lan) -> None:
    """What the virtual MAC is for: the neighbour entries of clients stay right."""
    pair = Pair(lan)
    pair.start()
    assert ask(pair.client, VIP) == MAC
    pair.client.run(["ip", "neighbour", "replace", VIP, "lladdr", MAC, "dev", "eth0", "nud", "permanent"])
    with Prober(pair.client, VIP, [pair.n1, pair.n2]) as prober:
        prober.wait_for("n1", 3)
        pair.first.kill()
        prober.wait_for("n2", 5)


def test_the_node_itself_asks_with_its_own_address_and_mac(lan: Lan) -> None:
    """A reply from the floating address makes the node ask for the client's MAC: with the floating address in that question, the client
    would learn the node's MAC for it."""
    pair = Pair(lan)
    pair.start()
    pair.n1.run(["ip", "neighbour", "flush", "all"])
    with Sniffer(pair.client) as seen:
        send(pair.n1, "10.9.0.9", VIP)
        until(lambda: neighbour(pair.n1, "10.9.0.9"), 3, "n1 resolved the client")
        seen.advertisements("10.9.0.1")
    questions = [frame[ARP] for _, frame in seen.frames if ARP in frame and frame[ARP].op == 1]
    asked = [question.psrc for question in questions if question.pdst == "10.9.0.9"]
    assert asked
    assert set(asked) == {"10.9.0.1"}
    assert ask(pair.client, VIP) == MAC


def test_nothing_is_left_on_exit_nor_after_a_crash(lan: Lan) -> None:
    routes = (RouteConfiguration("10.50.0.0/16", "10.9.0.9"),)
    rules = (RuleConfiguration(100, 1000, origin=f"{VIP}/32"),)
    host = lan.host("n1", "10.9.0.1/24")
    agent = EngineAgent(host, router(200, routes=routes, rules=rules))
    before = state_of(host)
    agent.start()
    agent.wait_for("Active")
    assert state_of(host) != before
    assert agent.stop() == 0
    assert state_of(host) == before

    agent.start()
    agent.wait_for("Active")
    os.kill(agent.engine, signal.SIGKILL)
    until(lambda: state_of(host) == before, 3, "the guard swept")
    agent.wait_for("Active")

    agent.kill()  # all of it: only the next start can clean up
    until(lambda: not host.holds(VIP), 5, "the address ended by itself")
    agent.start()
    until(lambda: agent.engine, 3, "an engine")
    agent.wait_for("Active")
    assert agent.stop() == 0
    assert state_of(host) == before


def state_of(host: Host) -> tuple[str, ...]:
    commands = (
        ["ip", "-brief", "address"],
        ["ip", "route", "show", "table", "all"],
        ["ip", "rule"],
        ["cat", "/proc/sys/net/ipv4/conf/eth0/arp_ignore", "/proc/sys/net/ipv4/conf/eth0/arp_announce"],
    )
    return tuple(host.run(command).stdout for command in commands)


def test_two_that_claim_it_hear_each_other_through_the_same_mac(lan: Lan) -> None:
    """Both send from one MAC while a partition lasts; once it is healed one of them must hear the other all the same."""
    pair = Pair(lan)
    pair.start()
    lan.partition(pair.n1, pair.n2)
    pair.second.wait_for("Active")
    lan.heal()
    pair.second.wait_for("Backup")
    until(lambda: "vr" not in macvlans(pair.n2), 3, "n2's link is gone")
    throughout(lambda: pair.n1.holds(VIP) and not pair.n2.holds(VIP), 0.6, "n1 alone holds it")
    assert ask(pair.client, VIP) == MAC


def test_unicast_advertisements_come_from_the_node(lan: Lan) -> None:
    pair = Pair(lan)
    peers = {pair.n1: ("10.9.0.2",), pair.n2: ("10.9.0.1",)}
    pair.first, pair.second = (
        EngineAgent(host, router(priority, transport="Unicast", peers=peers[host]), folder="unicast")
        for host, priority in ((pair.n1, 200), (pair.n2, 100))
    )
    pair.start()
    assert ask(pair.client, VIP) == MAC
    assert ask(pair.n2, "10.9.0.1") != MAC
