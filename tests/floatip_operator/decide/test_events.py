"""Which changes of a status are worth an Event, and that each is told once."""

from __future__ import annotations

from typing import Any

from floatip_api.v1alpha1 import FloatingIP, FloatingIPStatus
from floatip_operator.decide.events import Event, events_between
from floatip_operator.decide.plan import decide
from in_memory.cluster import document, floating_ip, router, said, snapshot

NODES = [{"name": "n1", "priority": 200}, {"name": "n2", "priority": 100}]
LOST = {"reason": "AddressLost", "message": "10.0.0.100 was taken out of the kernel, 1 time"}
LOST_AGAIN = {**LOST, "message": "10.0.0.100 was taken out of the kernel, 2 times"}
CLAIMED = {"reason": "AddressClaimed", "message": "10.0.0.100 is claimed by 02:00:00:00:00:77 on eth0, too"}


def _status(
    first: str, second: str, *warnings: dict[str, str], of_second: tuple[dict[str, str], ...] = ()
) -> FloatingIPStatus:
    world: list[Any] = [
        document("n1", [router()], [said(first, warnings=list(warnings))]),
        document("n2", [router(priority=100)], [said(second, priority=100, warnings=list(of_second))]),
    ]
    ((_, status),) = decide(snapshot([floating_ip(nodes=NODES, virtualRouterID=51)], world)).statuses
    return status


def _before(status: FloatingIPStatus) -> FloatingIP:
    return floating_ip(nodes=NODES, virtualRouterID=51).model_copy(update={"status": status})


def _told(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.type, event.reason, event.message) for event in events]


def test_a_move() -> None:
    found = events_between(_before(_status("Active", "Backup")), _status("Fault", "Active"))
    assert [(event.type, event.reason) for event in found] == [
        ("Normal", "ActiveNodeChanged"),
        ("Warning", "NodeFault"),
    ]


def test_a_warning_is_told_once_and_not_by_the_condition_too() -> None:
    well, warned = _status("Active", "Backup"), _status("Active", "Backup", LOST)
    assert _told(events_between(_before(well), warned)) == [("Warning", "AddressLost", f"n1: {LOST['message']}")]
    assert events_between(_before(warned), warned) == []
    assert events_between(_before(warned), _status("Active", "Backup", LOST_AGAIN)) == [], "its details are no news"
    assert _told(events_between(_before(warned), well)) == [("Normal", "AsAsked", "all works as asked")]


def test_a_warning_behind_another_is_told() -> None:
    """The condition names the gravest one only; each has its Event all the same."""
    claimed = _status("Active", "Backup", CLAIMED)
    both = _status("Active", "Backup", CLAIMED, LOST)
    assert _told(events_between(_before(claimed), both)) == [("Warning", "AddressLost", f"n1: {LOST['message']}")]
    assert events_between(_before(both), claimed) == []


def test_each_node_that_warns_is_named() -> None:
    one = _status("Active", "Backup", CLAIMED)
    two = _status("Active", "Backup", CLAIMED, of_second=(CLAIMED,))
    assert _told(events_between(_before(one), two)) == [("Warning", "AddressClaimed", f"n2: {CLAIMED['message']}")]
