"""The agent beside keepalived and FRR on one LAN, in every way both speak: who becomes Active, and when the role moves."""

from __future__ import annotations

import pytest
from peers.pairing import LIFETIME, MARGIN, STARTUP, Pairing, now
from peers.scenarios import SPOKEN, beside

pytestmark = pytest.mark.peers


@beside(SPOKEN)
def test_the_agent_preempts_and_hands_back(pairing: Pairing) -> None:
    """RFC 9568, 6.4.2: a Backup of higher priority discards the advertisements of the Active and takes over when its
    Active_Down_Timer fires; 6.4.3: one that is shut down sends an advertisement with priority 0."""
    peer, agent = pairing.peer(pairing.lower), pairing.agent(pairing.higher)
    peer.start()
    pairing.wait_for("peer", pairing.longest_down_interval(pairing.lower) + 1 + MARGIN)

    begun = now()
    agent.start()
    pairing.assert_preempts("agent", pairing.higher, begun, STARTUP)

    begun = now()
    agent.process.terminate()
    pairing.wait_for("peer", pairing.longest_skew(pairing.lower) + MARGIN)
    assert agent.stop() == 0
    pairing.assert_takeover_after_farewell("peer", pairing.lower, begun)
    pairing.assert_stays_with("peer")


@beside(SPOKEN)
def test_the_peer_preempts_and_hands_back(pairing: Pairing) -> None:
    """The same the other way round: the agent is the Backup of lower priority."""
    agent, peer = pairing.agent(pairing.lower), pairing.peer(pairing.higher)
    agent.start()
    pairing.wait_for("agent", pairing.longest_down_interval(pairing.lower) + 1 + STARTUP)

    begun = now()
    peer.start()
    pairing.assert_preempts("peer", pairing.higher, begun, MARGIN)

    begun = now()
    peer.stop()
    pairing.wait_for("agent", pairing.longest_skew(pairing.lower) + MARGIN)
    pairing.assert_takeover_after_farewell("agent", pairing.lower, begun)
    pairing.assert_stays_with("agent")


@beside(SPOKEN)
def test_the_peer_takes_over_from_a_killed_agent_which_returns(pairing: Pairing) -> None:
    """SIGKILL to guard, engine and keeper at once; their kernel drops the addresses when their lifetime ends."""
    agent, peer = pairing.agent(pairing.higher), pairing.peer(pairing.lower)
    peer.start()
    agent.start()
    pairing.wait_for("agent", pairing.longest_down_interval(pairing.higher) + 1 + STARTUP)
    pairing.settle()

    begun = now()
    agent.kill()
    pairing.wait_for("peer", pairing.longest_down_interval(pairing.lower) + MARGIN, alone=False)
    pairing.assert_takeover_after_silence("peer", pairing.lower, begun)
    pairing.wait_for("peer", LIFETIME)

    begun = now()
    agent.start()
    pairing.assert_preempts("agent", pairing.higher, begun, STARTUP)


@beside(SPOKEN)
def test_the_agent_takes_over_from_a_killed_peer_which_returns(pairing: Pairing) -> None:
    """SIGKILL to keepalived or vrrpd, whose kernel keeps the addresses until it runs again."""
    agent, peer = pairing.agent(pairing.lower), pairing.peer(pairing.higher)
    agent.start()
    peer.start()
    pairing.wait_for("peer", pairing.longest_down_interval(pairing.higher) + 1 + MARGIN)
    agent.wait_for("Backup", STARTUP)

    begun = now()
    peer.kill()
    pairing.wait_for("agent", pairing.longest_down_interval(pairing.lower) + MARGIN, alone=False)
    pairing.assert_takeover_after_silence("agent", pairing.lower, begun)

    begun = now()
    peer.start()
    pairing.assert_preempts("peer", pairing.higher, begun, MARGIN)


@beside(SPOKEN)
def test_priorities_change_while_both_run(pairing: Pairing) -> None:
    """Whoever has the higher priority now takes over, as if it had started: RFC 9568, 6.4.2."""
    agent, peer = pairing.agent(pairing.higher), pairing.peer(pairing.lower)
    peer.start()
    agent.start()
    pairing.wait_for("agent", pairing.longest_down_interval(pairing.higher) + 1 + STARTUP)

    begun = now()
    agent.write(*pairing.entries(50))
    pairing.assert_preempts("peer", pairing.lower, begun, STARTUP)

    begun = now()
    peer.change_priority(30)
    pairing.assert_preempts("agent", 50, begun, STARTUP)

    begun = now()
    peer.change_priority(pairing.lower)
    pairing.assert_preempts("peer", 30, begun, STARTUP)


@beside(SPOKEN)
def test_an_agent_that_must_not_preempt_waits_for_the_peer_to_go(pairing: Pairing) -> None:
    """RFC 9568, 6.4.2: "If Preempt_Mode is False ... Reset the Active_Down_Timer"."""
    agent, peer = pairing.agent(pairing.higher, preemption={"policy": "Never"}), pairing.peer(pairing.lower)
    peer.start()
    pairing.wait_for("peer", pairing.longest_down_interval(pairing.lower) + 1 + MARGIN)
    agent.start()
    agent.wait_for("Backup", STARTUP)
    pairing.assert_stays_with("peer")

    begun = now()
    peer.stop()
    pairing.wait_for("agent", pairing.longest_skew(pairing.higher) + MARGIN)
    pairing.assert_takeover_after_farewell("agent", pairing.higher, begun)


@beside(SPOKEN)
def test_a_peer_that_must_not_preempt_waits_for_the_agent_to_go(pairing: Pairing) -> None:
    """The same the other way round."""
    agent, peer = pairing.agent(pairing.lower), pairing.peer(pairing.higher, preempts=False)
    agent.start()
    pairing.wait_for("agent", pairing.longest_down_interval(pairing.lower) + 1 + STARTUP)
    peer.start()
    pairing.assert_stays_with("agent")

    begun = now()
    agent.process.terminate()
    pairing.wait_for("peer", pairing.longest_skew(pairing.higher) + MARGIN)
    assert agent.stop() == 0
    pairing.assert_takeover_after_farewell("peer", pairing.higher, begun)
