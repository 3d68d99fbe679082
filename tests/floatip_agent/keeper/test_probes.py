"""Probes against real listeners: what is said about each outcome, how often, and what a reconfiguration keeps."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from floatip_agent.configuration import Health
from floatip_agent.keeper.picture import Picture, ReportedInterface
from floatip_agent.keeper.probe_state import Probe, ProbeSet, ProbeState, Thresholds
from floatip_agent.keeper.probes import Probes, attempt

Eventually = Callable[[Callable[[], object]], Awaitable[None]]


class Listener:
    """Takes connections, and notes when."""

    def __init__(self) -> None:
        self.port = 0
        self.connections: list[float] = []

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(asyncio.get_running_loop().time())
        writer.close()


@pytest.fixture
def listener() -> Listener:
    found = Listener()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found.port = free.getsockname()[1]
    return found


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A listener whose queue is full: it does not answer."""
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        yield deaf.getsockname()[1]


def probe(port: int, **changes: object) -> Probe:
    first = Probe("es", port, "127.0.0.1", 0.2, 0.2, Thresholds(2, 2), "FirstResult", 60)
    return dataclasses.replace(first, **changes)  # type: ignore[arg-type]


def only(*probes: Probe, interface: str | None = None) -> dict[str, ProbeSet]:
    return {"elk": ProbeSet(probes, "IPv4", interface)}


async def test_what_is_said_about_each_outcome(listener: Listener, deaf_port: int) -> None:
    assert await attempt("127.0.0.1", listener.port, 1.0) == f"127.0.0.1:{listener.port} refused the connection"
    assert await attempt("127.0.0.1", deaf_port, 0.2) == f"127.0.0.1:{deaf_port} did not answer within 0.2 s"
    assert await attempt("::1", listener.port, 1.0) == f"[::1]:{listener.port} refused the connection"
    async with listener.listening():
        assert await attempt("127.0.0.1", listener.port, 1.0) is None
    said = await attempt("nowhere.invalid", listener.port, 5.0)
    assert said
    assert said.startswith("nowhere.invalid is no address that can be found")


@pytest.mark.parametrize("host", ["a..b", ".", "x" * 70])
async def test_a_host_that_no_resolver_takes_is_a_failure_as_well(host: str) -> None:
    """The schema lets them pass; the probe's task must not end on them, or its last verdict would stand for ever."""
    said = await attempt(host, 80, 1.0)
    assert said
    assert said.startswith(f"{host} is no address that can be found")


async def test_a_service_that_goes_and_comes(listener: Listener, eventually: Eventually) -> None:
    told: list[Health] = []
    probes = Probes(Picture(), {}, lambda name, health: told.append(health))
    async with listener.listening():
        probes.reconfigure(only(probe(listener.port, lower_priority_by=None)))
        assert probes.health() == {"elk": Health(waiting=("es",))}
        await eventually(lambda: told == [Health()])
    await eventually(lambda: len(told) == 2)
    why = f"probe es: 127.0.0.1:{listener.port} refused the connection, 2 times in a row"
    assert told[1] == Health(faults=(why,))
    async with listener.listening():
        await eventually(lambda: told[2:] == [Health()])
    probes.stop()


async def test_the_first_at_once_then_on_a_fixed_grid(listener: Listener, eventually: Eventually) -> None:
    probes = Probes(Picture(), {}, lambda name, health: None)
    async with listener.listening():
        start = asyncio.get_running_loop().time()
        probes.reconfigure(only(probe(listener.port)))
        await eventually(lambda: len(listener.connections) == 6)
    probes.stop()
    grid = [start + 0.2 * number for number in range(6)]
    late = [at - due for at, due in zip(listener.connections, grid, strict=True)]
    assert max(late) < 0.15  # a drift would add up to more


async def test_what_did_not_change_keeps_running_and_what_did_keeps_its_verdict(
    listener: Listener, eventually: Eventually
) -> None:
    told: list[Health] = []
    picture = Picture()
    probes = Probes(picture, {}, lambda name, health: told.append(health))
    async with listener.listening():
        slow, quick = probe(listener.port, name="slow", period=60.0), probe(listener.port)
        probes.reconfigure(only(slow, quick))
        await eventually(lambda: probes.health() == {"elk": Health()})
        count = len(listener.connections)
        probes.reconfigure(only(slow, probe(listener.port, timeout=0.1, period=60.0)))
        assert probes.health() == {"elk": Health()}
        await eventually(lambda: len(listener.connections) > count)
        await asyncio.sleep(0.3)
        # Of the two only the changed one ran anew.
        assert len(listener.connections) <= count + 2
        probes.reconfigure({})
        assert probes.health() == {}
        assert picture.probes == {}
    probes.stop()


async def test_the_last_known_results_count_after_a_restart(listener: Listener, eventually: Eventually) -> None:
    """api.md: "after a restart of the engine the last known results count"; one success does not heal at once."""
    saved = {"elk": {"es": ProbeState("Failing", 0, "it refused")}}
    told: list[Health] = []
    probes = Probes(Picture(), saved, lambda name, health: told.append(health))
    async with listener.listening():
        probes.reconfigure(only(probe(listener.port)))
        assert probes.health() == {"elk": Health(lower_by=60)}
        await eventually(lambda: told == [Health()])
        assert len(listener.connections) == 2
    probes.stop()


async def test_the_host_is_the_nodes_own_first_address_on_the_routers_interface(
    listener: Listener, eventually: Eventually
) -> None:
    picture = Picture()
    probes = Probes(picture, {}, lambda name, health: None)
    async with listener.listening():
        probes.reconfigure(only(probe(listener.port, host=None), interface="eth1"))
        await asyncio.sleep(0.3)
        assert probes.health() == {"elk": Health(waiting=("es",))}
        picture.interfaces = (
            ReportedInterface("eth0", True, ("127.0.0.9/8",)),
            ReportedInterface("eth1", True, ("::1/128", "127.0.0.1/8", "127.0.0.9/8")),
        )
        await eventually(lambda: probes.health() == {"elk": Health()})
    probes.stop()
