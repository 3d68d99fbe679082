"""The address list changes on one side while both run. keepalived up to 2.3.2 drops an advertisement whose list is not its
own; RFC 9568, 7.1, has it logged only."""

from __future__ import annotations

import functools
from typing import cast

import pytest
from lab import keepalived
from lab.waiting import until
from peers import ways
from peers.neighbors import KeepalivedPeer
from peers.pairing import MARGIN, STARTUP, Pairing, now
from peers.scenarios import beside

pytestmark = pytest.mark.peers

WAYS = (ways.V2, ways.V3)
ANOTHER = {way.name: f"172.16.69.{way.virtual_router_id + 100}" for way in WAYS}


SPOKEN = {version: (functools.partial(KeepalivedPeer, version=version), WAYS) for version in keepalived.PACKAGES}


def _longer(pairing: Pairing, priority: int) -> list[dict[str, object]]:
    """The agent's entries with one more address each."""
    entries = pairing.entries(priority)
    return [entry | {"addresses": [*entry["addresses"], f"{ANOTHER[entry['name']]}/24"]} for entry in entries]


@beside(SPOKEN)
def test_the_list_of_an_active_agent_grows(pairing: Pairing) -> None:
    """keepalived 2.2.7 becomes a second Active, until its file says the same; 2.3.3 stays Backup."""
    agent, peer = pairing.agent(pairing.higher), cast("KeepalivedPeer", pairing.peer(pairing.lower))
    peer.start()
    agent.start()
    pairing.wait_for("agent", pairing.longest_down_interval(pairing.higher) + 1 + STARTUP)
    pairing.settle()

    agent.write(*_longer(pairing, pairing.higher))
    until(
        lambda: all(pairing.agent_host.holds(other) for other in ANOTHER.values()), STARTUP, "the new addresses are up"
    )
    if pairing.peer_name == keepalived.OLDER:
        pairing.wait_for("peer", pairing.longest_down_interval(pairing.lower) + 1 + MARGIN, alone=False)
        assert set(map(frozenset, pairing.holders().values())) == {frozenset({"agent", "peer"})}
        begun = now()
        peer.add_addresses({name: f"{other}/24" for name, other in ANOTHER.items()})
        pairing.wait_for("agent", 1 + MARGIN)
        pairing.assert_gave_way("peer", begun)
    pairing.assert_stays_with("agent")


@beside(SPOKEN)
def test_the_list_of_an_active_keepalived_grows(pairing: Pairing) -> None:
    """The agent accepts any list: it stays Backup, with its own list; and it takes over with that one."""
    agent, peer = pairing.agent(pairing.lower), cast("KeepalivedPeer", pairing.peer(pairing.higher))
    agent.start()
    peer.start()
    pairing.wait_for("peer", pairing.longest_down_interval(pairing.higher) + 1 + STARTUP)
    agent.wait_for("Backup", STARTUP)

    peer.add_addresses({name: f"{other}/24" for name, other in ANOTHER.items()})
    until(lambda: all(pairing.peer_host.holds(other) for other in ANOTHER.values()), 5, "the new addresses are up")
    pairing.assert_stays_with("peer")
    warned = {
        warning["reason"] for router in (agent.status() or {})["virtualRouters"] for warning in router["warnings"]
    }
    assert warned == {"WireMismatch"}

    begun = now()
    peer.stop()
    pairing.wait_for("agent", pairing.longest_skew(pairing.lower) + MARGIN)
    pairing.assert_takeover_after_farewell("agent", pairing.lower, begun)


@beside(SPOKEN)
def test_the_list_of_a_backup_agent_grows(pairing: Pairing) -> None:
    """Nothing moves, and it takes over with the new list."""
    agent, peer = pairing.agent(pairing.lower), pairing.peer(pairing.higher)
    agent.start()
    peer.start()
    pairing.wait_for("peer", pairing.longest_down_interval(pairing.higher) + 1 + STARTUP)
    agent.write(*_longer(pairing, pairing.lower))
    pairing.assert_stays_with("peer")

    peer.stop()
    pairing.wait_for("agent", pairing.longest_skew(pairing.lower) + MARGIN)
    until(lambda: all(pairing.agent_host.holds(other) for other in ANOTHER.values()), MARGIN, "all are up")
