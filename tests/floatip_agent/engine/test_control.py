"""The engine's line to the keeper: whole lines in, and a reader that does not read never makes the engine wait."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from floatip_agent.configuration import Configuration, Health, RouterConfiguration
from floatip_agent.engine.control import Connection
from floatip_agent.engine.lateness import Lateness
from floatip_agent.messages import Configure, EngineState, HealthChanged, encode
from lab.network import Lan
from lab.waiting import until
from wire.engine import EngineAgent


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    connection = Connection(ours)
    yield connection, theirs
    connection.close()
    theirs.close()


def test_lines_are_whole_whatever_the_pieces(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    assert connection.read() == ([], True)
    peer.sendall(b"on")
    assert connection.read() == ([], True)
    peer.sendall(b"e\ntwo\nthr")
    assert connection.read() == ([b"one", b"two"], True)
    peer.sendall(b"ee\n")
    assert connection.read() == ([b"three"], True)


def test_the_peers_end_shows(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    peer.close()
    assert connection.read() == ([], False)
    connection.write(b"into the void\n")
    assert not connection.wants_to_write


def test_who_does_not_read_is_lagging_and_gets_no_torn_line(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    line = b"x" * 999 + b"\n"
    for _ in range(20_000):
        connection.write(line)
    assert connection.is_lagging
    peer.settimeout(0.05)
    received = bytearray()
    while connection.wants_to_write:
        received += peer.recv(1 << 20)
        connection.flush()
    peer.setblocking(False)
    try:
        while chunk := peer.recv(1 << 20):
            received += chunk
    except BlockingIOError:
        pass
    lines = bytes(received).split(b"\n")
    assert lines.pop() == b""
    assert set(lines) == {line[:-1]}
    assert 4_000 < len(lines) < 20_000, "some waited, the rest was dropped"


def test_lateness_is_counted_in_its_bucket() -> None:
    lateness = Lateness()
    for microseconds in (0, 100, 101, 500, 4_000, 49_000, 2_000_000):
        lateness.add(microseconds * 1000)
    assert lateness.buckets == {
        "0.0001": 2,
        "0.0005": 2,
        "0.001": 0,
        "0.005": 1,
        "0.01": 0,
        "0.05": 1,
        "0.1": 0,
        "0.5": 0,
        "1.0": 0,
        "+Inf": 1,
    }
    assert lateness.sum == pytest.approx(2.053701)


@pytest.mark.linux
def test_a_keeper_that_talks_nonsense_or_never_reads_does_not_disturb(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    router = RouterConfiguration("elk", "IPv4", 51, ("10.9.0.100/32",), 200, advertisement_interval=100_000_000)
    agent = EngineAgent(host, router)
    agent.start()
    agent.wait_for("Active")
    with socket.socket(socket.AF_UNIX) as nonsense, socket.socket(socket.AF_UNIX) as silent:
        for stream in (nonsense, silent):
            stream.connect(str(agent.run_dir / "engine.sock"))
        bad = encode(Configure(1, agent_configuration())).replace(b'"priority":200', b'"priority":"x"')
        nonsense.sendall(b"hello\n" + bad + encode(EngineState(1, "Nice", "AddressLifetime", {}, 0.0)))
        until(lambda: agent.log.read_text().count("refused an order") == 3, 2, "each is refused")
        assert "routers[0].priority: an integer is required, not 'x'" in agent.log.read_text()
        nonsense.sendall(encode(HealthChanged("elk", Health(lower_by=50))))
        until(lambda: (state := agent.router()) is not None and state.effective_priority == 150, 2, "an order works")
    state = agent.wait_for("Active")
    assert state.transitions == 2
    assert state.stale, "nobody is connected who could say anything newer"


def agent_configuration() -> Configuration:
    return Configuration((RouterConfiguration("elk", "IPv4", 51, ("10.9.0.100/32",), 200),))
