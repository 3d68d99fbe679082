"""A link goes, comes back as another, or changes under a virtual router: on the kinds of link that every kernel has. What needs
another kernel is in test_in_a_guest.py."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable

import pytest
from floatip_agent.configuration import RouterConfiguration
from lab.network import NAMESPACES, Lan
from lab.side_by_side import side_by_side
from lab.waiting import throughout, until
from wire.engine import EngineAgent
from wire.holders import Holders
from wire.interface_life import (
    MILLISECOND,
    OVERLAP,
    OWN,
    PERIOD,
    VIP,
    VIP6,
    Pair,
    index,
    lives_through_all,
    router,
    standing,
)
from wire.links import BRIDGE, MACVLAN, Kind, ip
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux

VETH = Kind("eth0", ())
SKEW_100 = 122 * MILLISECOND
"""Skew_Time of priority 100 at 200 ms, rounded up."""
DOWN_100 = 0.722
"""Active_Down_Interval of priority 100 at 200 ms, in seconds."""
DOWN_200 = 643 * MILLISECOND
"""Active_Down_Interval of priority 200 at 200 ms, rounded down: 643.75 ms."""


def a_pair(lan: Lan) -> Pair:
    pair = Pair(lan, VETH)
    pair.start()
    return pair


KINDS = {kind.interface: kind for kind in (BRIDGE, MACVLAN)}


@side_by_side(KINDS)
def test_the_life_of_a_link_made_over_another(lan: Lan, interface: str) -> None:
    lives_through_all(Pair(lan, KINDS[interface]))


def test_both_families_go_together_and_come_back_together(lan: Lan) -> None:
    """Link down by hand takes the link-local address along, which comes back by itself; a removed interface takes all of it."""
    pair = Pair(lan, VETH)
    six = [dataclasses.replace(router(priority), family="IPv6", addresses=(f"{VIP6}/64",)) for priority in (200, 100)]
    changes: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (pair.n1.link_down, pair.n1.link_up),
        (lambda: ip(pair.n1, "link delete eth0"), lambda: lan.attach(pair.n1, "10.9.0.1/24", interface="eth0")),
    ]
    pair.start()
    pair.first.configure(router(200), six[0])
    pair.second.configure(router(100), six[1])
    with Holders(VIP6, [pair.n1, pair.n2]) as holders:
        for go, come in changes:
            pair.first.wait_for("Active", 5, family="IPv6")
            go()
            pair.first.wait_for("Fault", family="IPv6")
            assert not pair.n1.holds(VIP6)
            pair.second.wait_for("Active", 5, family="IPv6")
            pair.second.wait_for("Active")
            come()
            pair.assert_first_holds()
            pair.first.wait_for("Active", family="IPv6")
        assert pair.n1.holds(VIP6)
        assert holders.longest_overlap() < OVERLAP


def test_a_link_that_comes_back_is_listened_to_before_anything_is_claimed(lan: Lan) -> None:
    """RFC 9568 6.4.1: at Startup a router that is not the owner goes to Backup, with Active_Down_Timer at Active_Down_Interval."""
    pair = a_pair(lan)
    with Sniffer(pair.n2) as seen:
        pair.n1.unplug()
        pair.second.wait_for("Active")
        back = time.time_ns()
        pair.n1.plug()
        pair.assert_first_holds()
        first = next(at for at, _ in seen.advertisements("10.9.0.1") if at > back)
        assert first - back > DOWN_200


def test_an_interface_that_is_made_again_with_its_old_index_is_another_one(lan: Lan) -> None:
    """A socket of the one before hears nothing on it. The engine stands still meanwhile, so that it learns of both at once; deaf, it
    would take the address beside the other."""
    pair = a_pair(lan)
    number, port = index(pair.n2, "eth0"), pair.n2.ports["eth0"]
    _, before = standing(pair.second)
    os.kill(pair.second.engine, signal.SIGSTOP)
    ip(pair.n2, "link delete eth0")
    ip(pair.n2, f"link add eth0 index {number} type veth peer name {port.name} netns {port.switch}")
    pair.n2.plug()
    pair.n2.run(["nsenter", f"--net={NAMESPACES / port.switch}", "ip", "link", "set", port.name, "master", "br0"])
    pair.n2.link_up()
    pair.n2.add_address(OWN[1])
    os.kill(pair.second.engine, signal.SIGCONT)
    until(lambda: standing(pair.second)[1] > before, 2, "it starts anew")
    throughout(lambda: not pair.n2.holds(VIP), 2 * DOWN_100, "it hears the Active")
    assert standing(pair.second)[0] == "Backup"


def test_a_renamed_interface_is_another_one_until_it_has_its_name_again(lan: Lan) -> None:
    pair = a_pair(lan)
    for change in ("eth0 down", "eth0 name lan0", "lan0 up"):
        ip(pair.n1, f"link set {change}")
    pair.assert_second_holds("interface eth0 does not exist")
    for change in ("lan0 down", "lan0 name eth0", "eth0 up"):
        ip(pair.n1, f"link set {change}")
    pair.assert_first_holds()


def test_a_promoted_secondary_address_is_the_new_source_and_nothing_moves(lan: Lan) -> None:
    pair = a_pair(lan)
    pair.n1.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/promote_secondaries"])
    ip(pair.n1, "address add 10.9.0.5/24 dev eth0")
    with Sniffer(pair.n2) as seen:
        ip(pair.n1, "address delete 10.9.0.1/24 dev eth0")
        until(lambda: len(seen.advertisements("10.9.0.5")) >= 5, 3, "the new source advertises")
        assert 0 not in [priority for source in ("10.9.0.1", "10.9.0.5") for _, priority in seen.advertisements(source)]
    assert standing(pair.first) == ("Active", 2)
    assert standing(pair.second) == ("Backup", 1)
    state = pair.second.router()
    assert state is not None
    assert state.active_router == "10.9.0.5"


def test_a_lost_lease_is_a_leave_and_another_address_is_another_start(lan: Lan) -> None:
    """The address that adverts come from is gone already, and the peer is told all the same: it need not wait for
    Active_Down_Interval. RFC 9568 6.4.3: "Send an ADVERTISEMENT with Priority = 0"."""
    pair = a_pair(lan)
    with pair.holders as seen, Sniffer(pair.n2) as wire:
        ip(pair.n1, "address delete 10.9.0.1/24 dev eth0")
        pair.assert_second_holds("interface eth0 has no IPv4 address to send from")
        left, priority = wire.advertisements("10.9.0.1")[-1]
        assert priority == 0
        assert wire.advertisements("10.9.0.2")[0][0] - left < SKEW_100 + 100 * MILLISECOND
        ip(pair.n1, "address add 10.9.0.5/24 dev eth0")
        pair.assert_first_holds()
        assert wire.advertisements("10.9.0.5")
        assert seen.longest_overlap() < PERIOD / 1e9


def test_a_lease_that_is_renewed_in_place_changes_nothing(lan: Lan) -> None:
    pair = a_pair(lan)
    for lifetime in (600, 900):
        ip(pair.n1, f"address replace 10.9.0.1/24 dev eth0 valid_lft {lifetime} preferred_lft {lifetime}")
    throughout(lambda: pair.n1.holds(VIP) and not pair.n2.holds(VIP), 1, "n1 alone holds it")
    assert standing(pair.first) == ("Active", 2)


def test_the_source_address_that_was_asked_for(lan: Lan) -> None:
    """api.md: sourceAddresses; docs/keepalived.md: always tracked."""
    pair = a_pair(lan)
    ip(pair.n1, "address add 10.9.0.7/24 dev eth0")
    pair.first.configure(router(200, source_address="10.9.0.7"))
    with Sniffer(pair.n2) as seen:
        until(lambda: seen.advertisements("10.9.0.7"), 2, "it sends from that")
        ip(pair.n1, "address delete 10.9.0.7/24 dev eth0")
        pair.assert_second_holds("source address 10.9.0.7 is not on interface eth0")
        assert seen.advertisements("10.9.0.7")[-1][1] == 0
        ip(pair.n1, "address add 10.9.0.7/24 dev eth0")
        back = time.time_ns()
        pair.assert_first_holds()
        assert not [at for at, _ in seen.advertisements("10.9.0.1") if at > back]


def test_a_floating_address_is_never_a_source(lan: Lan) -> None:
    """RFC 9568 5.1.1.1: the source is "the primary IPv4 address of the interface the packet is being sent from", not a floating one."""
    other = RouterConfiguration(
        "web", "IPv4", 52, ("10.9.0.101/24",), 200, interface="eth0", advertisement_interval=PERIOD
    )
    host = lan.host("n1", "10.9.0.1/24")
    agent = EngineAgent(host, router(200), other)
    agent.start()
    for name in ("elk", "web"):
        agent.wait_for("Active", name=name)
    with Sniffer(host) as seen:
        ip(host, "address delete 10.9.0.1/24 dev eth0")
        for name in ("elk", "web"):
            agent.wait_for("Fault", name=name)
        assert not any(seen.advertisements(vip, vrid) for vip in (VIP, "10.9.0.101") for vrid in (51, 52))


def test_a_link_local_address_is_used_once_it_is_known_to_be_unique(lan: Lan) -> None:
    """RFC 4862 5.4: an address is tentative until Duplicate Address Detection is done; nothing is sent from it before."""
    host = lan.host("n1")
    ip(host, "link delete eth0")
    host.run(["sh", "-c", "cd /proc/sys/net/ipv6/conf/default && echo 1 > accept_dad && echo 3 > dad_transmits"])
    lan.attach(host, "fd09::1/64", interface="eth0")
    agent = EngineAgent(host, dataclasses.replace(router(200), family="IPv6", addresses=(f"{VIP6}/64",)))
    with Sniffer(host) as seen:
        agent.start()
        tentative = "the IPv6 link-local address of interface eth0 is still tentative"
        assert agent.wait_for("Fault", family="IPv6").reason == tentative
        assert not host.holds(VIP6)
        link_local = agent.wait_for("Active", 8, family="IPv6").source_address
        assert host.holds(VIP6)
        assert link_local is not None
        assert "tentative" not in ip(host, "-6 address show dev eth0 tentative")
        ip(host, f"address delete {link_local}/64 dev eth0")
        agent.wait_for("Fault", family="IPv6")
        assert [priority for _, priority in seen.advertisements(link_local)][-1] == 0


def test_a_new_hardware_address_is_announced(lan: Lan) -> None:
    """Clients know the old one: a bridge takes that of its lowest port, a bond may take that of its active one."""
    host = lan.host("n1", "10.9.0.1/24")
    agent = EngineAgent(host, router(200, announcement_repeat=0))
    agent.start()
    agent.wait_for("Active")
    with Sniffer(host) as seen:
        ip(host, "link set eth0 address 02:00:00:00:00:51")
        until(lambda: seen.gratuitous_arps(VIP), 2, "it is announced")
        assert {mac for _, mac in seen.gratuitous_arps(VIP)} == {"02:00:00:00:00:51"}
    assert standing(agent) == ("Active", 2)
