"""Packets from strangers, many and broken: counted by reason, no change of state, no advertisement late, no log flood."""

from __future__ import annotations

import ctypes
import itertools
import re
import socket
import struct
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest
from lab import hostile
from lab.agents import Agent, StaticAgent
from lab.network import Host, Lan
from lab.prober import TESTS
from lab.waiting import until

VIRTUAL_ROUTER_ID = 7
PERIOD = 0.1
RATE = 5000
"""Packets a second."""
SECONDS = 10
ETH_P_IP = 0x0800
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35


def _router(priority: int) -> dict[str, object]:
    return {
        "name": "web",
        "family": "IPv4",
        "virtualRouterID": VIRTUAL_ROUTER_ID,
        "addresses": ["10.9.0.100/24"],
        "priority": priority,
        "vrrp": {"advertisementPeriodMilliseconds": round(PERIOD * 1000)},
    }


def _advertisements_from(host: Host, source: str) -> socket.socket:
    """A socket that gets nothing but IPv4 packets of this source, with the kernel's time of arrival."""
    # Classic BPF over the IP header: load the source address; the same: take the packet whole, else drop it.
    expected = int.from_bytes(socket.inet_aton(source), "big")
    instructions = [(0x20, 0, 0, 12), (0x15, 0, 1, expected), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in instructions))
    with host.entered():
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    filter_ = struct.pack("HP", len(instructions), ctypes.addressof(program))
    packets.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)
    packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    packets.setblocking(False)
    return packets


def _arrivals(packets: socket.socket) -> Iterator[float]:
    """Seconds, of every VRRP packet that waits in the socket."""
    while True:
        try:
            packet, ancillary, _, _ = packets.recvmsg(2048, 64)
        except BlockingIOError:
            return
        if packet[9] == hostile.PROTOCOL:
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            yield seconds + nanoseconds / 1e9


def _dropped(agent: StaticAgent) -> dict[str, int]:
    """The agent's own count, by reason."""
    with agent.host.entered(), urllib.request.urlopen("http://127.0.0.1:9405/metrics", timeout=5) as response:
        text = response.read().decode()
    found = re.findall(r'^floatip_advertisements_dropped_total\{.*reason="(\w+)".*\} (\S+)$', text, re.MULTILINE)
    return {reason: int(float(count)) for reason, count in found}


@pytest.fixture
def agents(lan: Lan) -> tuple[StaticAgent, StaticAgent]:
    n1, n2 = lan.host("n1", "10.9.0.1/24"), lan.host("n2", "10.9.0.2/24")
    one, other = Agent.static(n1, _router(200)), Agent.static(n2, _router(100))
    for agent in (one, other):
        agent.start()
    one.wait_for("Active", 10)
    other.wait_for("Backup", 10)
    return one, other


def test_a_flood_delays_no_advertisement_and_moves_nothing(lan: Lan, agents: tuple[StaticAgent, StaticAgent]) -> None:
    """5,000 foreign packets a second for 10 s delay no advertisement by more than half a period."""
    one, other = agents
    stranger = lan.host("stranger", "10.9.0.66/24")
    command = [sys.executable, "-m", hostile.__name__, str(VIRTUAL_ROUTER_ID), str(RATE), str(SECONDS)]
    lines_before = [len(agent.log.read_text().splitlines()) for agent in agents]
    with _advertisements_from(other.host, "10.9.0.1") as packets:
        flood = stranger.popen(command, env={"PYTHONPATH": str(TESTS)}, log=stranger.folder / "log")
        time.sleep(SECONDS)
        assert flood.wait(timeout=SECONDS) == 0
        arrivals = list(_arrivals(packets))

    assert len(arrivals) > 0.9 * SECONDS / PERIOD
    assert max(later - earlier for earlier, later in itertools.pairwise(arrivals)) < 1.5 * PERIOD
    assert [agent.host.holds("10.9.0.100") for agent in agents] == [True, False]
    assert one.states() == {"web/IPv4": "Active"}
    assert other.states() == {"web/IPv4": "Backup"}
    for agent, before in zip(agents, lines_before, strict=True):
        new = agent.log.read_text().splitlines()[before:]
        assert len(new) <= len(_dropped(agent)), new


def test_what_is_dropped_is_counted_by_its_reason(lan: Lan, agents: tuple[StaticAgent, StaticAgent]) -> None:
    """Few enough to count each: 50 of every kind."""
    one, _ = agents
    stranger = lan.host("stranger", "10.9.0.66/24")
    command = [sys.executable, "-m", hostile.__name__, str(VIRTUAL_ROUTER_ID), "100", "2"]
    stranger.popen(command, env={"PYTHONPATH": str(TESTS)}).wait(timeout=10)
    expected = {"BadTTL": 50, "BadChecksum": 50, "Truncated": 50}

    def counted() -> bool:
        return {reason: count for reason, count in _dropped(one).items() if count} == expected

    until(counted, 5, f"{expected} in {_dropped(one)}")
