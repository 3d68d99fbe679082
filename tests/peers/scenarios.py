"""A scenario of the agent and one peer, run beside every peer at once: on a LAN each, and a test each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from lab import debian, frr, keepalived
from lab.network import Lan
from lab.side_by_side import side_by_side
from peers import ways
from peers.neighbors import AgentPeer, FrrPeer, KeepalivedPeer, Peer
from peers.pairing import Pairing
from peers.ways import Way
from wire.sniffer import Sniffer

MakePeer = Callable[..., Peer]
Spoken = Mapping[str, tuple[MakePeer, Sequence[Way]]]
"""By the peer's name: how it is made, and the ways that both speak."""

BESIDE_KEEPALIVED = (
    ways.V2,
    ways.V2_PASSWORD,
    ways.V2_UNICAST,
    ways.V3,
    ways.V3_UNICAST,
    ways.V3_IPV6,
    ways.V3_IPV6_UNICAST,
    ways.V3_VIRTUAL_MAC,
    ways.V3_IPV6_VIRTUAL_MAC,
)
BESIDE_FRR = (ways.V3, ways.V3_IPV6, ways.V3_VIRTUAL_MAC, ways.V3_IPV6_VIRTUAL_MAC)
SPOKEN: Spoken = {
    "keepalived-2.2": (functools.partial(KeepalivedPeer, version=keepalived.OLDER), BESIDE_KEEPALIVED),
    "keepalived-2.3": (
        functools.partial(KeepalivedPeer, version=keepalived.NEWER),
        (*BESIDE_KEEPALIVED, ways.V3_MESSAGE_ONLY),
    ),
    "frr-8.4": (functools.partial(FrrPeer, version=frr.OLDER), BESIDE_FRR),
    "frr-10.3": (functools.partial(FrrPeer, version=frr.NEWER), (*BESIDE_FRR, ways.V3_MESSAGE_ONLY)),
}

SUBJECTS: dict[str, MakePeer] = {name: make for name, (make, _) in SPOKEN.items()} | {"floatip": AgentPeer}
"""All that can be looked at alike."""


def beside(spoken: Spoken) -> Callable[[Callable[[Pairing], None]], Callable[..., None]]:
    """Makes a test for each peer out of a scenario."""

    def decorate(scenario: Callable[[Pairing], None]) -> Callable[..., None]:
        @functools.wraps(scenario)
        def run(lan: Lan, peer: str) -> None:
            make_peer, spoken_ways = spoken[peer]
            for name, addresses in (("agent", ways.AGENT), ("peer", ways.PEER)):
                lan.host(name, *(f"{address}/{ways.PREFIX[family]}" for family, address in addresses.items()))
            with Sniffer(lan.hosts["agent"]) as seen:
                scenario(Pairing(lan, peer, spoken_ways, or_skip(make_peer), seen))

        return side_by_side(spoken)(run)

    return decorate


def or_skip(make_peer: MakePeer) -> MakePeer:
    """Makes the peer, or skips the test with what is missing."""

    def attempt(*arguments: Any, **named: Any) -> Peer:
        try:
            return make_peer(*arguments, **named)
        except debian.DebianError as missing:
            pytest.skip(str(missing))

    return attempt
