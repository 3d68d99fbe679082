"""Router IDs of strangers: who counts, when they are forgotten, and that a flood costs little."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
from floatip_agent.keeper.picture import Picture
from floatip_agent.keeper.strangers import FORGET_AFTER, LISTEN_AGAIN_AFTER, MAXIMUM, Strangers, StrangerWatch
from floatip_agent.vrrp.packet import Wire, encode
from lab.network import Host, Lan

Eventually = Callable[[Callable[[], object]], Awaitable[None]]

WALL = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING: frozenset[tuple[str, int]] = frozenset()


def _ids(strangers: Strangers, now: float, ours: frozenset[tuple[str, int]] = NOTHING) -> list[int]:
    return [stranger.virtual_router_id for stranger in strangers.present(now, ours)]


def test_a_stranger_is_forgotten_five_minutes_after_its_last_word() -> None:
    strangers = Strangers()
    strangers.hear(("eth0", 7), "10.9.0.7", 0.0, WALL)
    strangers.hear(("eth0", 7), "10.9.0.8", 200.0, WALL)
    assert [(found.virtual_router_id, found.address) for found in strangers.present(499.0, NOTHING)] == [
        (7, "10.9.0.7")
    ]
    assert _ids(strangers, 200.0 + FORGET_AFTER) == []


def test_an_id_that_became_ours_is_no_strangers() -> None:
    strangers = Strangers()
    strangers.hear(("eth0", 7), "10.9.0.7", 0.0, WALL)
    strangers.hear(("eth1", 7), "10.8.0.7", 0.0, WALL)
    assert _ids(strangers, 1.0, frozenset({("eth0", 7)})) == [7]


def test_at_most_64_and_the_first_ones_stay() -> None:
    strangers = Strangers()
    for number in range(1, 200):
        strangers.hear(("eth0", number), "10.9.0.7", 0.0, WALL)
    assert _ids(strangers, 1.0) == list(range(1, MAXIMUM + 1))


@contextlib.asynccontextmanager
async def _watching(picture: Picture, ours: frozenset[tuple[str, int]]) -> AsyncIterator[None]:
    task = asyncio.create_task(StrangerWatch(picture, lambda: frozenset({"eth0", "gone0"}), lambda: ours).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _send(host: Host, virtual_router_id: int, *, ttl: int = 255, version: int = 2, times: int = 1) -> None:
    """One advertisement from the host, as a router would send it."""
    source, group = socket.inet_aton("10.9.0.7"), socket.inet_aton("224.0.0.18")
    wire = Wire(version, virtual_router_id, 1_000_000_000, (socket.inet_aton("10.9.0.200"),))
    message = encode(wire, 100, source, group)
    with host.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, 112) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        interface = struct.pack("=4s4si", bytes(4), source, 0)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        for _ in range(times):
            sender.sendto(message, ("224.0.0.18", 0))


def _send_ipv6(host: Host, virtual_router_id: int) -> None:
    group = socket.inet_pton(socket.AF_INET6, "ff02::12")
    wire = Wire(3, virtual_router_id, 1_000_000_000, (socket.inet_pton(socket.AF_INET6, "fe80::7"),))
    with host.entered(), socket.socket(socket.AF_INET6, socket.SOCK_RAW, 112) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        scope = socket.if_nametoindex("eth0")
        sender.sendto(encode(wire, 100, bytes(16), group), ("ff02::12", 0, 0, scope))


def _seen(picture: Picture) -> list[tuple[int, str]]:
    return [(found.virtual_router_id, found.interface) for found in picture.strangers]


async def test_strangers_on_an_interface_in_use_are_heard_and_nobody_else(lan: Lan, eventually: Eventually) -> None:
    node, router = lan.host("node", "10.9.0.1/24"), lan.host("router", "10.9.0.7/24")
    picture = Picture()
    with node.entered():
        async with _watching(picture, frozenset({("eth0", 51)})):
            await asyncio.sleep(0.5)
            _send(router, 51)  # of a FloatingIP that this node takes part in
            _send(router, 8, ttl=64)  # RFC 9568 7.1: from off the link, so nobody's claim
            _send(router, 9)
            _send(router, 10, version=3)
            _send_ipv6(router, 11)
            await eventually(lambda: _seen(picture) == [(9, "eth0"), (10, "eth0"), (11, "eth0")])
            assert picture.strangers[0].address == "10.9.0.7"
            assert picture.strangers[2].address.startswith("fe80:")


def test_who_was_heard_is_listened_to_again_after_a_minute_and_who_is_ours_never() -> None:
    strangers = Strangers()
    strangers.hear(("eth0", 7), "10.9.0.7", 0.0, WALL)
    ours = frozenset({("eth0", 51), ("eth1", 52)})
    every = frozenset(range(1, 256))
    assert strangers.listen_to("eth0", 1.0, ours) == every - {7, 51}
    assert strangers.listen_to("eth1", 1.0, ours) == every - {52}
    assert strangers.listen_to("eth0", LISTEN_AGAIN_AFTER, ours) == every - {51}


async def test_another_id_is_heard_beside_a_flood(lan: Lan, eventually: Eventually) -> None:
    node, router = lan.host("node", "10.9.0.1/24"), lan.host("router", "10.9.0.7/24")
    picture = Picture()
    with node.entered():
        async with _watching(picture, NOTHING):
            await asyncio.sleep(0.5)
            for _ in range(10):
                await asyncio.to_thread(_send, router, 9, times=500)
                await asyncio.to_thread(_send, router, 10)
                await asyncio.sleep(0.1)
            await eventually(lambda: _seen(picture) == [(9, "eth0"), (10, "eth0")])


def test_without_net_raw_it_is_said_once_and_the_list_stays_empty(lan: Lan, caplog: pytest.LogCaptureFixture) -> None:
    node = lan.host("node", "10.9.0.1/24")
    program = (
        "import asyncio, logging; from floatip_agent.keeper import strangers, picture\n"
        "logging.basicConfig(); seen = picture.Picture()\n"
        "watch = strangers.StrangerWatch(seen, lambda: frozenset({'eth0'}), frozenset)\n"
        "asyncio.run(asyncio.wait_for(watch.run(), 5)); assert seen.strangers == ()\n"
    )
    done = node.run(["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", sys.executable, "-c", program])
    assert done.stderr.count("no CAP_NET_RAW") == 1
