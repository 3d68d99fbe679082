"""What the Secrets of a router say, and what is told of one that is of no use."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_agent.configuration import Configuration, RouterConfiguration
from floatip_agent.keeper import document
from floatip_agent.keeper.credentials import SecretName
from floatip_agent.keeper.document import Accepted, Secrets, accept

OLD, NEW = SecretName("elk-vrrp", "old"), SecretName("elk-vrrp", "new")
TEXT, DIGITS = "correct horse battery staple, 32+", "hex:" + "0f" * 32


def entry(*ids: int, active: int, mode: str | None = None) -> dict[str, Any]:
    keys = [{"id": key, "secretRef": {"name": "elk-vrrp", "key": {1: "old", 2: "new"}[key]}} for key in ids]
    authentication = {"type": "HMACSHA256", "keys": keys, "activeKeyID": active} | ({"mode": mode} if mode else {})
    return {
        "name": "elk",
        "family": "IPv4",
        "virtualRouterID": 51,
        "addresses": ["10.9.0.100/24"],
        "priority": 100,
        "vrrp": {"authentication": authentication},
    }


def taken(written: dict[str, Any], values: dict[SecretName, str], before: Accepted | None = None) -> Accepted:
    read = {"metadata": {"uid": "u", "generation": 1}, "spec": {"virtualRouters": [written]}}
    return accept(read, "API", Secrets(values, {}, frozenset({"elk-vrrp"})), before)


def configuration(accepted: Accepted) -> RouterConfiguration:
    (running,) = accepted.routers.values()
    return running.configuration


def test_keys_are_text_or_hexadecimal_digits() -> None:
    running = configuration(taken(entry(1, 2, active=2, mode="Permissive"), {OLD: TEXT, NEW: DIGITS}))
    assert running.hmac_keys == ((1, TEXT.encode().hex()), (2, "0f" * 32))
    assert (running.hmac_active_key_id, running.hmac_mode) == (2, "Permissive")
    assert running.password is None


def test_enforce_is_the_default() -> None:
    assert configuration(taken(entry(1, active=1), {OLD: TEXT})).hmac_mode == "Enforce"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("short", "Secret elk-vrrp, key old: 5 bytes: an HMAC key has 32 to 64"),
        ("x" * 65, "Secret elk-vrrp, key old: 65 bytes: an HMAC key has 32 to 64"),
        ("hex:" + "0f" * 31, "Secret elk-vrrp, key old: 31 bytes: an HMAC key has 32 to 64"),
        ("hex:" + "xy" * 32, "Secret elk-vrrp, key old: no hexadecimal digits after hex:"),
    ],
)
def test_a_key_of_no_use_is_named_and_not_quoted(text: str, says: str) -> None:
    accepted = taken(entry(1, active=1), {OLD: text})
    assert accepted.refused == {("elk", "IPv4"): says}
    assert not accepted.routers


def test_a_missing_key_of_two_refuses_the_router() -> None:
    accepted = taken(entry(1, 2, active=1), {OLD: TEXT})
    assert accepted.refused == {("elk", "IPv4"): "Secret elk-vrrp has no key new"}
    assert accepted.secrets == {OLD, NEW}


def test_a_key_that_cannot_be_read_any_more_stays_as_it_was() -> None:
    before = taken(entry(1, active=1), {OLD: TEXT})
    after = taken(entry(1, 2, active=1), {NEW: DIGITS}, before)
    assert configuration(after).hmac_keys == ((1, TEXT.encode().hex()), (2, "0f" * 32))


def test_saved_keys_come_back_by_their_number() -> None:
    """engine.json is written before node.json: after a power cut in between the two may differ by a key."""
    before = taken(entry(2, active=2), {NEW: DIGITS})
    saved = document.save(before, "API", "n1")
    assert "0f0f" not in str(saved)
    engine = Configuration((configuration(taken(entry(1, 2, active=1), {OLD: TEXT, NEW: DIGITS})),))
    assert configuration(document.restore(saved, engine)).hmac_keys == ((2, "0f" * 32),)
