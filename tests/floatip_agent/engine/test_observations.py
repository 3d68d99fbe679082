"""What is told of odd packets: only what goes on, never more than a few senders, and nothing that flickers."""

from __future__ import annotations

import socket

from floatip_agent.engine.observations import LIFE, MOST_SENDERS, OTHERS, Observations, words_of
from floatip_agent.vrrp.packet import DropReason

SECOND = 1_000_000_000
NOW = 1_000 * SECOND
PEER = socket.inet_aton("10.9.0.2")


def _seen(*moments: int, kind: str = "WrongVersion", source: bytes = PEER) -> Observations:
    found = Observations()
    for moment in moments:
        found.see(kind, source, moment, lambda: "speaks version 2")
    return found


def test_one_is_no_news_and_two_a_period_apart_are() -> None:
    assert _seen(NOW).warnings(SECOND) == {}
    assert _seen(NOW, NOW + SECOND - 1).warnings(SECOND) == {}, "the same burst"
    again = _seen(NOW, NOW + SECOND)
    assert again.warnings(SECOND) == {"WireMismatch": "10.9.0.2 speaks version 2"}
    assert again.senders(SECOND) == {"WrongVersion": ["10.9.0.2"]}


def test_it_is_told_until_it_has_not_come_again_for_a_while() -> None:
    found = _seen(NOW, NOW + SECOND)
    found.forget(NOW + SECOND + LIFE - 1, SECOND)
    assert found.warnings(SECOND)
    found.forget(NOW + SECOND + LIFE, SECOND)
    assert (found.warnings(SECOND), found.senders(SECOND)) == ({}, {})


def test_a_router_with_a_long_period_is_waited_for_longer() -> None:
    found = _seen(NOW, NOW + 40 * SECOND)
    found.forget(NOW + 199 * SECOND, 40 * SECOND)
    assert found.warnings(40 * SECOND)


def test_a_flood_of_senders_is_bounded_and_those_that_were_first_stay() -> None:
    """Senders are forged easily: labels of metrics and a status must not grow with them."""
    found = Observations()
    for moment in (NOW, NOW + SECOND):
        for number in range(5000):
            found.see("WrongVersion", bytes((10, 1, number >> 8, number & 255)), moment, lambda: "speaks version 2")
    (senders,) = found.senders(SECOND).values()
    assert len(senders) == MOST_SENDERS + 1
    assert (senders[0], senders[-1]) == ("10.1.0.0", OTHERS)
    text = found.warnings(SECOND)["WireMismatch"]
    assert text.startswith("10.1.0.0 speaks version 2; 10.1.0.1 speaks version 2; ")
    assert text.endswith(f"; and {MOST_SENDERS + 1 - 4} more")


def test_each_sender_and_each_thing_it_does_has_its_words() -> None:
    found = _seen(NOW, NOW + SECOND)
    for moment in (NOW, NOW + SECOND):
        found.see("OtherAddresses", PEER, moment, lambda: "advertises 10.9.0.101")
        found.see(DropReason.OWN_SOURCE, socket.inet_aton("10.9.0.1"), moment, lambda: "is our own")
    assert found.warnings(SECOND) == {
        "LoopedBack": "10.9.0.1 is our own",
        "WireMismatch": "10.9.0.2 advertises 10.9.0.101; 10.9.0.2 speaks version 2",
    }


def test_the_words_change_with_what_a_sender_does_but_not_with_each_packet() -> None:
    found = _seen(NOW)
    found.see("WrongVersion", PEER, NOW + 9 * SECOND, lambda: "speaks version 7")
    assert found.warnings(SECOND) == {"WireMismatch": "10.9.0.2 speaks version 2"}
    found.see("WrongVersion", PEER, NOW + 10 * SECOND, lambda: "speaks version 9")
    assert found.warnings(SECOND) == {"WireMismatch": "10.9.0.2 speaks version 9"}


def test_a_rival_is_told_for_four_of_its_periods() -> None:
    found = Observations()
    third = socket.inet_aton("10.9.0.3")

    def told() -> tuple[dict[str, str], str | None]:
        return found.warnings(SECOND), found.rival

    found.hear_rival(PEER, 90, NOW, SECOND)
    assert told() == ({}, None)
    found.hear_rival(PEER, 90, NOW + 4 * SECOND, SECOND)
    found.hear_rival(third, 80, NOW + 4 * SECOND, SECOND)
    assert told() == ({"RivalHeard": "10.9.0.2 advertises too, with priority 90"}, "10.9.0.2")
    found.forget(NOW + 8 * SECOND, SECOND)
    assert told() == ({}, None)
    found.hear_rival(third, 80, NOW + 8 * SECOND, SECOND)
    assert told()[1] == "10.9.0.3", "the next one is told when it is over"


def test_every_reason_has_words() -> None:
    message = bytes((0x31, 51, 100, 1, 1, 3, 0, 0))
    said = {reason: words_of(reason, message) for reason in DropReason}
    assert said[DropReason.WRONG_VERSION] == "speaks version 3"
    assert said[DropReason.WRONG_INTERVAL] == "advertises every 3 s"
    assert said[DropReason.BAD_CHECKSUM] == "sends what has to be refused: BadChecksum"
    assert len(set(said.values())) == len(said)
