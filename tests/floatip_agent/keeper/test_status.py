"""The status document, from what the keeper knows."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from floatip_agent.keeper.credentials import SecretName
from floatip_agent.keeper.document import Accepted, Secrets, accept
from floatip_agent.keeper.picture import Picture, ReportedInterface, Stranger
from floatip_agent.keeper.status import build, is_news
from floatip_agent.messages import Applied, EngineState, RouterState

STATE = RouterState(
    name="elk",
    family="IPv4",
    virtual_router_id=51,
    state="Active",
    reason="why",
    priority=150,
    effective_priority=90,
    interface="eth0",
    source_address="172.16.69.91",
    active_router="172.16.69.91",
    since=1_800_000_000.0,
    transitions=2,
    sent=9,
    received=0,
    dropped={},
    noted={},
    warnings={},
)


def entry(**fields: Any) -> dict[str, Any]:
    address = {"name": "elk", "family": "IPv4", "virtualRouterID": 51, "addresses": ["172.16.69.94/24"]}
    return {**address, "priority": 150, **fields}


def accepted(*entries: dict[str, Any], secrets: Secrets | None = None) -> Accepted:
    metadata = {"uid": "u1", "generation": 7}
    return accept({"metadata": metadata, "spec": {"virtualRouters": list(entries)}}, "API", secrets or Secrets(), None)


def picture(*entries: dict[str, Any], state: RouterState | None = STATE) -> Picture:
    found = Picture()
    found.accepted = accepted(*entries)
    found.expected = 3, "u1"
    found.take(EngineState(1, "RealTime", "AddressLifetime", {}, 0.0))
    if state:
        found.take(state)
    found.take(Applied(3, 7))
    return found


def warnings(found: Picture) -> dict[str, str]:
    return {warning.reason: warning.message for warning in build(found).virtual_routers[0].warnings}


def test_all_that_is_known_is_said() -> None:
    found = picture(entry())
    found.interfaces = (ReportedInterface("eth0", True, ("172.16.69.91/24",)),)
    found.strangers = (Stranger(7, "eth0", "172.16.69.7", datetime(2026, 1, 1, 12, 30, 59, tzinfo=UTC)),)
    manifest = build(found).to_manifest()
    assert manifest["observedGeneration"] == 7
    assert manifest["interfaces"] == [{"name": "eth0", "up": True, "addresses": ["172.16.69.91/24"]}]
    assert manifest["foreignRouters"] == [
        {"virtualRouterID": 7, "interface": "eth0", "address": "172.16.69.7", "lastSeen": "2026-01-01T12:30:00Z"}
    ]
    router = manifest["virtualRouters"][0]
    assert (router["state"], router["priority"], router["effectivePriority"]) == ("Active", 150, 90)
    assert router["since"] == "2027-01-15T08:00:00Z"
    assert "sent" not in router


@pytest.mark.parametrize(
    ("change", "is_worth_a_write"),
    [
        ({"sent": 100, "received": 5, "dropped": {"BadTTL": 3}}, False),  # counters are never in it
        ({"state": "Backup"}, True),
        ({"effective_priority": 150}, True),
        ({"warnings": {"RivalHeard": "172.16.69.92 advertises too"}}, True),
    ],
)
def test_what_is_worth_a_write(change: dict[str, Any], is_worth_a_write: bool) -> None:
    found = picture(entry())
    written = build(found)
    found.take(dataclasses.replace(STATE, **change))
    assert is_news(build(found), written) == is_worth_a_write


def test_that_a_stranger_was_heard_once_more_is_not_worth_a_write() -> None:
    found = picture(entry())
    found.strangers = (Stranger(7, "eth0", "172.16.69.7", datetime(2026, 1, 1, tzinfo=UTC)),)
    written = build(found)
    found.strangers = (Stranger(7, "eth0", "172.16.69.7", datetime(2026, 1, 2, tzinfo=UTC)),)
    assert not is_news(build(found), written)
    found.strangers = ()
    assert is_news(build(found), written)


def test_observed_is_only_what_the_engine_confirmed_of_this_very_object() -> None:
    found = picture(entry())
    found.accepted = dataclasses.replace(accepted(entry()), generation=8)
    assert build(found).observed_generation == 7
    found.accepted = dataclasses.replace(accepted(entry()), uid="u2", generation=1)
    assert build(found).observed_generation is None


def test_the_generation_of_before_a_restored_store_confirms_nothing() -> None:
    """Generation 7 runs, the restored store stands at 3: what is written next is 4, and 7 must not pass for its confirmation."""
    found = picture(entry())
    found.accepted = dataclasses.replace(accepted(entry()), rewound_to=3)
    assert build(found).observed_generation is None


def test_before_the_engine_speaks() -> None:
    found = Picture()
    found.accepted = accepted(entry())
    status = build(found)
    assert status.agent is None
    assert status.observed_generation is None
    assert (status.virtual_routers[0].state, status.virtual_routers[0].virtual_router_id) == ("Initialize", 51)
    assert build(Picture()).virtual_routers == []


def test_a_refused_router_is_a_fault_with_its_reason() -> None:
    router = build(picture(entry(priority=300), state=None)).virtual_routers[0]
    assert router.state == "Fault"
    assert router.reason
    assert router.reason.startswith("refused: spec.virtualRouters[0].priority: '300': ")


def test_a_request_to_release_what_never_ran_is_confirmed_once_the_engine_has_nothing_of_it() -> None:
    found = picture(entry(priority=300, release={"requestID": "r1"}), state=None)
    assert build(found).virtual_routers[0].released_request_id == "r1"
    found.routers["elk", "IPv4"] = STATE
    assert build(found).virtual_routers[0].released_request_id is None


def test_nor_is_it_confirmed_before_the_engine_has_spoken() -> None:
    """A keeper without a saved copy, started anew beside an engine that holds the address: it knows of no router yet."""
    found = Picture()
    found.accepted = accepted(entry(priority=300, release={"requestID": "r1"}))
    assert build(found).virtual_routers[0].released_request_id is None
    found.expected = 3, "u1"
    found.take(EngineState(1, "RealTime", "AddressLifetime", {}, 0.0))
    assert build(found).virtual_routers[0].released_request_id is None
    found.take(Applied(3, 7))
    assert build(found).virtual_routers[0].released_request_id == "r1"


def test_warnings() -> None:
    found = picture(entry(probes=[{"name": "p", "tcpSocket": {"port": 80}}]))
    assert warnings(found) == {}
    assert found.accepted
    before = found.accepted
    found.take(dataclasses.replace(STATE, stale=True, warnings={"RivalHeard": "10.0.0.1 advertises too"}))
    assert warnings(found).keys() == {"ProbesStale", "RivalHeard"}
    found.take(STATE)
    found.accepted = dataclasses.replace(before, missing=frozenset({("elk", "IPv4")}))
    assert warnings(found).keys() == {"NotInDocument"}
    found.accepted = dataclasses.replace(before, rewound_to=5)
    assert "generation 5 is older than 7" in warnings(found)["NotInDocument"]
    found.accepted = before
    found.disk_problem = "the disk is full"
    assert warnings(found) == {"NotSaved": "the disk is full"}


def test_a_secret_that_vanished_is_told_while_its_last_value_is_in_force() -> None:
    reference = {"type": "Password", "secretRef": {"name": "elk-vrrp", "key": "password"}}
    written = entry(vrrp={"version": 2, "authentication": reference})
    found = picture(entry())
    found.accepted = accepted(written, secrets=Secrets({SecretName("elk-vrrp", "password"): "tan124"}))
    found.secret_problems = {"elk-vrrp": "does not exist"}
    assert warnings(found) == {"SecretMissing": "Secret elk-vrrp does not exist; its last known value is in force"}


def test_an_entry_that_lacks_its_secret_says_so_and_nothing_else_does() -> None:
    """The operator reads no Secrets: by this word it says SecretMissing."""
    reference = {"type": "Password", "secretRef": {"name": "elk-vrrp", "key": "password"}}
    written = entry(vrrp={"version": 2, "authentication": reference})
    found = picture(entry(), state=None)
    found.accepted = accepted(written, secrets=Secrets(problems={"elk-vrrp": "does not exist"}))
    assert warnings(found) == {"SecretMissing": "Secret elk-vrrp does not exist"}
    found.accepted = accepted(written, secrets=Secrets())
    assert warnings(found) == {}, "it has not been read yet"
    found.accepted = accepted(entry(priority=300))
    assert warnings(found) == {}, "refused for another reason"


def test_what_the_engine_runs_is_in_the_status_by_digest_and_addresses() -> None:
    found = picture(entry())
    found.take(dataclasses.replace(STATE, addresses=["172.16.69.94/24"], digest="0123456789abcdef"))
    (said,) = build(found).virtual_routers
    assert (said.addresses, said.digest) == (["172.16.69.94/24"], "0123456789abcdef")


def test_a_router_that_is_held_without_an_order_is_listed_once() -> None:
    found = picture(entry(priority=300), state=None)
    found.routers["elk", "IPv4"] = STATE
    found.held = frozenset({("elk", "IPv4")})
    routers = build(found).virtual_routers
    assert [(router.state, router.warnings[0].reason) for router in routers] == [("Active", "NotInDocument")]


def test_the_list_never_outgrows_the_schema() -> None:
    many = [entry(name=f"ip-{number}") for number in range(1100)]
    status = build(picture(*many, state=None))
    assert len(status.virtual_routers) == 1024
