"""The peers that a test of this folder runs beside: each a parameter, skipped with the reason where it cannot be had."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import pytest
from lab import debian, frr, keepalived
from lab.network import Lan
from peers import ways
from peers.neighbors import AgentPeer, FrrPeer, KeepalivedPeer, Peer
from peers.pairing import Pairing
from peers.ways import Way
from wire.sniffer import Sniffer

BESIDE_KEEPALIVED = (
    ways.V2,
    ways.V2_PASSWORD,
    ways.V2_UNICAST,
    ways.V3,
    ways.V3_UNICAST,
    ways.V3_IPV6,
    ways.V3_IPV6_UNICAST,
)
BESIDE_FRR = (ways.V3, ways.V3_IPV6)
SPOKEN: dict[str, tuple[Callable[..., Peer], tuple[Way, ...]]] = {
    "keepalived-2.2": (functools.partial(KeepalivedPeer, version=keepalived.OLDER), BESIDE_KEEPALIVED),
    "keepalived-2.3": (
        functools.partial(KeepalivedPeer, version=keepalived.NEWER),
        (*BESIDE_KEEPALIVED, ways.V3_MESSAGE_ONLY),
    ),
    "frr-8.4": (functools.partial(FrrPeer, version=frr.OLDER), BESIDE_FRR),
    "frr-10.3": (functools.partial(FrrPeer, version=frr.NEWER), (*BESIDE_FRR, ways.V3_MESSAGE_ONLY)),
}

SUBJECTS: dict[str, Callable[..., Peer]] = {name: make for name, (make, _) in SPOKEN.items()} | {"floatip": AgentPeer}


@pytest.fixture(params=SPOKEN)
def pairing(request: pytest.FixtureRequest, lan: Lan) -> Iterator[Pairing]:
    """The agent and a peer on one LAN, every way at once."""
    make_peer, spoken = SPOKEN[request.param]
    with pairing_on(lan, spoken, make_peer) as pairing:
        yield pairing


@contextlib.contextmanager
def pairing_on(lan: Lan, spoken: Sequence[Way], make_peer: Callable[..., Peer]) -> Iterator[Pairing]:
    for name, addresses in (("agent", ways.AGENT), ("peer", ways.PEER)):
        lan.host(name, *(f"{address}/{ways.PREFIX[family]}" for family, address in addresses.items()))
    with Sniffer(lan.hosts["agent"]) as seen:
        yield Pairing(lan, spoken, or_skip(make_peer), seen)


def or_skip(make_peer: Callable[..., Peer]) -> Callable[..., Peer]:
    """Makes the peer, or skips the test with what is missing."""

    def attempt(*arguments: Any, **named: Any) -> Peer:
        try:
            return make_peer(*arguments, **named)
        except debian.DebianError as missing:
            pytest.skip(str(missing))

    return attempt


Result = TypeVar("Result")


@pytest.fixture(scope="module")
def look_at_all(
    lan_per_subject: Callable[[], AbstractContextManager[Lan]],
) -> Callable[[Callable[[Lan, str], Result]], Callable[[str], Result]]:
    """Runs an experiment on every subject at once, each on a LAN of its own (they mostly wait); the result by name."""

    def look(experiment: Callable[[Lan, str], Result]) -> Callable[[str], Result]:
        def on_a_lan(name: str) -> Result:
            with lan_per_subject() as lan:
                return experiment(lan, name)

        with ThreadPoolExecutor(len(SUBJECTS)) as threads:
            results = {name: threads.submit(on_a_lan, name) for name in SUBJECTS}
        return lambda name: results[name].result()

    return look
