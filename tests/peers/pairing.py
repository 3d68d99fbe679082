"""The agent beside a peer on one LAN, and what may be said about who holds the addresses, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from lab.agents import Agent, StaticAgent
from lab.network import Lan
from lab.waiting import throughout, until
from peers import ways
from peers.neighbors import Peer
from peers.ways import Way
from wire.sniffer import Sniffer

MARGIN = 0.8
"""Seconds for processes to start to act, and to be looked at, on a busy machine."""
STARTUP = 10.0
"""Seconds for guard, engine and keeper to start from nothing."""
EARLY = 0.011
"""Seconds: FRR counts in whole centiseconds, and rounds down."""
LIFETIME = 3.6
"""Seconds after which a kernel has dropped the addresses of a dead agent: 3 s of lifetime, and its own lag (0 to 0.5 s)."""

Side = Literal["agent", "peer"]
MakePeer = Callable[..., Peer]


class Pairing:
    """Two hosts. `higher` and `lower` are the priorities that tests give to one or the other."""

    higher, lower = 200, 100

    def __init__(self, lan: Lan, name: str, spoken: Sequence[Way], make_peer: MakePeer, seen: Sniffer) -> None:
        self.ways = spoken
        self.agent_host, self.peer_host = lan.hosts["agent"], lan.hosts["peer"]
        self._make_peer = make_peer
        self.peer_name = name
        self._seen = seen

    def agent(self, priority: int, **more: Any) -> StaticAgent:
        """Not started yet; `more` are fields of every entry."""
        agent = Agent.static(self.agent_host, *self.entries(priority, **more))
        agent.write_secret(*ways.SECRET, "tan124")
        return agent

    def entries(self, priority: int, **more: Any) -> list[dict[str, Any]]:
        return [way.entry(priority, **more) for way in self.ways]

    def peer(self, priority: int, *, preempts: bool = True) -> Peer:
        self._peer = self._make_peer(self.peer_host, self.ways, priority=priority, preempts=preempts)
        return self._peer

    def holders(self) -> dict[str, set[Side]]:
        """Whose kernel answers for each way's address."""
        agent = {address.partition("/")[0] for address in self.agent_host.addresses()}
        held: dict[Side, set[str]] = {"agent": agent, "peer": self._peer.held()}
        return {way.name: {side for side, addresses in held.items() if way.address in addresses} for way in self.ways}

    def wait_for(self, side: Side, seconds: float, *, alone: bool = True) -> None:
        """Until it holds every address (`alone`: and the other none). Raises `TimeoutError`."""
        try:
            until(lambda: self._all(side, alone), seconds, f"{side} has all addresses")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; now {self.holders()}") from None

    def assert_stays_with(self, side: Side) -> None:
        """Alone, for longer than the longest down interval of the two."""
        window = max(way.down_interval(self.lower) for way in self.ways) + MARGIN
        try:
            throughout(lambda: self._all(side, alone=True), window, f"{side} alone has all addresses")
        except AssertionError as error:
            raise AssertionError(f"{error}; now {self.holders()}") from None

    def settle(self) -> None:
        """Long enough for a peer to do and say what it had begun."""
        time.sleep(MARGIN)

    def longest_down_interval(self, priority: int) -> float:
        return max(way.down_interval(priority) for way in self.ways)

    def longest_skew(self, priority: int) -> float:
        return max(way.skew(priority) for way in self.ways)

    def _all(self, side: Side, alone: bool) -> bool:
        return all(side in held and not (alone and len(held) > 1) for held in self.holders().values())

    # What the wire says, by the kernel's timestamps.

    def adverts(self, way: Way, side: Side, since: float = 0) -> list[tuple[float, int]]:
        """When (seconds of the wall clock) and with which priority it advertised."""
        heard = self._seen.senders(way.virtual_router_id)
        return [
            (at / 1e9, priority)
            for at, sender, priority in heard
            if (sender == ways.AGENT[way.family]) == (side == "agent") and at / 1e9 >= since
        ]

    def assert_takeover_after_farewell(self, by: Side, priority: int, since: float) -> None:
        """RFC 9568, 6.4.2: "If the Priority in the ADVERTISEMENT is 0, then: Set the Active_Down_Timer to Skew_Time"."""
        for way in self.ways:
            farewell = min(at for at, sent in self.adverts(way, _other(by), since) if sent == 0)
            self._assert_between(way, way.skew(priority), self._first(way, by, since) - farewell)

    def assert_takeover_after_silence(self, by: Side, priority: int, since: float) -> None:
        """RFC 9568, 6.4.2: the Active_Down_Timer fires one Active_Down_Interval after the last advertisement heard."""
        for way in self.ways:
            taken = self._first(way, by, since)
            last = max(at for at, _ in self.adverts(way, _other(by)) if at < taken)
            self._assert_between(way, way.down_interval(priority), taken - last)

    def assert_gave_way(self, side: Side, since: float) -> None:
        """RFC 9568, 6.4.3: an Active that hears a higher priority becomes Backup; no longer than the margin do both
        advertise, and the loser does not say priority 0 (its last word, if any, carries its priority). It may come back
        when the winner stands still for an Active_Down_Interval, as on a busy machine."""
        for way in self.ways:
            by_right = self._first(way, _other(side), since)
            winners = [at for at, _ in self.adverts(way, _other(side), since)]
            for at, priority in self.adverts(way, side, by_right):
                silence = at - max(winner for winner in winners if winner <= at)
                if silence >= way.down_interval(priority) - EARLY:
                    by_right = at
                assert at - by_right <= MARGIN, f"{way.name}: {side} went on, {silence:.3f} s after the winner's last"
                assert priority != 0, f"{way.name}: {side} said farewell to a winner"

    def assert_preempts(self, side: Side, priority: int, since: float, margin: float) -> None:
        """It has the higher priority: it takes over, the other gives way."""
        self.wait_for(side, self.longest_down_interval(priority) + 1 + margin)
        self.assert_gave_way(_other(side), since)

    def _first(self, way: Way, side: Side, since: float) -> float:
        """When it advertised first; an address can be seen in a kernel before that."""
        return until(lambda: self.adverts(way, side, since), 1, f"{side} advertises {way.name}")[0][0]

    def _assert_between(self, way: Way, expected: float, taken: float) -> None:
        assert expected - EARLY <= taken <= expected + MARGIN, f"{way.name}: {taken:.3f} s, expected {expected:.3f} s"


def _other(side: Side) -> Side:
    return "peer" if side == "agent" else "agent"


def now() -> float:
    """The clock of the wire's timestamps."""
    return time.time()
