"""When keepalived, FRR and floatip speak, each measured on the running daemon: answers, silence, deadlines.

Each fact has a virtual router of its own with priority 100, so that a stranger can work on all of them while the wire is
recorded.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import pytest
from lab.network import Lan
from lab.side_by_side import AtOnce
from lab.waiting import until
from peers.scenarios import SUBJECTS, or_skip
from peers.stranger import Stranger, advertisement
from peers.ways import PEER, Way
from wire.sniffer import Sniffer

pytestmark = pytest.mark.peers

PERIOD = 0.2
SKEW, DOWN = PERIOD * 156 / 256, PERIOD * (3 + 156 / 256)
"""Seconds, of priority 100."""
AT_ONCE = 0.1
"""Seconds: far more than an answer needs, and a tenth of the period that passes otherwise."""
LATE = 0.5
EARLY = 0.012
"""Seconds; FRR counts whole centiseconds and rounds down."""
TIMES = 8
"""How often the stranger says a thing whose answer is looked for."""
BETWEEN = 0.57
"""Seconds between two: floatip answers a losing advertisement at most twice a period (of one second)."""

KEEPALIVED = {"keepalived-2.2", "keepalived-2.3"}
FRR = {"frr-8.4", "frr-10.3"}


def _way(name: str, router: int, period: int = 200) -> Way:
    return Way(name, router, version=3, period=period)


LOSING = _way("losing", 131, period=1000)
FAREWELL = _way("farewell", 132, period=1000)
BROKEN = _way("broken", 133)
STRAY = _way("stray", 134)
SKEWED = _way("skewed", 135)
LEARNING = _way("learning", 136)
ZERO = _way("zero", 137)
WAYS = [LOSING, FAREWELL, BROKEN, STRAY, SKEWED, LEARNING, ZERO]


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What the wire showed of one subject; seconds."""

    answered_losing: int
    announced_losing: int
    answered_farewell: int
    sent_under_broken: int
    sent_under_stray: int
    after_farewell: float
    after_learned_interval: float
    after_zero_interval: float


Look = Callable[[str], Seen]


@pytest.fixture(scope="module")
def seen(at_once: AtOnce[Seen]) -> Look:
    return at_once(SUBJECTS, lambda lan, name: _Experiment(lan, name).run())


class _Experiment:
    def __init__(self, lan: Lan, name: str) -> None:
        host, self._host = lan.host("peer", f"{PEER['IPv4']}/24"), lan.host("stranger")
        self._peer = or_skip(SUBJECTS[name])(host, WAYS, priority=100)

    def run(self) -> Seen:
        self._peer.start()
        with Stranger(self._host) as self._stranger, Sniffer(self._host) as self._wire:
            addresses = {way.address for way in WAYS}
            until(lambda: addresses <= self._peer.held(), 20, "Active everywhere")
            time.sleep(5.5)  # the second burst of announcements, five seconds after the first, is over
            losing, announced, farewell = self._answers()
            broken = self._sent_under(BROKEN, lambda: self._broken(BROKEN))
            stray = self._sent_under(STRAY, lambda: self._say(STRAY, ttl=1))
            return Seen(losing, announced, farewell, broken, stray, *self._as_backup())

    def _say(self, way: Way, priority: int = 200, *, ttl: int = 255, period: int | None = None) -> float:
        """When it was said."""
        at = time.time()
        self._stranger.send(advertisement(way, priority, period=period), ttl=ttl)
        return at

    def _broken(self, way: Way) -> None:
        message = advertisement(way)
        self._stranger.send(message[:6] + bytes([message[6] ^ 0x55]) + message[7:])

    def _sent(self, way: Way, since: float) -> list[float]:
        """When the subject advertised after that. The stranger's own are seen, too, with other priorities."""
        heard = self._wire.senders(way.virtual_router_id)
        return [at / 1e9 for at, _, priority in heard if priority == 100 and at / 1e9 > since]

    def _answers(self) -> tuple[int, int, int]:
        """RFC 9568, 6.4.3, to a lower priority and to priority 0."""
        said = []
        for _ in range(TIMES):
            said.append((self._say(LOSING, 50), self._say(FAREWELL, 0)))
            time.sleep(BETWEEN)
        time.sleep(1.2)
        announced = self._wire.gratuitous_arps(LOSING.address)
        return (
            sum(self._is_answered(LOSING, at) for at, _ in said),
            sum(at / 1e9 > said[0][0] for at, _ in announced),
            sum(self._is_answered(FAREWELL, at) for _, at in said),
        )

    def _is_answered(self, way: Way, at: float) -> bool:
        return any(sent - at < AT_ONCE for sent in self._sent(way, at))

    def _sent_under(self, way: Way, say: Callable[[], object]) -> int:
        """How often it advertised in ten periods while it got such a packet eight times a period."""
        begun = time.time()
        while time.time() < begun + 10 * PERIOD:
            say()
            time.sleep(PERIOD / 8)
        return len(self._sent(way, begun))

    def _as_backup(self) -> list[float]:
        """The stranger becomes Active everywhere; then its last word differs. After how long the subject advertises."""
        for _ in range(5):
            for way in (SKEWED, LEARNING, ZERO):
                self._say(way)
            time.sleep(PERIOD)
        last = (
            (SKEWED, self._say(SKEWED, 0)),
            (LEARNING, self._say(LEARNING, period=600)),
            (ZERO, self._say(ZERO, period=0)),
        )
        time.sleep(3 * DOWN + 1)
        return [self._sent(way, at)[0] - at for way, at in last]


@pytest.fixture(params=SUBJECTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_losing_advertisement(seen: Look, name: str) -> None:
    """RFC 9568, 6.4.3, a lower priority: "Discard the ADVERTISEMENT; Send an ADVERTISEMENT immediately to assert Active
    state"; RFC 5798 only discards, and so does FRR."""
    answered = seen(name).answered_losing
    assert answered <= 4 if name in FRR else answered >= TIMES - 2, answered


def test_announcements_after_losing_advertisements(seen: Look, name: str) -> None:
    """keepalived announces the addresses five times for each; floatip at most once a second, five times; FRR never."""
    announced = seen(name).announced_losing
    if name in KEEPALIVED:
        assert announced >= 5 * (TIMES - 1)
    else:
        assert announced == 0 if name in FRR else 5 <= announced <= 5 * (TIMES - 2)


def test_an_active_answers_priority_0_at_once(seen: Look, name: str) -> None:
    """RFC 9568, 6.4.3: "If the Priority in the ADVERTISEMENT is 0, then: Send an ADVERTISEMENT"."""
    assert seen(name).answered_farewell >= TIMES - 2


@pytest.mark.parametrize("kind", ["wrong-checksum", "ttl-1"])
def test_an_active_under_bad_packets(seen: Look, name: str, kind: str) -> None:
    """RFC 9568, 7.1: "MUST discard the packet". keepalived restarts its Adver_Timer on every one of them, and falls silent
    when they come more often than its period."""
    sent = seen(name).sent_under_broken if kind == "wrong-checksum" else seen(name).sent_under_stray
    assert sent <= 4 if name in KEEPALIVED else sent >= 7, sent  # of ten; the stranger stands still at times


def test_priority_0_sets_the_timer_to_skew_time(seen: Look, name: str) -> None:
    """RFC 9568, 6.4.2: "If the Priority in the ADVERTISEMENT is 0, then: Set the Active_Down_Timer to Skew_Time"."""
    assert SKEW - EARLY <= seen(name).after_farewell <= SKEW + LATE


def test_a_backup_learns_the_interval(seen: Look, name: str) -> None:
    """RFC 9568, 6.4.2: "Set Active_Adver_Interval to Max Advertise Interval contained in the ADVERTISEMENT"."""
    learned = 3 * DOWN
    assert learned - 3 * EARLY <= seen(name).after_learned_interval <= learned + LATE


def test_interval_0(seen: Look, name: str) -> None:
    """RFC 9568, 5.2.7 (erratum 8301): 0 is invalid. Who takes it has no time to wait, and is Active at once."""
    after = seen(name).after_zero_interval
    # For floatip it is as if it had not come: the timer runs on from the one before.
    assert DOWN / 2 < after < DOWN + LATE if name == "floatip" else after < DOWN / 2
