"""An address that somebody takes out of the real kernel, once, a few times, and in a loop."""

from __future__ import annotations

import json
import re
import time

import pytest
from floatip_agent.configuration import RouterConfiguration
from lab.network import Host, Lan
from lab.prober import Prober
from lab.waiting import throughout, until
from wire.engine import EngineAgent
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux

VIP = "10.9.0.100"
PERIOD = 200_000_000
IN_A_LOOP = f"while :; do ip address delete {VIP}/32 dev eth0 2>/dev/null; sleep 0.02; done"


def agent(host: Host, priority: int, *, virtual_mac: bool = False) -> EngineAgent:
    addresses = (f"{VIP}/32", "10.9.0.101/32", "10.9.0.102/32")
    router = RouterConfiguration(
        "elk", "IPv4", 51, addresses, priority, advertisement_interval=PERIOD, virtual_mac=virtual_mac
    )
    made = EngineAgent(host, router)
    made.start()
    return made


def take_out(host: Host, address: str) -> None:
    links = json.loads(host.run(["ip", "-json", "address", "show", "to", address]).stdout)
    (name,) = [link["ifname"] for link in links if link.get("addr_info")]
    host.run(["ip", "address", "delete", f"{address}/32", "dev", name])


@pytest.mark.parametrize("virtual_mac", [False, True], ids=["eth0", "virtual MAC"])
def test_by_hand_it_is_back_at_once_and_the_role_stays(lan: Lan, *, virtual_mac: bool) -> None:
    """Issue: "the address deleted by hand comes back within 1 s"."""
    host = lan.host("n1", "10.9.0.1/24")
    active = agent(host, 200, virtual_mac=virtual_mac)
    transitions = active.wait_for("Active").transitions
    client = lan.host("client", "10.9.0.9/24")
    with Sniffer(host) as seen, Prober(client, VIP, [host]) as prober:
        prober.wait_for("n1", 5)
        for times in (1, 2, 3):
            start = time.monotonic_ns()
            take_out(host, VIP)
            until(lambda: host.holds(VIP), 1, "it is back")
            until(lambda: len(seen.gratuitous_arps(VIP)) >= 5 * times, 2, "and announced")  # noqa: B023
            time.sleep(0.2)
            print(f"longest gap that a client saw: {prober.window(start).longest_gap:.0f} ms")
        assert 0 not in [priority for _, priority in seen.advertisements("10.9.0.1")]
    state = active.router()
    assert state is not None
    assert (state.state, state.transitions, state.noted["AddressLost"]) == ("Active", transitions, 3)
    assert state.warnings["AddressLost"].startswith(f"{VIP} was taken out of the kernel by somebody else, 3 times")


def test_all_addresses_taken_out_by_one_command_are_one_loss(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    active = agent(host, 200)
    active.wait_for("Active")
    for _ in range(2):
        host.run(["ip", "-batch", "-"], stdin="".join(f"address delete 10.9.0.10{n}/32 dev eth0\n" for n in range(3)))
        until(lambda: all(host.holds(f"10.9.0.10{n}") for n in range(3)), 1, "all are back")
        time.sleep(0.2)
    state = active.router()
    assert state is not None
    assert state.state == "Active"
    assert "2 times in a row" in state.warnings["AddressLost"]


def test_a_loop_that_takes_it_out_ends_with_the_role_elsewhere(lan: Lan) -> None:
    first, second = lan.host("n1", "10.9.0.1/24"), lan.host("n2", "10.9.0.2/24")
    active, backup = agent(first, 200), agent(second, 100)
    active.wait_for("Active")
    backup.wait_for("Backup")
    with Sniffer(second) as seen:
        loop = first.popen(["sh", "-c", IN_A_LOOP])
        backup.wait_for("Active", 5)
        assert 0 in [priority for _, priority in seen.advertisements("10.9.0.1")]
        given_up = _given_up(active)
        assert given_up == 1
        until(lambda: _given_up(active) == 4, 20, "longer each time")
        backup.wait_for("Active", 2)
        throughout(lambda: second.holds(VIP) and not first.holds(VIP), 2, "and meanwhile the other serves")
        loop.kill()
        loop.wait()
    active.wait_for("Active", 10)
    backup.wait_for("Backup", 5)
    throughout(lambda: first.holds(VIP) and not second.holds(VIP), 1, "all is as before")


def _given_up(agent: EngineAgent) -> int:
    """For how many seconds the role is given up; 0 when it is not."""
    state = agent.router()
    match = re.search(r"given up for (\d+) s", state.reason) if state is not None and state.state == "Fault" else None
    return int(match[1]) if match else 0
