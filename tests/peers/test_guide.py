"""The two files of a keepalived tutorial for ELK nodes as they stand, comments included, one of them played by the agent."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from lab import keepalived
from peers import ways
from peers.neighbors import KeepalivedPeer
from peers.pairing import MARGIN, STARTUP, Pairing, now
from peers.scenarios import beside
from peers.ways import Way

pytestmark = pytest.mark.peers

FILES = {100: "master.conf", 99: "backup.conf"}


class GuidePeer(KeepalivedPeer):
    """One of the files, by its priority."""

    def _configuration(self, priority: int) -> str:
        return (Path(__file__).parent / "guide" / FILES[priority]).read_text()


def _guide(version: str) -> tuple[functools.partial[GuidePeer], list[Way]]:
    return functools.partial(GuidePeer, version=version), [ways.GUIDE]


SPOKEN = {version: _guide(version) for version in keepalived.PACKAGES}


@beside(SPOKEN)
def test_the_agent_plays_the_backup(pairing: Pairing) -> None:
    """keepalived with state MASTER and priority 100, the agent with 99."""
    agent, peer = pairing.agent(99), pairing.peer(100)
    agent.start()
    pairing.wait_for("agent", pairing.longest_down_interval(99) + STARTUP)
    begun = now()
    peer.start()
    pairing.assert_preempts("peer", 100, begun, MARGIN)

    begun = now()
    peer.stop()
    pairing.wait_for("agent", pairing.longest_skew(99) + MARGIN)
    pairing.assert_takeover_after_farewell("agent", 99, begun)


@beside(SPOKEN)
def test_the_agent_plays_the_master(pairing: Pairing) -> None:
    """keepalived with state BACKUP and priority 99, the agent with 100."""
    agent, peer = pairing.agent(100), pairing.peer(99)
    peer.start()
    pairing.wait_for("peer", pairing.longest_down_interval(99) + 1 + MARGIN)
    begun = now()
    agent.start()
    pairing.assert_preempts("agent", 100, begun, STARTUP)

    begun = now()
    agent.kill()
    pairing.wait_for("peer", pairing.longest_down_interval(99) + MARGIN, alone=False)
    pairing.assert_takeover_after_silence("peer", 99, begun)
