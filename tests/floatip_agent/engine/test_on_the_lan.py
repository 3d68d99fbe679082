"""Guard and engine as processes, on real interfaces: who holds the address, and what the wire shows."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from typing import Any

import pytest
from floatip_agent.configuration import RouterConfiguration
from floatip_agent.engine.binding import derived_link_local
from floatip_agent.messages import Applied, EngineState, RouterState
from lab.network import Host, Lan
from lab.waiting import throughout, until
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import Ether
from wire.engine import EngineAgent
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux

MILLISECOND = 1_000_000
VIP, VIP6 = "10.9.0.100", "fd09::100"
PERIOD = 200 * MILLISECOND
"""Of the pair; one alone, of which no time is measured, runs at half of it."""
SKEW_100 = 122 * MILLISECOND
"""Skew_Time of priority 100 at 200 ms, rounded up: 121.875 ms."""
DOWN_100 = 722 * MILLISECOND


def router(priority: int, **more: Any) -> RouterConfiguration:
    return RouterConfiguration(
        "elk", "IPv4", 51, (f"{VIP}/32",), priority, **{"advertisement_interval": 100 * MILLISECOND} | more
    )


def router6(priority: int) -> RouterConfiguration:
    return RouterConfiguration(
        "elk", "IPv6", 51, (f"{VIP6}/128",), priority, advertisement_interval=100 * MILLISECOND, interface="eth0"
    )


class Pair:
    """n1 (priority 200) Active, n2 (priority 100) Backup, and a client that looks on."""

    def __init__(self, lan: Lan, *, dual: bool = False) -> None:
        self.client = lan.host("client", "10.9.0.9/24", "fd09::9/64")
        self.n1 = lan.host("n1", "10.9.0.1/24", "fd09::1/64")
        self.n2 = lan.host("n2", "10.9.0.2/24", "fd09::2/64")
        self.first, self.second = (
            EngineAgent(
                host,
                *(
                    dataclasses.replace(wanted, advertisement_interval=PERIOD)
                    for wanted in (router(priority), *([router6(priority)] if dual else []))
                ),
            )
            for host, priority in ((self.n1, 200), (self.n2, 100))
        )
        self.first.start()
        self.second.start()
        self.first.wait_for("Active")
        self.second.wait_for("Backup")


def alone(lan: Lan, *routers: RouterConfiguration) -> tuple[Host, EngineAgent]:
    host = lan.host("n1", "10.9.0.1/24", "fd09::1/64")
    agent = EngineAgent(host, *(routers or (router(200),)))
    agent.start()
    agent.wait_for("Active")
    return host, agent


def ip(host: Host, *words: str) -> str:
    return host.run(["ip", *words]).stdout


def ipv4(host: Host) -> list[str]:
    return [address for address in host.addresses("eth0") if ":" not in address]


def entry(host: Host, address: str) -> dict[str, Any]:
    """The kernel's whole entry of an address."""
    for link in json.loads(ip(host, "-json", "-details", "address", "show")):
        for known in link.get("addr_info", []):
            if known.get("local") == address:
                return dict(known)
    raise AssertionError(f"{address} is not on {host}")


@pytest.mark.rule("9568-6.4.2-silent")
def test_one_is_active_and_holds_the_addresses_of_both_families(lan: Lan) -> None:
    pair = Pair(lan, dual=True)
    assert pair.n1.holds(VIP)
    assert pair.n1.holds(VIP6)
    assert not pair.n2.holds(VIP)
    assert not pair.n2.holds(VIP6)
    known = entry(pair.n1, VIP)
    assert known["prefixlen"] == 32
    assert known["valid_life_time"] <= 3
    state = pair.second.router()
    assert state is not None
    assert state.active_router == "10.9.0.1"


def test_sigterm_hands_over_within_the_skew_time_and_announces(lan: Lan) -> None:
    pair = Pair(lan, dual=True)
    with Sniffer(pair.client) as seen:
        assert pair.first.stop() == 0
        assert not pair.n1.holds(VIP)
        assert not pair.n1.holds(VIP6)
        pair.second.wait_for("Active")
        left = [at for at, priority in seen.advertisements("10.9.0.1") if priority == 0]
        taken = [at for at, priority in seen.advertisements("10.9.0.2") if priority == 100]
        assert len(left) == 1
        assert left[0] < taken[0] < left[0] + SKEW_100 + 50 * MILLISECOND
        mac = json.loads(ip(pair.n2, "-json", "link", "show", "eth0"))[0]["address"]
        arps = until(lambda: seen.gratuitous_arps(VIP), 1, "gratuitous ARP")
        assert [sender for _, sender in arps] == [mac] * 5
        assert arps[0][0] > taken[0], "first the advertisement, then the announcement"
        for address in (VIP6, "fe80::200:5eff:fe00:233"):
            announced = seen.neighbor_advertisements(address)
            assert len(announced) == 5
            _check_neighbor_advertisement(announced[0][1], mac)


def _check_neighbor_advertisement(frame: Ether, mac: str) -> None:
    """RFC 9568 8.2.2 and RFC 4861 7.2.6: to all nodes, hop limit 255, Router 1, Solicited 0, Override 1."""
    advertised = frame[ICMPv6ND_NA]
    assert (frame.dst, frame[IPv6].dst, frame[IPv6].hlim) == ("33:33:00:00:00:01", "ff02::1", 255)
    assert (advertised.R, advertised.S, advertised.O) == (1, 0, 1)
    assert advertised[ICMPv6NDOptDstLLAddr].lladdr == mac
    sent = advertised.cksum
    del frame[ICMPv6ND_NA].cksum
    assert Ether(bytes(frame))[ICMPv6ND_NA].cksum == sent


def test_guard_and_engine_killed_at_once_the_peer_takes_over_and_the_kernel_drops_the_address(lan: Lan) -> None:
    """Addresses carry 3 s of lifetime, renewed each second: with nobody left, the kernel ends them."""
    pair = Pair(lan)
    with Sniffer(pair.client) as seen:
        until(lambda: seen.advertisements("10.9.0.1"), 1, "an advertisement of n1")
        pair.first.kill()
        killed = time.monotonic()
        pair.second.wait_for("Active")
        last = seen.advertisements("10.9.0.1")[-1][0]
        taken = seen.advertisements("10.9.0.2")[0][0]
        assert 2 * PERIOD < taken - last < DOWN_100 + 50 * MILLISECOND
    until(lambda: not pair.n1.holds(VIP), 5, "the kernel dropped the address")
    assert time.monotonic() - killed < 3.5


def test_a_killed_engine_leaves_no_address_and_is_back(lan: Lan) -> None:
    host, agent = alone(lan)
    old = agent.engine
    with Sniffer(host) as seen:
        killed = time.time_ns()
        os.kill(old, signal.SIGKILL)
        until(lambda: not host.holds(VIP), 1, "the guard took the address off")
        gone = time.time_ns()
        assert gone - killed < 100 * MILLISECOND
        agent.wait_for("Active")
        assert seen.advertisements("10.9.0.1")[-1][0] > gone
    assert agent.engine not in (0, old)
    assert host.holds(VIP)


def test_a_killed_guard_makes_the_engine_leave(lan: Lan) -> None:
    pair = Pair(lan)
    with Sniffer(pair.client) as seen:
        os.kill(pair.first.guard, signal.SIGKILL)
        until(lambda: not pair.n1.processes(), 2, "the engine is gone too")
        assert not pair.n1.holds(VIP)
        assert seen.advertisements("10.9.0.1")[-1][1] == 0
        pair.second.wait_for("Active")


def test_a_link_that_goes_down_is_a_fault_and_comes_back_by_itself(lan: Lan) -> None:
    host, agent = alone(lan)
    for down, up in ((host.link_down, host.link_up), (host.unplug, host.plug)):
        down()
        assert agent.wait_for("Fault").reason == "interface eth0 is down"
        assert not host.holds(VIP)
        up()
        agent.wait_for("Active")
        assert host.holds(VIP)


def test_an_interface_that_is_removed_and_made_again(lan: Lan) -> None:
    host, agent = alone(lan)
    ip(host, "link", "delete", "eth0")
    assert agent.wait_for("Fault").reason == f"no interface has a subnet that holds {VIP}/32"
    lan.attach(host, "10.9.0.1/24", interface="eth0")
    agent.wait_for("Active")
    assert host.holds(VIP)


def test_an_address_taken_out_by_hand_comes_back_at_once(lan: Lan) -> None:
    host, agent = alone(lan)
    with Sniffer(host) as seen:
        ip(host, "address", "delete", f"{VIP}/32", "dev", "eth0")
        until(lambda: host.holds(VIP), 1, "the address is back")
        state = agent.router()
        assert state is not None
        assert (state.state, state.noted["AddressLost"], state.transitions) == ("Active", 1, 2)
        assert 0 not in [priority for _, priority in seen.advertisements("10.9.0.1")]
        assert until(lambda: seen.gratuitous_arps(VIP), 1, "it is announced again")


def test_ours_goes_behind_the_nodes_own_address_that_comes_later(lan: Lan) -> None:
    """The first address of an interface is the one that programs pick as the node's; DHCP renews by remove and add."""
    host, agent = alone(lan)
    for own in ("192.168.7.1/24", "192.168.8.1/24"):
        ip(host, "address", "add", own, "dev", "eth0")
        until(lambda: ipv4(host)[-1] == f"{VIP}/32", 2, "ours is the last again")
    ip(host, "address", "delete", "10.9.0.1/24", "dev", "eth0")
    agent.wait_for("Fault")
    ip(host, "address", "add", "10.9.0.1/24", "dev", "eth0")
    agent.wait_for("Active")
    assert ipv4(host) == ["192.168.7.1/24", "192.168.8.1/24", "10.9.0.1/24", f"{VIP}/32"]


def test_a_secondary_address_of_the_node_makes_no_difference(lan: Lan) -> None:
    """The kernel keeps secondary addresses behind all primary ones, ours too: nothing to mend, and nothing flaps."""
    host, agent = alone(lan)
    ip(host, "address", "add", "10.9.0.7/24", "dev", "eth0")
    with Sniffer(host) as seen:
        time.sleep(0.5)
        assert len(seen.advertisements("10.9.0.1")) >= 4
    assert ipv4(host) == ["10.9.0.1/24", f"{VIP}/32", "10.9.0.7/24"]
    state = agent.router()
    assert state is not None
    assert (state.state, state.transitions, state.noted) == ("Active", 2, {})


def test_the_same_address_put_there_by_somebody_else_is_left_as_it_is(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    ip(host, "address", "add", f"{VIP}/32", "dev", "eth0")
    before = entry(host, VIP)
    agent = EngineAgent(host, router(200))
    agent.start()
    agent.wait_for("Active")
    time.sleep(1.2)  # a renewal has passed
    assert entry(host, VIP) == before
    assert before["valid_life_time"] == 4294967295
    agent.stop()
    assert entry(host, VIP) == before


def test_no_ipv6_link_local_address_is_a_fault_and_comes_back(lan: Lan) -> None:
    host, agent = alone(lan, router(200), router6(200))
    link_local = next(address for address in host.addresses("eth0") if address.startswith("fe80:") and "/64" in address)
    ip(host, "address", "delete", link_local, "dev", "eth0")
    missing = "interface eth0 has no IPv6 link-local address to send from"
    assert agent.wait_for("Fault", family="IPv6").reason == missing
    assert agent.wait_for("Fault").reason == f"sync group: elk/IPv6: {missing}"
    assert not host.holds(VIP)
    ip(host, "address", "add", link_local, "dev", "eth0", "nodad")
    agent.wait_for("Active", family="IPv6")
    agent.wait_for("Active")


def test_the_derived_link_local_address_is_held_too(lan: Lan) -> None:
    host, _ = alone(lan, router(200), router6(200))
    assert derived_link_local(51).hex() == "fe80000000000000" + "02005efffe000233"
    assert host.holds("fe80::200:5eff:fe00:233")


def test_a_second_agent_in_the_same_namespace_waits(lan: Lan) -> None:
    host, first = alone(lan)
    second = EngineAgent(host, router(250), folder="second")
    second.start()
    until(lambda: "another agent runs" in second.log.read_text(), 3, "it says that it waits")
    throughout(lambda: host.holds(VIP) and second.router() is None, 0.5, "the first one serves")
    first.stop()
    second.wait_for("Active")
    assert second.stop() == 0


def test_a_second_agent_that_waits_can_be_stopped(lan: Lan) -> None:
    host, _ = alone(lan)
    second = EngineAgent(host, router(250), folder="second")
    second.start()
    until(lambda: "another agent runs" in second.log.read_text(), 3, "it says that it waits")
    assert second.stop() == 0
    assert host.holds(VIP)


def test_a_router_that_is_broken_in_the_saved_copy_is_said_and_left_out(lan: Lan) -> None:
    """The others serve on, and the copy stays for whoever wants to look."""
    host = lan.host("n1", "10.9.0.1/24")
    agent = EngineAgent(host, router(200))
    saved = agent.state_dir / "engine.json"
    document = json.loads(saved.read_bytes())
    document["routers"].append({**document["routers"][0], "name": "odd", "addresses": ["banana"]})
    saved.write_text(json.dumps(document))
    agent.start()
    agent.wait_for("Active", 5)
    assert "routers[1].addresses: 'banana' is not an IPv4 address" in agent.log.read_text()
    assert json.loads(saved.read_text()) == document
    assert agent.router("odd") is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"{", "not JSON"),
        (b'{"format":7}', "format: 7"),
    ],
)
def test_a_broken_saved_copy_is_said_and_set_aside(lan: Lan, text: bytes, what: str) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    agent = EngineAgent(host, router(200))
    saved = agent.state_dir / "engine.json"
    saved.write_bytes(text)
    agent.start()
    until(agent.picture, 3, "the engine runs")
    assert what in agent.log.read_text()
    assert not saved.exists()
    assert (agent.state_dir / "engine.json.broken").read_bytes() == text
    agent.configure(router(200))
    agent.wait_for("Active")
    assert "the engine ended" not in agent.log.read_text()


def test_a_new_engine_runs_what_the_old_one_accepted_and_not_what_was_saved(lan: Lan) -> None:
    host, agent = alone(lan)
    agent.configure(dataclasses.replace(router(200), addresses=("10.9.0.101/32",)))
    until(lambda: host.holds("10.9.0.101") and not host.holds(VIP), 1, "changed in place")
    os.kill(agent.engine, signal.SIGKILL)
    until(lambda: not host.holds("10.9.0.101"), 1, "swept")
    until(lambda: host.holds("10.9.0.101"), 3, "the new engine has the accepted configuration")
    assert not host.holds(VIP)


def test_what_an_agent_before_left_is_swept_at_the_start(lan: Lan) -> None:
    host, agent = alone(lan)
    agent.kill()
    assert host.holds(VIP)
    again = EngineAgent(host, router(200), folder="again")
    again.start()
    until(lambda: "removed 1 addresses" in again.log.read_text(), 2, "the sweep is said")
    again.wait_for("Active")


def test_without_the_right_to_change_addresses_it_ends_at_once_with_a_hint(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    agent = EngineAgent(host, router(200))
    command = ["setpriv", "--bounding-set=-net_admin,-net_raw", "--inh-caps=-net_admin,-net_raw", *agent._command]
    done = host.run(command, check=False, timeout=10)
    assert done.returncode == 1
    assert "needs CAP_NET_ADMIN and CAP_NET_RAW" in done.stderr


def test_excluded_addresses_are_held_and_lost_with_the_others(lan: Lan) -> None:
    """api.md: excludedAddresses are "held with the others, not carried in advertisements", of either family."""
    host, agent = alone(lan, router(200, excluded_addresses=("10.9.0.200/24", f"{VIP6}/64")))
    assert all(host.holds(address) for address in (VIP, "10.9.0.200", VIP6))
    agent.stop()
    assert not any(host.holds(address) for address in (VIP, "10.9.0.200", VIP6))


def test_a_tracked_interface_that_goes_down_moves_the_role(lan: Lan) -> None:
    """api.md: trackedInterfaces, lowerPriorityBy absent: Fault."""
    pair = Pair(lan)
    lan.attach(pair.n1, "10.8.0.1/24", interface="eth1")
    pair.first.start()
    pair.first.configure(router(200, advertisement_interval=PERIOD, tracked_interfaces=(("eth1", 0),)))
    pair.second.start()
    pair.first.wait_for("Active")
    pair.second.wait_for("Backup")
    pair.n1.link_down("eth1")
    assert pair.first.wait_for("Fault").reason == "tracked interface eth1 is down or missing"
    pair.second.wait_for("Active")
    assert not pair.n1.holds(VIP)
    pair.n1.link_up("eth1")
    pair.first.wait_for("Active")
    pair.second.wait_for("Backup")


def test_who_connects_hears_of_every_router_and_then_that_the_picture_is_whole(lan: Lan) -> None:
    """Told in batches, which delay no advertisement: many routers, several listeners at once."""
    names = [f"r{number:03}" for number in range(1, 101)]
    routers = [
        RouterConfiguration(name, "IPv4", number, (f"{VIP}/32",), 200, advertisement_interval=100 * MILLISECOND)
        for number, name in enumerate(names, start=1)
    ]
    agent = EngineAgent(lan.host("n1", "10.9.0.1/24"), *routers)
    agent.start()
    for name in (names[0], names[-1]):
        agent.wait_for("Active", name=name)
    for _ in range(5):
        applied, *states, whole = agent.picture()
        assert isinstance(applied, Applied)
        assert isinstance(whole, EngineState)
        assert [state.name for state in states if isinstance(state, RouterState)] == names
