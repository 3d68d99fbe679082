"""Which advertisements keepalived, FRR and floatip heed and which they ignore, each measured on the running daemon.

Each fact has a virtual router of its own; the subject is Active in all of them with priority 100 when a stranger begins to
advertise. Whoever heeds it becomes Backup and lets the address go (RFC 9568, 6.4.3); whoever ignores it stays Active.
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
from peers.stranger import ABOVE, BELOW, Stranger, advertisement
from peers.ways import PEER, Way

pytestmark = pytest.mark.peers

ALL = frozenset(SUBJECTS)
KEEPALIVED = frozenset({"keepalived-2.2", "keepalived-2.3"})
NEWER_KEEPALIVED = frozenset({"keepalived-2.3"})
FRR = frozenset({"frr-8.4", "frr-10.3"})
FLOATIP = frozenset({"floatip"})
NOBODY: frozenset[str] = frozenset()

SPEAKING = 1.5
"""Seconds for which the stranger speaks."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fact:
    """`says` makes the stranger's message of the way; `heeded_by` names the subjects that become Backup."""

    name: str
    rule: str
    heeded_by: frozenset[str]
    says: Callable[[Way], bytes] = advertisement
    version: int = 3
    password: str | None = None
    source: str = ABOVE
    ttl: int = 255


def _no_addresses(message: bytearray) -> None:
    message[3] = 0
    del message[8:12]


def _byte(index: int, value: int) -> Callable[[bytearray], None]:
    def change(message: bytearray) -> None:
        message[index] = value

    return change


def _broken(way: Way) -> bytes:
    message = advertisement(way)
    return message[:6] + bytes([message[6] ^ 0x55]) + message[7:]


OTHER_ADDRESS = "172.16.69.250"
FACTS = (
    Fact("higher-priority", "9568, 6.4.3: transition to the Backup state", ALL),
    Fact("owner-priority", "9568, 6.4.3: the same for 255", ALL, lambda way: advertisement(way, 255)),
    Fact(
        "tie-higher-address", "9568, 6.4.3: equal, and its address is greater", ALL, lambda way: advertisement(way, 100)
    ),
    Fact(
        "tie-lower-address",
        "9568, 6.4.3: equal, and its address is not greater",
        NOBODY,
        lambda way: advertisement(way, 100, source=BELOW),
        source=BELOW,
    ),
    Fact("ttl-254", "9568, 7.1: MUST verify that the IPv4 TTL is 255", NOBODY, ttl=254),
    Fact("wrong-checksum", "9568, 7.1: MUST verify the VRRP checksum", NOBODY, _broken),
    Fact(
        "checksum-without-pseudo-header",
        "9568, 5.2.8: for IPv4 the checksum is of the message alone; 5798, 5.2.8: with the pseudo-header",
        FLOATIP,
        lambda way: advertisement(way, message_only=True),
    ),
    Fact(
        "unknown-type",
        "9568, 5.2.2: a packet with unknown type MUST be discarded",
        NOBODY,
        lambda way: advertisement(way, change=_byte(0, 0x32)),
    ),
    Fact(
        "version-2-in-version-3",
        "9568, 7.1: MUST verify that the VRRP version is 3",
        NOBODY,
        lambda way: advertisement(way, change=_byte(0, 0x21)),
    ),
    Fact(
        "trailing-bytes",
        "9568, 7.1: MUST verify that the received packet contains the complete VRRP packet",
        NOBODY,
        lambda way: advertisement(way, change=lambda message: message.extend(bytes(4))),
    ),
    Fact(
        "cut-off",
        "9568, 7.1: MUST verify that the received packet contains the complete VRRP packet",
        NOBODY,
        lambda way: advertisement(way, change=lambda message: message.__delitem__(slice(-2, None))),
    ),
    Fact(
        "reserved-bits",
        "9568, 5.2.6: reserved, MUST be ignored on reception",
        ALL,
        lambda way: advertisement(way, change=_byte(4, 0xF0)),
    ),
    Fact(
        "no-addresses",
        "9568, 5.2.5 (erratum 8299): if the received count is 0, the advertisement MUST be ignored",
        NEWER_KEEPALIVED,
        lambda way: advertisement(way, change=_no_addresses),
    ),
    Fact(
        "another-address-list",
        "9568, 7.1: MAY verify the addresses; SHOULD log a mismatch",
        ALL - {"keepalived-2.2"},
        lambda way: advertisement(way, address=OTHER_ADDRESS),
    ),
    Fact(
        "another-interval", "9568, 7.1: log it, and use the Active's", ALL, lambda way: advertisement(way, period=400)
    ),
    Fact("version-2", "3768, 6.4.3: transition to the Backup state", ALL, version=2),
    Fact(
        "version-2-another-interval",
        "3768, 7.1: MUST verify that the Adver Interval is the same as the local one; otherwise MUST discard",
        NOBODY,
        lambda way: advertisement(way, period=2000),
        version=2,
    ),
    Fact(
        "version-2-another-address-list",
        "3768, 7.1: MAY verify the addresses; if they differ and it is no owner, MUST drop",
        ALL - {"keepalived-2.2"},
        lambda way: advertisement(way, address=OTHER_ADDRESS),
        version=2,
    ),
    Fact("password", "2338, 7.1: the right one", KEEPALIVED | FLOATIP, version=2, password="tan124"),
    Fact(
        "wrong-password",
        "2338, 7.1: MUST verify the authentication data",
        NOBODY,
        lambda way: advertisement(way, password="tan123"),
        version=2,
        password="tan124",
    ),
    Fact(
        "no-password",
        "2338, 7.1: MUST verify that the Auth Type matches",
        NOBODY,
        lambda way: advertisement(way, password=""),
        version=2,
        password="tan124",
    ),
    Fact(
        "unexpected-password",
        "2338, 7.1: MUST verify that the Auth Type matches",
        NOBODY,
        lambda way: advertisement(way, password="tan124"),
        version=2,
    ),
)
WAYS = {
    fact.name: Way(
        fact.name, 101 + index, fact.version, period=200 if fact.version == 3 else 1000, password=fact.password
    )
    for index, fact in enumerate(FACTS)
}


def _shown_by(name: str) -> list[Fact]:
    """FRR has no passwords."""
    return [fact for fact in FACTS if fact.password is None or name not in FRR]


Look = Callable[[str], set[str]]


@pytest.fixture(scope="module")
def still_held(at_once: AtOnce[set[str]]) -> Look:
    """The facts whose address a subject still holds when the stranger has spoken for a while."""
    return at_once(SUBJECTS, _still_held)


def _still_held(lan: Lan, name: str) -> set[str]:
    facts = _shown_by(name)
    host, stranger_host = lan.host("peer", f"{PEER['IPv4']}/24"), lan.host("stranger")
    peer = or_skip(SUBJECTS[name])(host, [WAYS[fact.name] for fact in facts], priority=100)
    peer.start()
    until(lambda: all(WAYS[fact.name].address in peer.held() for fact in facts), 15, f"{name} is Active everywhere")
    with Stranger(stranger_host) as stranger:
        end = time.monotonic() + SPEAKING
        while time.monotonic() < end:
            for fact in facts:
                stranger.send(fact.says(WAYS[fact.name]), fact.source, fact.ttl)
            time.sleep(0.15)
    held = peer.held()
    return {fact.name for fact in facts if WAYS[fact.name].address in held}


@pytest.mark.parametrize(
    ("name", "fact"),
    [pytest.param(name, fact, id=f"{name}-{fact.name}") for name in SUBJECTS for fact in _shown_by(name)],
)
def test_heeded_or_ignored(still_held: Look, name: str, fact: Fact) -> None:
    assert (fact.name not in still_held(name)) == (name in fact.heeded_by), fact.rule
