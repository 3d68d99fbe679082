"""Strangers that claim an address: which count, for how long, and that another node's takeover is none."""

from __future__ import annotations

import dataclasses
import socket

from floatip_agent.keeper.claims import (
    ASK_AT_ONCE,
    ASK_EVERY,
    FORGET_AFTER,
    LISTEN_AGAIN_AFTER,
    MAXIMUM,
    Claims,
    Place,
    Tenure,
    virtual_macs,
)

OWN, VIP = socket.inet_aton("10.9.0.1"), socket.inet_aton("10.9.0.100")
PLACE: Place = ("eth0", VIP)
MAC, OTHER = bytes.fromhex("020000000077"), bytes.fromhex("020000000078")
ACTIVE = Tenure(("elk", "IPv4"), 51, transitions=2, grace=2.0, source=OWN)
HELD = {PLACE: ACTIVE}


def _heard(*moments: float, mac: bytes = MAC) -> Claims:
    claims = Claims()
    for moment in moments:
        claims.hear(PLACE, mac, HELD, moment)
    return claims


def test_a_claim_that_comes_again_while_the_role_stays_counts() -> None:
    (claim,) = _heard(0.0, 2.0).present(HELD, 2.0)
    assert (claim.router, claim.address, claim.mac, claim.interface) == (
        ("elk", "IPv4"),
        "10.9.0.100",
        "02:00:00:00:00:77",
        "eth0",
    )


def test_one_burst_is_none() -> None:
    """Another node that takes over announces a few times at once; until it was heard, this one is still Active."""
    assert _heard(0.0, 0.1, 0.2, 1.9).present(HELD, 3.0) == ()


def test_what_was_heard_in_another_tenure_does_not_count() -> None:
    claims = _heard(0.0)
    again = {PLACE: dataclasses.replace(ACTIVE, transitions=4)}
    claims.hear(PLACE, MAC, again, 10.0)
    assert claims.present(again, 10.0) == ()
    claims.hear(PLACE, MAC, again, 12.0)
    assert len(claims.present(again, 12.0)) == 1
    assert claims.present({}, 12.0) == (), "Active no more: whoever holds it now may claim it"


def test_nothing_is_heard_of_what_this_node_does_not_hold() -> None:
    claims = Claims()
    for moment in (0.0, 5.0):
        claims.hear(("eth1", VIP), MAC, HELD, moment)
    assert claims.present(HELD, 5.0) == ()


def test_the_virtual_mac_of_the_router_is_no_strangers() -> None:
    """RFC 9568 7.3: "00-00-5E-00-01-{VRID}" and "00-00-5E-00-02-{VRID}": who has it is settled by VRRP."""
    for mac in virtual_macs(51):
        assert _heard(0.0, 5.0, mac=mac).present(HELD, 5.0) == ()
    assert len(_heard(0.0, 5.0, mac=bytes.fromhex("00005e000134")).present(HELD, 5.0)) == 1, "another router's is"


def test_it_is_forgotten_a_minute_after_the_last_word() -> None:
    claims = _heard(0.0, 5.0)
    assert len(claims.present(HELD, 5.0 + FORGET_AFTER - 0.1)) == 1
    assert claims.present(HELD, 5.0 + FORGET_AFTER) == ()


def test_two_that_take_turns_change_nothing() -> None:
    claims = _heard(0.0, 5.0)
    before = claims.present(HELD, 5.0)
    claims.hear(PLACE, OTHER, HELD, 6.0)
    assert claims.present(HELD, 6.0) == before


def test_what_counts_is_listened_to_again_after_a_while() -> None:
    claims = _heard(0.0)
    assert claims.listen_to("eth0", HELD, 0.0) == {VIP}
    assert claims.listen_to("eth1", HELD, 0.0) == frozenset()
    claims.hear(PLACE, MAC, HELD, 3.0)
    assert claims.listen_to("eth0", HELD, 3.0) == frozenset()
    assert claims.listen_to("eth0", HELD, 3.0 + LISTEN_AGAIN_AFTER) == {VIP}


def test_at_most_64() -> None:
    held = {("eth0", bytes((10, 9, 1, number))): ACTIVE for number in range(200)}
    claims = Claims()
    for moment in (0.0, 5.0):
        for place in held:
            claims.hear(place, MAC, held, moment)
    assert len(claims.present(held, 5.0)) == MAXIMUM


def _asked(claims: Claims, held: dict[Place, Tenure], until: float) -> list[float]:
    """When the first place was asked for, looking four times a second."""
    return [look / 4 for look in range(int(until * 4) + 1) if PLACE in claims.ask(held, look / 4)]


def test_the_lan_is_asked_after_the_grace_time_and_now_and_then() -> None:
    assert _asked(Claims(), HELD, 70.0) == [2.0, 2.0 + ASK_EVERY, 2.0 + 2 * ASK_EVERY]


def test_it_is_asked_again_soon_when_somebody_answered() -> None:
    claims = Claims()
    assert _asked(claims, HELD, 2.0) == [2.0]
    claims.hear(PLACE, MAC, HELD, 2.25)
    assert claims.ask(HELD, 3.75) == []
    assert claims.ask(HELD, 4.0) == [PLACE]
    claims.hear(PLACE, MAC, HELD, 4.25)
    assert len(claims.present(HELD, 4.25)) == 1
    assert claims.ask(HELD, 4.0 + LISTEN_AGAIN_AFTER - 0.25) == []
    assert claims.ask(HELD, 4.0 + LISTEN_AGAIN_AFTER) == [PLACE]


def test_questions_are_few_at_a_time_and_reach_everybody() -> None:
    """They are broadcasts."""
    held: dict[Place, Tenure] = {("eth0", bytes((10, 9, 1, number))): ACTIVE for number in range(100)}
    claims = Claims()
    asked = [claims.ask(held, look / 4) for look in range(4 * 30)]
    assert max(map(len, asked)) == ASK_AT_ONCE
    assert {place for places in asked for place in places} == held.keys()


def test_an_address_is_asked_for_from_one_of_its_family_only() -> None:
    """excludedAddresses may be of the other."""
    held = {("eth0", bytes(16)): ACTIVE}
    assert all(Claims().ask(held, float(second)) == [] for second in range(100))
