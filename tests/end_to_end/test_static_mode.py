"""The agent without Kubernetes: documents in files, on nodes that are network namespaces."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from floatip_agent.vrrp.packet import MULTICAST_IPV4, Wire, encode
from lab.agents import Agent, StaticAgent
from lab.network import Lan
from lab.prober import Prober
from lab.waiting import throughout, until
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from wire.sniffer import send

ADDRESS = "10.9.0.100"
PERIOD = 0.1
"""Seconds between two advertisements."""
DOWN_INTERVAL = 4 * PERIOD
"""Seconds: three periods and a skew time, which is less than one."""
STARTUP = 5
MARGIN = 0.4
SOURCE = "10.9.0.66"
STRANGER = (
    Ether(dst="01:00:5e:00:00:12")
    / IP(src=SOURCE, dst="224.0.0.18", ttl=255, proto=112)
    / Raw(encode(Wire(3, 99, 10**9, (b"\x0a\x09\x00\xc8",)), 100, socket.inet_aton(SOURCE), MULTICAST_IPV4))
)
"""An advertisement of router ID 99."""


def router(priority: int, **other: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "family": "IPv4",
        "virtualRouterID": 7,
        "addresses": [f"{ADDRESS}/24"],
        "priority": priority,
        "vrrp": {"advertisementPeriodMilliseconds": round(PERIOD * 1000)},
        **other,
    }


class Pair:
    """n1 with priority 200, n2 with 100, and a client that probes the address."""

    def __init__(self, lan: Lan) -> None:
        self.n1, self.n2 = lan.host("n1", "10.9.0.1/24"), lan.host("n2", "10.9.0.2/24")
        self.one, self.other = Agent.static(self.n1, router(200)), Agent.static(self.n2, router(100))
        self.prober = Prober(lan.host("client", "10.9.0.99/24"), ADDRESS, [self.n1, self.n2])

    def start(self) -> None:
        for agent in (self.one, self.other):
            agent.start()
        self.wait_for(self.one)
        self.other.wait_for("Backup", STARTUP)

    def holders(self) -> list[StaticAgent]:
        return [agent for agent in (self.one, self.other) if agent.host.holds(ADDRESS)]

    def wait_for(self, agent: StaticAgent, seconds: float = STARTUP) -> None:
        until(lambda: self.holders() == [agent], seconds, f"{agent.host} alone holds {ADDRESS}")

    def assert_stays_with(self, agent: StaticAgent) -> None:
        throughout(lambda: self.holders() == [agent], 2 * DOWN_INTERVAL, f"{agent.host} alone holds {ADDRESS}")


@pytest.fixture
def pair(lan: Lan) -> Iterator[Pair]:
    pair = Pair(lan)
    with pair.prober:
        pair.start()
        yield pair


def test_on_sigterm_the_client_is_dark_for_no_longer_than_the_skew_time(pair: Pair) -> None:
    """RFC 9568, 6.4.2: a priority of zero sets the Active_Down_Timer to Skew_Time."""
    skew = (256 - 100) / 256 * PERIOD
    start = time.monotonic_ns()
    assert pair.one.stop() == 0
    pair.prober.wait_for("n2", 2)
    window = pair.prober.window(start)
    assert window.longest_gap <= (skew + 0.2) * 1000
    pair.assert_stays_with(pair.other)


def _change_file(agent: StaticAgent) -> None:
    agent.write(router(50))


def _change_file_and_signal(agent: StaticAgent) -> None:
    agent.write(router(50))
    agent.reload()


@pytest.mark.parametrize("change", [_change_file, _change_file_and_signal])
def test_a_changed_document_is_loaded(pair: Pair, change: Callable[[StaticAgent], None]) -> None:
    """api.md: SIGHUP or a change of the file reloads."""
    change(pair.one)
    pair.wait_for(pair.other, STARTUP + DOWN_INTERVAL)
    pair.assert_stays_with(pair.other)


def test_a_broken_document_is_refused_by_file_line_and_field_and_the_old_one_stays(pair: Pair) -> None:
    start = time.monotonic_ns()
    pair.one.write(router(300))
    pair.one.reload()
    lines = pair.one.document.read_text().splitlines()
    place = f"{pair.one.document}:{1 + lines.index('    priority: 300')}:"
    until(lambda: place in pair.one.log.read_text(), 5, f"the refusal names {place}")
    refusal = next(line for line in pair.one.log.read_text().splitlines() if place in line)
    assert "spec.virtualRouters[0].priority" in refusal
    assert "300" in refusal
    pair.assert_stays_with(pair.one)
    assert pair.prober.window(start).answered_by == ["n1"]


def test_an_entry_taken_out_of_the_file_is_an_order_to_let_go(pair: Pair) -> None:
    """api.md: in static mode an accepted file that lacks the router is an order; a broken one is not."""
    pair.one.write()
    pair.wait_for(pair.other, STARTUP)
    pair.assert_stays_with(pair.other)


def test_a_second_agent_in_the_network_namespace_waits_and_touches_nothing(pair: Pair) -> None:
    start = time.monotonic_ns()
    second = Agent(pair.n1, ["--config", str(pair.one.document)], folder="second")
    second.start()
    until(lambda: "wait" in second.log.read_text(), STARTUP, "the second says that it waits")
    pair.assert_stays_with(pair.one)
    assert second.states() == {}
    assert second.stop() == 0
    pair.assert_stays_with(pair.one)
    assert pair.prober.window(start).answered_by == ["n1"]


def test_a_link_that_goes_down_is_a_fault_and_heals_by_itself(pair: Pair) -> None:
    pair.n1.unplug()
    pair.wait_for(pair.other, DOWN_INTERVAL + 2)
    until(lambda: pair.one.states() == {"web/IPv4": "Fault"}, 5, "n1 says Fault")
    (entry,) = (pair.one.status() or {})["virtualRouters"]
    assert "eth0" in entry["reason"]
    pair.n1.plug()
    pair.wait_for(pair.one, DOWN_INTERVAL + 2)


def test_an_interface_that_is_removed_and_made_again_is_found_by_engine_and_keeper(lan: Lan, pair: Pair) -> None:
    """By its name: it has another index. Nobody is told to look."""
    pair.n1.run(["ip", "link", "delete", "eth0"])
    pair.wait_for(pair.other, DOWN_INTERVAL + 2)
    until(lambda: pair.one.states() == {"web/IPv4": "Fault"}, 5, "n1 says Fault")
    assert "eth0" not in [link["name"] for link in (pair.one.status() or {}).get("interfaces", [])]
    lan.attach(pair.n1, "10.9.0.1/24", interface="eth0")
    pair.wait_for(pair.one, DOWN_INTERVAL + 2)
    pair.assert_stays_with(pair.one)
    until(lambda: "eth0" in [link["name"] for link in (pair.one.status() or {})["interfaces"]], 5, "it is reported")
    stranger = lan.host("stranger", "10.9.0.66/24")

    def hears() -> bool:
        send(stranger, STRANGER)
        found = (pair.one.status() or {}).get("foreignRouters", [])
        return [entry["virtualRouterID"] for entry in found] == [99]

    until(hears, 10, "the keeper hears strangers on it")


def _keeper_and_engine(agent: StaticAgent) -> tuple[int, int]:
    """The guard's two children: the keeper is a command of its own, the engine a fork."""
    command_lines = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in agent.processes()[1:]}
    (keeper,) = (pid for pid, line in command_lines.items() if "\0keeper\0" in line)
    (engine,) = set(command_lines) - {keeper}
    return keeper, engine


def test_a_killed_keeper_changes_nothing_on_the_wire(pair: Pair) -> None:
    """design.md: when it hangs or dies the engine goes on with the last probe results."""
    keeper, _ = _keeper_and_engine(pair.one)
    start = time.monotonic_ns()
    os.kill(keeper, signal.SIGKILL)
    pair.assert_stays_with(pair.one)
    until(lambda: pair.one.states() == {"web/IPv4": "Active"}, STARTUP, "a new keeper tells the state")
    window = pair.prober.window(start)
    assert window.answered_by == ["n1"]
    assert window.longest_gap < 100


def test_a_killed_engine_loses_the_address_at_once_and_a_new_one_starts(pair: Pair) -> None:
    """architecture.md: the guard removes its addresses within milliseconds and forks a new one, which starts as Backup."""
    _, engine = _keeper_and_engine(pair.one)
    os.kill(engine, signal.SIGKILL)
    until(lambda: not pair.n1.holds(ADDRESS), 0.2, "the guard takes the address off")
    pair.wait_for(pair.one, STARTUP + DOWN_INTERVAL)
    _, new = _keeper_and_engine(pair.one)
    assert new != engine
    pair.assert_stays_with(pair.one)


def test_a_frozen_agent_has_lost_the_address_when_its_lifetime_ends(pair: Pair) -> None:
    """The second line of the fence: valid_lft of 3 s, renewed each second while Active."""
    processes = pair.one.processes()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    until(lambda: pair.other in pair.holders(), DOWN_INTERVAL + MARGIN, "n2 takes over")
    pair.wait_for(pair.other, 3.6)
    for process in processes:
        os.kill(process, signal.SIGCONT)
    pair.wait_for(pair.one, STARTUP)
    pair.assert_stays_with(pair.one)


def test_after_a_partition_heals_there_is_one_holder_and_clients_reach_it(lan: Lan, pair: Pair) -> None:
    """baseline.md: keepalived left clients behind for 24 to 50 s in a third of the heals."""
    lan.partition(pair.n1, pair.n2)
    until(lambda: len(pair.holders()) == 2, DOWN_INTERVAL + MARGIN, "both hold it")
    lan.heal()
    pair.wait_for(pair.one, DOWN_INTERVAL)
    pair.prober.wait_for("n1", 1)
    start = time.monotonic_ns()
    time.sleep(1)
    window = pair.prober.window(start)
    assert window.answered_by == ["n1"]
    assert window.longest_gap < PERIOD * 1000
