"""Broken, foreign and hostile packets on a real wire: counted by reason, without effect on state or schedule."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
import time
from pathlib import Path

import pytest
from floatip_agent.configuration import RouterConfiguration
from floatip_agent.vrrp import packet
from floatip_agent.vrrp.packet import Wire, encode
from lab import hostile
from lab.network import Host, Lan
from lab.waiting import until
from scapy.layers.inet import IP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from wire.engine import EngineAgent
from wire.sniffer import Sniffer, send

pytestmark = pytest.mark.linux

MILLISECOND, SECOND = 1_000_000, 1_000_000_000
PERIOD = 100 * MILLISECOND
VIP = bytes((10, 9, 0, 100))
ATTACKER = bytes((10, 9, 0, 66))
THREE = Wire(3, 51, PERIOD, (VIP,))
TWO = Wire(2, 52, SECOND, (VIP,), password=packet.padded_password("tan124"))
ROUTER_3 = RouterConfiguration("three", "IPv4", 51, ("10.9.0.100/32",), 100, advertisement_interval=PERIOD)
ROUTER_2 = RouterConfiguration("two", "IPv4", 52, ("10.9.0.101/32",), 100, version=2, password="tan124")


def message(wire: Wire, priority: int = 254) -> bytes:
    return encode(wire, priority, ATTACKER, packet.MULTICAST_IPV4)


def frame(payload: bytes, *, ttl: int = 255, source: str = "10.9.0.66", **header: object) -> Ether:
    below = IP(src=source, dst="224.0.0.18", proto=112, ttl=ttl, **header)
    return Ether(src="02:00:00:00:00:66", dst="01:00:5e:00:00:12") / below / Raw(payload)


def summed(payload: bytes) -> bytes:
    """With its right checksum, which for version 3 over IPv4 may leave the pseudo-header out."""
    from floatip_agent.vrrp.checksum import internet_checksum

    return payload[:6] + internet_checksum(payload[:6] + b"\0\0" + payload[8:]).to_bytes(2, "big") + payload[8:]


GOOD_3, GOOD_2 = message(THREE), message(TWO)
# Router, reason, frame. Priority 254 all of them: one that got through would take the role, or keep it from us.
BROKEN = [
    ("three", "Truncated", frame(GOOD_3[:5])),
    ("three", "WrongVersion", frame(summed(b"\x41" + GOOD_3[1:]))),
    ("three", "BadType", frame(summed(b"\x32" + GOOD_3[1:]))),
    ("three", "BadTTL", frame(GOOD_3, ttl=1)),
    ("three", "BadLength", frame(summed(GOOD_3 + bytes(4)))),
    ("three", "BadChecksum", frame(GOOD_3[:-1] + b"\xff")),
    ("three", "NoAddresses", frame(summed(GOOD_3[:3] + b"\0" + GOOD_3[4:8]))),
    ("three", "ZeroInterval", frame(summed(GOOD_3[:4] + b"\0\0" + GOOD_3[6:]))),
    ("two", "AuthenticationType", frame(message(dataclasses.replace(TWO, password=None)))),
    ("two", "AuthenticationFailed", frame(message(dataclasses.replace(TWO, password=b"tan125\0\0")))),
    ("two", "WrongInterval", frame(message(dataclasses.replace(TWO, interval=2 * SECOND)))),
]


def running(lan: Lan, *routers: RouterConfiguration) -> tuple[EngineAgent, Host]:
    node = lan.host("n1", "10.9.0.1/24", "fd09::1/64")
    attacker = lan.host("attacker", "10.9.0.66/24", "fd09::66/64")
    agent = EngineAgent(node, *routers)
    agent.start()
    return agent, attacker


def dropped(agent: EngineAgent, name: str, family: str = "IPv4") -> dict[str, int]:
    state = agent.router(name, family)
    return dict(state.dropped) if state is not None else {}


def test_each_broken_packet_is_counted_by_its_reason_and_changes_nothing(lan: Lan) -> None:
    agent, attacker = running(lan, ROUTER_3, ROUTER_2)
    agent.wait_for("Active", name="three")
    started = agent.wait_for("Backup", name="two")
    for _ in range(3):
        send(attacker, *(broken for *_, broken in BROKEN))
    for name in ("three", "two"):
        expected = {reason: 3 for of, reason, _ in BROKEN if of == name}
        until(lambda name=name, expected=expected: dropped(agent, name) == expected, 2, f"{name}: {expected}")  # type: ignore[misc]
    three = agent.router("three")
    assert three is not None
    assert (three.state, three.transitions, three.received, three.warnings) == ("Active", 2, 0, {})
    # Broken packets did not hold the Backup up either: it takes over 3.61 s after its start.
    two = agent.wait_for("Active", 5, name="two")
    assert two.since - started.since < 3.609375 + 0.1


def test_the_same_packets_unbroken_take_the_role(lan: Lan) -> None:
    """The cross-check: what the attacker sends would work, if it were not broken. IP options do not disturb."""
    agent, attacker = running(lan, ROUTER_3)
    agent.wait_for("Active", name="three")
    send(attacker, frame(GOOD_3, options=[IPOption_Router_Alert()]))
    state = agent.wait_for("Backup", 0.3, name="three")
    assert state.reason == "heard priority 254, own priority 100"


def test_our_own_source_address_is_not_believed(lan: Lan) -> None:
    agent, attacker = running(
        lan, dataclasses.replace(ROUTER_3, family="IPv6", addresses=("fd09::100/128",), interface="eth0")
    )
    state = agent.wait_for("Active", name="three", family="IPv6")
    own = state.source_address
    below = IPv6(src=own, dst="ff02::12", nh=112, hlim=255)
    send(attacker, Ether(src="02:00:00:00:00:66", dst="33:33:00:00:00:12") / below / Raw(GOOD_3))
    until(lambda: dropped(agent, "three", "IPv6") == {"OwnSource": 1}, 1, "counted")
    assert agent.wait_for("Active", name="three", family="IPv6").transitions == 2


def test_a_flood_delays_no_advertisement_by_more_than_half_a_period(lan: Lan) -> None:
    """5,000 packets a second for 10 s: a quarter of another router's, the others this router's and broken."""
    agent, attacker = running(lan, ROUTER_3)
    agent.wait_for("Active", name="three")
    log = agent.log.read_text()
    with Sniffer(attacker) as seen:
        environment = {"PYTHONPATH": str(Path(hostile.__file__).parents[1])}
        flood = attacker.popen([sys.executable, "-m", hostile.__name__, "51", "5000", "10"], env=environment)
        assert flood.wait(timeout=60) == 0
        sent = [at for at, _ in seen.advertisements("10.9.0.1")]
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    print(f"{len(sent)} advertisements, longest gap {max(gaps) / 1e6:.2f} ms, shortest {min(gaps) / 1e6:.2f} ms")
    assert len(sent) >= 98
    assert max(gaps) <= PERIOD * 3 // 2
    state = agent.router("three")
    assert state is not None
    assert (state.state, state.transitions, state.received) == ("Active", 2, 0)
    assert sum(state.dropped.values()) > 30_000
    assert agent.log.read_text() == log, "no flood of the log"
    print(state.dropped, agent.lateness())


def test_the_engine_sleeps_while_only_foreign_packets_arrive(lan: Lan) -> None:
    """Other routers' packets end in the kernel, before they wake the engine."""
    agent, attacker = running(lan, ROUTER_3)
    agent.wait_for("Active", name="three")
    foreign = frame(message(dataclasses.replace(THREE, virtual_router_id=77)))
    before = _wake_ups(agent.engine)
    for _ in range(20):
        send(attacker, *[foreign] * 100)
        time.sleep(0.01)
    assert _wake_ups(agent.engine) - before < 200
    assert dropped(agent, "three") == {}


def _wake_ups(process: int) -> int:
    assert os.getpid() != process
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("voluntary_ctxt_switches")).split()[1])
