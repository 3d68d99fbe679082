"""keepalived with `old_unicast_checksum`, the form before 1.3.6: the multicast address is in the sum of a unicast packet."""

from __future__ import annotations

import functools

import pytest
from lab import keepalived
from peers import ways
from peers.neighbors import KeepalivedPeer
from peers.pairing import MARGIN, STARTUP, Pairing
from peers.scenarios import beside

pytestmark = pytest.mark.peers


SPOKEN = {
    version: (functools.partial(KeepalivedPeer, version=version), [ways.V3_OLD_UNICAST])
    for version in keepalived.PACKAGES
}


@beside(SPOKEN)
def test_it_is_heard_and_hears_nobody_else(pairing: Pairing) -> None:
    """The agent yields to it; with a lower priority it does not yield to the agent, whose form it refuses."""
    agent, peer = pairing.agent(pairing.lower), pairing.peer(pairing.higher)
    agent.start()
    pairing.wait_for("agent", pairing.longest_down_interval(pairing.lower) + STARTUP)
    peer.start()
    pairing.wait_for("peer", pairing.longest_down_interval(pairing.higher) + 1 + MARGIN)
    pairing.assert_stays_with("peer")

    peer.change_priority(50)
    pairing.wait_for("agent", pairing.longest_down_interval(pairing.lower) + 2 + MARGIN, alone=False)
    pairing.settle()
    assert pairing.holders() == {ways.V3_OLD_UNICAST.name: {"agent", "peer"}}
