"""HMAC-SHA256 between real agents: rotation, replays across restarts, and a clock that jumps."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import Any

import pytest
from floatip_agent import marks
from floatip_agent.configuration import RouterConfiguration
from floatip_agent.vrrp.checksum import PROTOCOL
from floatip_agent.vrrp.packet import MULTICAST_IPV4
from lab.clocks import Clock
from lab.network import Host, Lan
from lab.waiting import throughout, until
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from wire.engine import EngineAgent
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux

PERIOD = 100_000_000
DOWN_INTERVAL = 0.4
"""Seconds, at most: three periods and a skew time."""
DAY = 86400
OLD, NEW = "aa" * 32, "bb" * 32


def router(priority: int, **more: Any) -> RouterConfiguration:
    signed: dict[str, Any] = {"hmac_keys": ((1, OLD),), "hmac_active_key_id": 1, "advertisement_interval": PERIOD}
    return RouterConfiguration("elk", "IPv4", 51, ("10.9.0.100/32",), priority, **signed | more)


class Pair:
    """n1 (priority 200) and n2 (priority 100) with one key, and a stranger on the LAN."""

    def __init__(self, lan: Lan, **more: Any) -> None:
        self.n1, self.n2 = lan.host("n1", "10.9.0.1/24"), lan.host("n2", "10.9.0.2/24")
        self.stranger = lan.host("stranger", "10.9.0.66/24")
        self.clocks = [Clock(host.folder / "clock") for host in (self.n1, self.n2)]
        self.one, self.other = (
            EngineAgent(host, router(priority, **more), env=clock.environment)
            for host, priority, clock in zip((self.n1, self.n2), (200, 100), self.clocks, strict=True)
        )

    def start(self) -> None:
        """n1 first: n2 has nothing to take over."""
        self.one.start()
        self.one.wait_for("Active", 10)
        self.other.start()
        self.other.wait_for("Backup", 10)

    def transitions(self) -> tuple[int, int]:
        states = self.one.router(), self.other.router()
        assert all(states)
        first, second = (state.transitions for state in states if state)
        return first, second

    def is_settled(self) -> bool:
        return self.n1.holds("10.9.0.100") and not self.n2.holds("10.9.0.100")


def replay(host: Host, frames: list[Ether]) -> None:
    """Exactly what was seen, source MAC and IP header included."""
    with host.entered():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender:
        sender.bind(("eth0", 0))
        for frame in frames:
            sender.send(bytes(frame))


def test_two_with_one_key_settle_and_one_without_it_is_not_believed(lan: Lan) -> None:
    pair = Pair(lan)
    pair.start()
    intruder = EngineAgent(pair.stranger, router(250, hmac_keys=((1, NEW),)))
    intruder.start()
    intruder.wait_for("Active")
    throughout(pair.is_settled, 3 * DOWN_INTERVAL, "the two with the right key go on")
    state = pair.other.router()
    assert state is not None
    assert state.dropped["AuthenticationFailed"] > 0
    assert state.active_router == "10.9.0.1"


def test_keys_and_modes_change_step_by_step_without_a_transition(lan: Lan) -> None:
    """From no authentication to a second key, the nodes one after the other at each step, in both orders."""
    plain = {"hmac_keys": (), "hmac_active_key_id": 0}
    pair = Pair(lan, **plain)
    pair.start()
    both = {"hmac_keys": ((1, OLD), (2, NEW))}
    steps: list[dict[str, Any]] = [
        {"hmac_mode": "ReceiveOnly"},
        {"hmac_mode": "Permissive"},
        {"hmac_mode": "Enforce"},
        both,
        {**both, "hmac_active_key_id": 2},
        {"hmac_keys": ((2, NEW),), "hmac_active_key_id": 2},
    ]
    before = pair.transitions()
    for number, step in enumerate(steps):
        for agent, priority in ((pair.one, 200), (pair.other, 100))[:: 1 if number % 2 else -1]:
            agent.configure(router(priority, **step))
            throughout(pair.is_settled, 1.2 * DOWN_INTERVAL, f"n1 alone holds the address in step {number}")
    assert pair.transitions() == before
    state = pair.other.router()
    assert state is not None
    assert not state.dropped
    assert {name.partition("/")[0] for name in state.marks} >= {"1", "2"}


def test_a_recorded_farewell_is_refused_before_and_after_a_restart(lan: Lan) -> None:
    """An advertisement with priority 0 of yesterday would make the Backup take over within the skew time."""
    pair = Pair(lan)
    pair.start()
    with Sniffer(pair.stranger) as seen:
        assert pair.one.stop() == 0
        pair.other.wait_for("Active")
        assert seen.advertisements("10.9.0.1")[-1][1] == 0
        farewell = [
            frame
            for _, frame in seen.frames
            if IP in frame and (frame[IP].src, frame[IP].proto) == ("10.9.0.1", PROTOCOL)
        ][-1:]
    pair.one.start()
    pair.one.wait_for("Active")
    pair.other.wait_for("Backup")
    before = pair.transitions()
    replay(pair.stranger, farewell)
    until(lambda: refused(pair.other) == 1, 2, "the replay is counted")
    os.kill(pair.other.engine, signal.SIGKILL)  # the guard knows the marks
    until(lambda: refused(pair.other) == 0, 2, "another engine of n2")
    pair.other.wait_for("Backup")
    replay(pair.stranger, farewell)
    until(lambda: refused(pair.other) == 1, 2, "the replay is counted by the new engine")
    throughout(pair.is_settled, 2 * DOWN_INTERVAL, "n1 alone holds the address")
    assert pair.transitions()[0] == before[0]


def refused(agent: EngineAgent) -> int:
    state = agent.router()
    return state.dropped.get("Replayed", 0) if state else -1


def test_saved_marks_refuse_a_replay_when_guard_and_engine_were_gone(lan: Lan) -> None:
    host, stranger = lan.host("n1", "10.9.0.1/24"), lan.host("stranger", "10.9.0.66/24")
    sender = EngineAgent(stranger, router(250))
    with Sniffer(host) as seen:
        sender.start()
        sender.wait_for("Active")
        until(lambda: seen.advertisements("10.9.0.66"), 2, "an advertisement")
        sender.kill()
        frames = [
            frame for _, frame in seen.frames if IP in frame and frame[IP].dst == socket.inet_ntoa(MULTICAST_IPV4)
        ]
    last = int.from_bytes(bytes(frames[-1][IP].payload)[-24:-16], "big")
    receiver = EngineAgent(host, router(100))
    saved = {("elk", "IPv4"): {f"1/{socket.inet_aton('10.9.0.66').hex()}": last}}
    (receiver.state_dir / marks.FILE_NAME).write_bytes(marks.dumps(saved))  # type: ignore[arg-type]
    receiver.start()
    receiver.wait_for("Active")
    replay(stranger, frames)
    until(lambda: refused(receiver) == len(frames), 2, "each of them is a replay")
    assert host.holds("10.9.0.100")


def test_a_clock_that_jumps_by_a_day_causes_no_transition(lan: Lan) -> None:
    """Forwards and back, on the Active and on the Backup, and across a restart of the engine while the clock is behind its marks."""
    pair = Pair(lan)
    pair.start()
    before = pair.transitions()
    for clock in pair.clocks:
        for offset in (DAY, 0, -DAY, 0):
            clock.set(offset)
            throughout(pair.is_settled, 1.5 * DOWN_INTERVAL, f"n1 alone holds the address, {offset} s off")
    assert pair.transitions() == before
    assert sent_mark(pair.one) >> 32 > time.time() + DAY / 2
    os.kill(pair.one.engine, signal.SIGKILL)
    pair.one.wait_for("Active", 5)
    pair.other.wait_for("Backup")
    assert refused(pair.other) == 0


def sent_mark(agent: EngineAgent) -> int:
    state = agent.router()
    return state.marks.get("sent", 0) if state else 0
