"""Who takes whose advertisements, and what a digest tells apart."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_api import wire
from floatip_api.v1alpha1 import VirtualRouter


def _router(interface: str | None = None, **vrrp: Any) -> VirtualRouter:
    entry: dict[str, Any] = {"name": "web", "family": "IPv4", "virtualRouterID": 51, "addresses": ["10.0.0.100/24"]}
    return VirtualRouter.from_manifest(
        {**entry, "priority": 100, "vrrp": vrrp, **({"interface": interface} if interface else {})}
    )


def _password(name: str) -> dict[str, Any]:
    return {"version": 2, "authentication": {"type": "Password", "secretRef": {"name": name, "key": "password"}}}


def _hmac(mode: str, active: int, *keys: int) -> dict[str, Any]:
    listed = [{"id": key, "secretRef": {"name": f"k{key}", "key": "key"}} for key in keys]
    return {"authentication": {"type": "HMACSHA256", "keys": listed, "activeKeyID": active, "mode": mode}}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({}, {}, True),
        ({}, {"version": 2}, False),
        ({}, {"transport": "Unicast"}, False),
        ({}, {"virtualMAC": "Enabled"}, False),
        # Version 3 learns the period from the Active; version 2 discards another one.
        ({}, {"advertisementPeriodMilliseconds": 100}, True),
        ({"version": 2}, {"version": 2, "advertisementPeriodMilliseconds": 2000}, False),
        # Taken in both forms, or accepted and reported.
        ({}, {"ipv4Checksum": "MessageOnly", "linkLocal": "None", "announcement": {"count": 1}}, True),
        ({"version": 2}, _password("a"), False),
        (_password("a"), _password("a"), True),
        (_password("a"), _password("b"), False),
        # "ReceiveOnly: sends unsigned, takes both. Permissive: signs, takes both. Enforce: signs, takes only what is signed."
        ({}, _hmac("ReceiveOnly", 1, 1), True),
        ({}, _hmac("Permissive", 1, 1), False),
        (_hmac("ReceiveOnly", 1, 1), _hmac("Permissive", 1, 1), True),
        (_hmac("ReceiveOnly", 1, 1), _hmac("Enforce", 1, 1), False),
        (_hmac("Permissive", 1, 1), _hmac("Enforce", 1, 1), True),
        (_hmac("Enforce", 1, 1), _hmac("Enforce", 1, 1, 2), True),
        (_hmac("Enforce", 1, 1, 2), _hmac("Enforce", 2, 1, 2), True),
        (_hmac("Enforce", 1, 1), _hmac("Enforce", 2, 1, 2), False),
        (_hmac("ReceiveOnly", 1, 1), _hmac("Permissive", 2, 2), False),
    ],
)
def test_who_agrees(one: dict[str, Any], other: dict[str, Any], *, expected: bool) -> None:
    assert wire.agree(_router(**one), _router(**other)) is expected
    assert wire.agree(_router(**other), _router(**one)) is expected


def test_the_digest_tells_apart_what_matters_and_where() -> None:
    assert wire.digest(_router()) == wire.digest(_router(announcement={"count": 1}))
    different = [_router(), _router("eth1"), _router(version=2), _router(**_password("a")), _router(**_password("b"))]
    assert len({wire.digest(router) for router in different}) == len(different)


def test_defaults_written_out_make_no_difference() -> None:
    """A document of a version that does not know a field has the digest of one that has its default."""
    assert wire.digest(_router()) == wire.digest(_router(version=3, transport="Multicast", virtualMAC="Disabled"))
