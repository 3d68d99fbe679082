"""The end of an installation: everything is let go of, confirmed, and the FloatingIPs stay."""

from __future__ import annotations

from floatip_api.conditions import Reason
from floatip_operator.decide import leaving
from floatip_operator.decide.plan import Plan
from in_memory.cluster import document, floating_ip, router, said, snapshot, written

GONE = {"state": "Initialize", "releasedRequestID": "r"}


def test_every_entry_is_asked_to_let_go_whoever_it_belongs_to() -> None:
    """api.md: "Letting go is explicit: release"; an entry without a FloatingIP would else be waited for in vain."""
    own, orphan = router("web"), router("orphan", virtualRouterID=52)
    world = snapshot(
        [floating_ip("web")], [document("n1", [own, orphan]), document("n2", [router("web", priority=180)])]
    )
    releases = {
        node: [(name, request) for name, _, request in entries]
        for node, entries in written(leaving.decide(world)).items()
    }
    assert releases == {"n1": [("orphan", "uninstall-1"), ("web", "uid-web-1")], "n2": [("web", "uid-web-1")]}
    assert leaving.holders(world) == {"n1": ["orphan", "web"], "n2": ["web"]}


def test_a_request_stays_the_same_until_it_is_confirmed() -> None:
    asked = [router("web", release={"requestID": "r"}), router("orphan", release={"requestID": "s"})]
    world = snapshot([floating_ip("web")], [document("n1", asked, [said("Active")], generation=7)])
    assert leaving.decide(world).specs == ()
    assert leaving.decide(world).remove_finalizer == ()


def test_confirmed_entries_go_then_the_finalizer_and_the_object_stays() -> None:
    asked = router("web", release={"requestID": "r"})
    world = snapshot([floating_ip("web")], [document("n1", [asked], [{**said("Initialize"), **GONE}])])
    plan = leaving.decide(world)
    assert written(plan) == {"n1": []}
    assert [entry.metadata.name for entry in plan.remove_finalizer] == ["web"]
    assert leaving.holders(world) == {}


def test_the_status_says_why_and_keeps_the_router_id() -> None:
    """api.md: an allocated ID is "kept for the object's life": the next installation finds it."""
    before = floating_ip("web", metadata={"finalizers": []}, status={"virtualRouterID": 77, "conditions": []})
    world = snapshot([before], [document("n1")])
    ((_, status),) = leaving.decide(world).statuses
    assert status.virtual_router_id == 77
    ready = next(condition for condition in status.conditions if condition.type == "Ready")
    assert (ready.status, ready.reason) == ("False", Reason.UNINSTALLED)
    settled = before.model_copy(update={"status": status})
    assert leaving.decide(snapshot([settled], [document("n1")])) == Plan()


def test_a_node_that_a_human_wrote_off_is_not_waited_for() -> None:
    abandoned = floating_ip("web", metadata={"annotations": {"floatip.dev/abandon": "n1"}})
    documents = [document("n1", [router("web", release={"requestID": "r"})], [said("Active")])]
    assert leaving.holders(snapshot([abandoned], documents, heard=frozenset())) == {}
    assert leaving.holders(snapshot([abandoned], documents)) == {"n1": ["web"]}, "it is heard again"


def test_what_an_agent_runs_unlisted_and_what_cannot_be_read_is_waited_for() -> None:
    world = snapshot([floating_ip("web")], [document("n1", [], [said("Active")])], unreadable=frozenset({"n2"}))
    assert leaving.holders(world) == {"n1": ["web"], "n2": ["its FloatingIPNode cannot be read"]}
    assert leaving.decide(world).remove_finalizer == ()
