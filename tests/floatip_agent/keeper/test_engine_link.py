"""The keeper's end of engine.sock, against a peer that speaks `messages`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from floatip_agent.configuration import Configuration, Health, RouterConfiguration
from floatip_agent.keeper import engine_link
from floatip_agent.keeper.engine_link import EngineLink
from floatip_agent.keeper.picture import Picture
from floatip_agent.messages import (
    Applied,
    Configure,
    EngineState,
    HealthChanged,
    Message,
    RouterGone,
    RouterState,
    State,
    decode,
    encode,
)

Eventually = Callable[[Callable[[], object]], Awaitable[None]]

ENGINE = EngineState(pid=1, scheduling="RealTime", fence="AddressLifetime", lateness={"+Inf": 0}, lateness_sum=0.0)


def configuration(priority: int = 150) -> Configuration:
    return Configuration(
        (RouterConfiguration("elk", "IPv4", 51, ("172.16.69.94/24",), priority),), {"elk": Health()}, 7, "u"
    )


def state(name: State, transitions: int = 0) -> RouterState:
    return RouterState(
        name="elk",
        family="IPv4",
        virtual_router_id=51,
        state=name,
        reason="",
        priority=150,
        effective_priority=150,
        interface="eth0",
        source_address="172.16.69.91",
        active_router=None,
        since=0.0,
        transitions=transitions,
        sent=0,
        received=0,
        dropped={},
        noted={},
        warnings={},
    )


class Peer:
    """Listens where the engine does, keeps what arrives."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.received: list[Message] = []
        self._writer: asyncio.StreamWriter | None = None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self._path)
        try:
            yield
        finally:
            server.close()
            if self._writer:
                self._writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.say(ENGINE)
        async for line in reader:
            self.received.append(decode(line))

    def say(self, *messages: Message) -> None:
        assert self._writer
        self._writer.write(b"".join(map(encode, messages)))

    def say_raw(self, line: bytes) -> None:
        assert self._writer
        self._writer.write(line)

    @property
    def serial(self) -> int:
        last = next(message for message in reversed(self.received) if isinstance(message, Configure))
        return last.serial


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[EngineLink]:
    link = EngineLink(tmp_path / "engine.sock", Picture())
    task = asyncio.create_task(link.run())
    yield link
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_newest_configuration_goes_out_with_each_connection(
    tmp_path: Path, link: EngineLink, eventually: Eventually
) -> None:
    link.configure(configuration(100))
    link.configure(configuration(150))
    link.change_health("elk", Health(lower_by=60))
    first, second = Peer(tmp_path / "engine.sock"), Peer(tmp_path / "engine.sock")
    wanted = Configuration(configuration().routers, {"elk": Health(lower_by=60)}, 7, "u")
    async with first.listening():
        await eventually(lambda: first.received)
        assert [message.configuration for message in first.received if isinstance(message, Configure)] == [wanted]
    async with second.listening():
        await eventually(lambda: second.received)
        assert [message.configuration for message in second.received if isinstance(message, Configure)] == [wanted]
        assert second.serial > first.serial


async def test_health_goes_by_itself_and_the_newest_word_wins(
    tmp_path: Path, link: EngineLink, eventually: Eventually
) -> None:
    peer = Peer(tmp_path / "engine.sock")
    link.configure(configuration())
    async with peer.listening():
        await eventually(lambda: peer.received)
        link.change_health("elk", Health(lower_by=10))
        link.change_health("elk", Health(lower_by=20))
        await eventually(lambda: len(peer.received) > 1)
        assert peer.received[1:] == [HealthChanged("elk", Health(lower_by=20))]


async def test_confirmed_is_only_what_this_keeper_sent_last(tmp_path: Path, eventually: Eventually) -> None:
    """api.md: "/readyz: 200 when the engine has confirmed the keeper's latest document"."""
    picture, peer = Picture(), Peer(tmp_path / "engine.sock")
    link = EngineLink(tmp_path / "engine.sock", picture)
    task = asyncio.create_task(link.run())
    link.configure(configuration())
    async with peer.listening():
        await eventually(lambda: peer.received)
        assert not picture.is_confirmed
        peer.say(Applied(peer.serial - 1, 6), state("Backup"))
        await eventually(lambda: picture.routers)
        assert not picture.is_confirmed
        peer.say(Applied(peer.serial, 7))
        await eventually(lambda: picture.is_confirmed)
        link.configure(configuration(100))
        assert not picture.is_confirmed
        await eventually(lambda: len(peer.received) == 2)
        peer.say(Applied(peer.serial, 7))
        await eventually(lambda: picture.is_confirmed)
    await eventually(lambda: not picture.is_confirmed)
    assert picture.routers  # what was known last stays until the next engine speaks
    task.cancel()


async def test_states_arrive_nonsense_does_no_harm(tmp_path: Path, eventually: Eventually) -> None:
    picture, peer = Picture(), Peer(tmp_path / "engine.sock")
    task = asyncio.create_task(EngineLink(tmp_path / "engine.sock", picture).run())
    async with peer.listening():
        await eventually(lambda: picture.is_engine_connected)
        peer.say_raw(b'nonsense\n{"type":"Nobody"}\n{"type":"RouterGone"}\n[]\n\n')
        peer.say(state("Backup"), state("Active", 1), state("Active", 1), state("Backup", 2), state("Active", 3))
        await eventually(lambda: picture.transitions["elk", "IPv4", "Active"] == 2)
        assert picture.transitions["elk", "IPv4", "Backup"] == 1
        assert picture.routers["elk", "IPv4"].state == "Active"
        peer.say(RouterGone("elk", "IPv4"))
        await eventually(lambda: not picture.routers)
    task.cancel()


async def test_an_engine_that_hangs_is_not_there(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_link, "SILENCE", 0.2)
    picture, peer = Picture(), Peer(tmp_path / "engine.sock")
    task = asyncio.create_task(EngineLink(tmp_path / "engine.sock", picture).run())
    async with peer.listening():
        await eventually(lambda: picture.is_engine_connected)
        await asyncio.sleep(0.4)
        assert picture.is_engine_connected, "without routers it has nothing to say"
        peer.say(state("Active"))
        await eventually(lambda: not picture.is_engine_connected)
        peer.say(ENGINE)
        await eventually(lambda: picture.is_engine_connected)
    task.cancel()


async def test_after_leave_the_end_of_the_connection_is_the_end(tmp_path: Path, eventually: Eventually) -> None:
    picture, peer = Picture(), Peer(tmp_path / "engine.sock")
    link = EngineLink(tmp_path / "engine.sock", picture)
    task = asyncio.create_task(link.run())
    async with peer.listening():
        await eventually(lambda: picture.is_engine_connected)
        peer.say(state("Active"))
        link.leave()
        await asyncio.sleep(0.3)
        assert not task.done()
        peer.say(state("Initialize"))
    await asyncio.wait_for(task, 1)
    assert picture.routers["elk", "IPv4"].state == "Initialize"
