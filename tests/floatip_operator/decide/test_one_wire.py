"""Two routers that do not agree on the wire do not hear each other: they must never both be there."""

from __future__ import annotations

from floatip_operator.decide.plan import decide
from in_memory.cluster import document, floating_ip, router, said, snapshot, written

ONLY_N2 = [{"name": "n2", "priority": 100}]
VERSION_2 = {"version": 2}
REQUEST = {"requestID": "uid-web-1"}


def test_nobody_joins_beside_an_active_that_leaves_with_the_old_version() -> None:
    """It takes the new version up first, and stays until the other stands by."""
    wanted = floating_ip(nodes=ONLY_N2, virtualRouterID=51, vrrp=VERSION_2)
    active = document("n1", [router()], [said("Active")])
    assert written(decide(snapshot([wanted], [active, document("n2")]))) == {"n1": [("web", 200, None)]}
    changed = router(vrrp=VERSION_2)
    unconfirmed = document("n1", [changed], [said("Active")], generation=2, observed=1)
    assert written(decide(snapshot([wanted], [unconfirmed, document("n2")]))) == {}
    confirmed = document("n1", [changed], [said("Active")])
    assert written(decide(snapshot([wanted], [confirmed, document("n2")]))) == {"n2": [("web", 100, None)]}
    second = document("n2", [router(priority=100, vrrp=VERSION_2)], [said("Backup", priority=100)])
    assert written(decide(snapshot([wanted], [confirmed, second]))) == {"n1": [("web", 200, "uid-web-1")]}


def test_nobody_joins_beside_one_that_was_asked_to_go_with_the_old_version() -> None:
    wanted = floating_ip(nodes=ONLY_N2, virtualRouterID=51, vrrp=VERSION_2)
    leaving = document("n1", [router(release=REQUEST)], [said("Active")])
    assert written(decide(snapshot([wanted], [leaving, document("n2")]))) == {}
    gone = document("n1", [router(release=REQUEST)], [said("Initialize", releasedRequestID="uid-web-1")])
    assert written(decide(snapshot([wanted], [gone, document("n2")]))) == {"n1": [], "n2": [("web", 100, None)]}


def test_a_suspension_taken_back_with_another_version_waits_for_the_old_one() -> None:
    wanted = floating_ip(nodes=[{"name": "n1", "priority": 200}, *ONLY_N2], virtualRouterID=51, vrrp=VERSION_2)
    first = document("n1", [router(release=REQUEST)], [said("Active")])
    second = document("n2", [router(priority=100, release=REQUEST)], [said("Backup", priority=100)])
    assert written(decide(snapshot([wanted], [first, second]))) == {}


def test_an_abandoned_node_holds_up_no_change_of_the_wire() -> None:
    metadata = {"annotations": {"floatip.dev/abandon": "n1"}}
    wanted = floating_ip(nodes=ONLY_N2, virtualRouterID=51, vrrp=VERSION_2, metadata=metadata)
    off = document("n1", [router(release=REQUEST)], [said("Active")])
    ages = {"n1": 900.0, "n2": 1.0}
    assert written(decide(snapshot([wanted], [off, document("n2")], lease_ages=ages))) == {"n2": [("web", 100, None)]}


def test_one_that_died_before_it_took_its_entry_up_holds_up_nobody() -> None:
    """It never spoke another way: an entry's wire changes only after it was taken up. One that lives will say so in a moment."""
    wanted = floating_ip(nodes=[{"name": "n1", "priority": 200}, *ONLY_N2], virtualRouterID=51)
    silent = document("n1", [router()], generation=2, observed=1)
    plan = decide(snapshot([wanted], [silent, document("n2")], lease_ages={"n1": 50.0, "n2": 1.0}))
    assert written(plan) == {"n2": [("web", 100, None)]}
    assert written(decide(snapshot([wanted], [silent, document("n2")]))) == {}
