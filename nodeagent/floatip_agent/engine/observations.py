"""What is odd about one virtual router and goes on: told in sentences, and by sender as far as that is affordable. Pure.

One odd packet is no news: a loser's last word, a setting that is just being rolled over the nodes. What the same sender does again, a
period later, is; it is told until it has not come again for a while, so that nothing flickers.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Mapping

from floatip_agent.vrrp import timers
from floatip_agent.vrrp.packet import DropReason

MOST_SENDERS = 16
"""Pairs of a kind and a sender; those that come later are counted among `OTHERS` of their kind."""
OTHERS = "other"
LIFE = 30 * timers.SECOND
"""After which what did not come again is forgotten; at least four periods."""
PERIODS = 4
_RIVAL_HEARD = "RivalHeard"
_TOLD_OF_ONE_REASON = 4
_SAID_ANEW_AFTER = 10 * timers.SECOND
"""What a sender does may change; its words do so no more often, since they are written to the API."""

_WORDS: Mapping[str, str] = {
    DropReason.AUTHENTICATION_TYPE: "authenticates in another way",
    DropReason.AUTHENTICATION_FAILED: "authenticates with another password or key",
    DropReason.NOT_A_PEER: "is no peer",
    DropReason.OWN_SOURCE: "is this node's own address: its advertisements come back, or another sends from it",
    DropReason.REPLAYED: "repeats old advertisements",
}


@dataclasses.dataclass(slots=True)
class _Odd:
    first: int
    last: int
    words: str
    said_at: int


class Observations:
    """`interval` arguments are the router's own period in nanoseconds."""

    def __init__(self) -> None:
        self._odd: dict[tuple[str, bytes], _Odd] = {}
        self._warnings: dict[str, tuple[int, str]] = {}
        self._rival_at = -(1 << 62)
        self._rival: bytes | None = None

    def see(self, kind: str, source: bytes, now: int, words: Callable[[], str]) -> None:
        """A packet of this sender is odd. `kind` is a `DropReason`, or what an accepted one was noted for; `words` say what it does."""
        key = kind, source
        odd = self._odd.get(key)
        if odd is None and len(self._odd) >= MOST_SENDERS:
            key = kind, b""
            odd = self._odd.get(key)
        if odd is None:
            self._odd[key] = _Odd(now, now, words(), now)
            return
        odd.last = now
        if now - odd.said_at >= _SAID_ANEW_AFTER and key[1]:
            odd.words, odd.said_at = words(), now

    def hear_rival(self, source: bytes, priority: int, now: int, interval: int) -> None:
        """An Active hears another. A rival is one that goes on: a loser's last word, on every ordinary fail-back, is none. While
        one is told it stays the one: two of them must not take turns in the status."""
        before, self._rival_at = self._rival_at, now
        if now - before <= PERIODS * interval:
            if self.rival is None:
                self._rival = source
            text = f"{text_of(source)} advertises too, with priority {priority}"
            _, told = self._warnings.get(_RIVAL_HEARD, (0, text))
            self.warn(_RIVAL_HEARD, told, now + PERIODS * interval)

    @property
    def rival(self) -> str | None:
        """The address of the one that is told."""
        return text_of(self._rival) if self._rival is not None and _RIVAL_HEARD in self._warnings else None

    def warn(self, reason: str, text: str, until: int) -> None:
        self._warnings[reason] = (until, text)

    def forget(self, now: int, interval: int) -> None:
        life = max(LIFE, PERIODS * interval)
        self._odd = {key: odd for key, odd in self._odd.items() if now - odd.last < life}
        self._warnings = {reason: entry for reason, entry in self._warnings.items() if entry[0] > now}

    def warnings(self, interval: int) -> dict[str, str]:
        """A sentence for each reason."""
        told = {reason: text for reason, (_, text) in self._warnings.items()}
        sentences: dict[str, list[str]] = {}
        for (kind, source), odd in self._going_on(interval):
            reason = "LoopedBack" if kind == DropReason.OWN_SOURCE else "WireMismatch"
            who = text_of(source) if source else "others:"
            sentences.setdefault(reason, []).append(f"{who} {odd.words}")
        for reason, found in sentences.items():
            more = f"; and {len(found) - _TOLD_OF_ONE_REASON} more" if len(found) > _TOLD_OF_ONE_REASON else ""
            told[reason] = "; ".join(found[:_TOLD_OF_ONE_REASON]) + more
        return told

    def senders(self, interval: int) -> dict[str, list[str]]:
        """Who goes on doing what: addresses by kind."""
        found: dict[str, list[str]] = {}
        for (kind, source), _ in self._going_on(interval):
            found.setdefault(kind, []).append(text_of(source) if source else OTHERS)
        return found

    def _going_on(self, interval: int) -> list[tuple[tuple[str, bytes], _Odd]]:
        """In an order that stays: by sender, the others last."""
        found = [(key, odd) for key, odd in self._odd.items() if odd.last - odd.first >= interval]
        return sorted(found, key=lambda entry: (not entry[0][1], entry[0][1], entry[0][0]))


def words_of(reason: str, message: bytes) -> str:
    """What a sender does whose message was refused for this reason."""
    match reason:
        case DropReason.WRONG_VERSION:
            return f"speaks version {message[0] >> 4}"
        case DropReason.WRONG_INTERVAL:
            return f"advertises every {message[5]} s"
    return _WORDS.get(reason) or f"sends what has to be refused: {reason}"


def text_of(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
