"""A FloatingIP that is allowed and yet odd is served, and says so once."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_operator.decide.events import events_between
from floatip_operator.decide.plan import decide
from in_memory.cluster import document, floating_ip, snapshot

PASSWORD = {"version": 2, "authentication": {"type": "Password", "secretRef": {"name": "vrrp", "key": "password"}}}


def test_the_condition_stays_true_and_an_event_tells_it_once() -> None:
    wanted = floating_ip(vrrp=PASSWORD)
    ((_, status),) = decide(snapshot([wanted], [document("n1")])).statuses
    accepted = next(c for c in status.conditions if c.type == "Accepted")
    assert (accepted.status, accepted.reason) == ("True", "AcceptedWithWarnings")
    assert accepted.message.startswith("spec.vrrp.authentication.type: a Password is sent in plain text")
    told = [(e.type, e.reason) for e in events_between(wanted, status) if e.reason == "AcceptedWithWarnings"]
    assert told == [("Warning", "AcceptedWithWarnings")]
    again = wanted.model_copy(update={"status": status})
    assert [e for e in events_between(again, status) if e.reason == "AcceptedWithWarnings"] == []


@pytest.mark.parametrize(
    ("address", "reason"), [("10.0.0.100/24", "Accepted"), ("10.0.0.7/24", "AddressIsNotNodeAddress")]
)
def test_priority_255_is_for_the_node_that_owns_the_address(address: str, reason: str) -> None:
    """api.md: "255 only for the node that owns the address"."""
    owner: dict[str, Any] = {"nodes": [{"name": "n1", "priority": 255}, {"name": "n2", "priority": 100}]}
    world = snapshot([floating_ip(**owner)], [document("n1", address=address), document("n2")])
    ((_, status),) = decide(world).statuses
    assert next(c.reason for c in status.conditions if c.type == "Accepted") == reason
