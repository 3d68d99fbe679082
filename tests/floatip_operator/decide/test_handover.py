"""Planned moves: api.md's annotation floatip.dev/prefer-node, and `leave` where a higher priority alone takes nothing over."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_api import names
from floatip_api.v1alpha1 import FloatingIP, FloatingIPNode, FloatingIPStatus
from floatip_operator.decide.events import events_between
from floatip_operator.decide.plan import Plan, decide
from in_memory.cluster import document, floating_ip, router, said, snapshot

NEVER = {"policy": "Never"}
LEAVE = {"requestID": "move-to-n2"}


def wanted(preemption: dict[str, Any] | None = None, target: str = "n2", **spec: Any) -> FloatingIP:
    metadata = {"annotations": {names.PREFER_NODE: target}}
    return floating_ip(metadata=metadata, virtualRouterID=51, preemption=preemption or {}, **spec)


def node(
    name: str, priority: int, state: str, preemption: dict[str, Any] | None = None, *, observed: int = 1, **more: Any
) -> FloatingIPNode:
    """`more` goes into what the agent says; `is_leaving` into the entry."""
    leave = {"leave": LEAVE} if more.pop("is_leaving", False) else {}
    entry: dict[str, Any] = router(priority=priority) | {"preemption": preemption or {}} | leave
    words = {"priority": priority, "effectivePriority": 1 if leave else priority, **more}
    return document(name, [entry], [said(state, **words)], observed=observed)


def leaves(plan: Plan) -> dict[str, str | None]:
    """The requests that stand in what is written, by node."""
    return {
        entry.metadata.name: (r.leave.request_id if r.leave else None)
        for entry, spec in plan.specs
        for r in spec.virtual_routers
    }


def test_the_preferred_node_gets_the_highest_priority_and_preempts_by_itself() -> None:
    world = snapshot([wanted()], [node("n1", 200, "Active"), node("n2", 180, "Backup")])
    plan = decide(world)
    assert [(entry.metadata.name, spec.virtual_routers[0].priority) for entry, spec in plan.specs] == [("n2", 254)]
    assert leaves(plan) == {"n2": None}
    ready = snapshot([wanted()], [node("n1", 200, "Active"), node("n2", 254, "Backup")])
    assert decide(ready).specs == ()


@pytest.mark.parametrize("policy", [NEVER, {"delaySeconds": 300}], ids=["Never", "after a delay"])
def test_where_nobody_preempts_at_once_the_active_is_asked_to_leave(policy: dict[str, Any]) -> None:
    world = snapshot([wanted(policy)], [node("n1", 200, "Active", policy), node("n2", 254, "Backup", policy)])
    assert leaves(decide(world)) == {"n1": "move-to-n2"}


@pytest.mark.parametrize(
    "second",
    [
        node("n2", 254, "Fault", NEVER),
        node("n2", 254, "Initialize", NEVER),
        node("n2", 254, "Backup", NEVER, observed=0),
        node("n2", 254, "Backup", NEVER, effectivePriority=150),
    ],
    ids=["in Fault", "not there yet", "its priority is not confirmed", "a probe lowers it below n3"],
)
def test_but_only_when_the_preferred_node_would_take_over(second: FloatingIPNode) -> None:
    world = snapshot([wanted(NEVER)], [node("n1", 200, "Active", NEVER), second, node("n3", 160, "Backup", NEVER)])
    assert leaves(decide(world)) == {}


def test_a_dead_preferred_node_changes_nothing() -> None:
    first, second = node("n1", 200, "Active", NEVER), node("n2", 254, "Backup", NEVER)
    world = snapshot([wanted(NEVER)], [first, second], lease_ages={"n1": 1.0, "n2": 60.0})
    assert decide(world).specs == ()


def test_the_request_stands_until_another_is_active() -> None:
    """Between the leaver's word and the successor's nobody says Active."""
    left = node("n1", 200, "Backup", NEVER, is_leaving=True)
    assert decide(snapshot([wanted(NEVER)], [left, node("n2", 254, "Backup", NEVER)])).specs == ()
    done = snapshot([wanted(NEVER)], [left, node("n2", 254, "Active", NEVER)])
    assert leaves(decide(done)) == {"n1": None}


def test_a_third_that_was_faster_is_asked_too() -> None:
    left, third = node("n1", 200, "Backup", NEVER, is_leaving=True), node("n3", 160, "Active", NEVER)
    world = snapshot([wanted(NEVER)], [left, node("n2", 254, "Backup", NEVER), third])
    assert leaves(decide(world)) == {"n1": None, "n3": "move-to-n2"}


def test_a_preference_taken_back_in_the_middle_takes_the_request_back() -> None:
    left = node("n1", 200, "Backup", NEVER, is_leaving=True)
    plan = decide(
        snapshot([floating_ip(virtualRouterID=51, preemption=NEVER)], [left, node("n2", 254, "Backup", NEVER)])
    )
    assert leaves(plan)["n1"] is None


def test_one_on_its_way_out_is_asked_for_nothing_else() -> None:
    world = snapshot(
        [wanted(NEVER, nodes=[{"name": "n2"}])],
        [node("n1", 200, "Active", NEVER), node("n2", 254, "Backup", NEVER)],
    )
    (entry,) = [spec.virtual_routers[0] for document, spec in decide(world).specs if document.metadata.name == "n1"]
    assert entry.release is not None
    assert entry.leave is None


@pytest.mark.parametrize(
    ("target", "nodes", "message"),
    [
        ("n9", [{"name": "n1"}, {"name": "n2"}], "n9 is to come first but takes no part"),
        ("n2", [{"name": "n1", "priority": 255}, {"name": "n2"}], "n2 is to come first, but n1 owns the address"),
        ("n1", [{"name": "n1", "priority": 255}, {"name": "n2"}], "the object can be served"),
        ("n2", [{"name": "n1"}, {"name": "n2"}], "the object can be served"),
    ],
)
def test_a_preference_that_cannot_be_met_is_said(target: str, nodes: list[dict[str, Any]], message: str) -> None:
    own = "10.0.0.100/24" if nodes[0].get("priority") == 255 else None
    plan = decide(snapshot([wanted(target=target, nodes=nodes)], [document("n1", address=own), document("n2")]))
    (accepted,) = [c for _, status in plan.statuses for c in status.conditions if c.type == "Accepted"]
    assert (accepted.status, accepted.message) == ("True", message)


def own_address(name: str) -> str:
    """Of a node that `document` made."""
    (interface,) = document(name).to_manifest()["status"]["interfaces"]
    return str(interface["addresses"][0]).partition("/")[0]


class TestUnderWay:
    """The old holder says Backup at once, the next one Active up to a second later: no loss, and nobody is warned."""

    def test_by_preemption(self) -> None:
        first, second = node("n1", 200, "Active"), node("n2", 254, "Backup")
        held = judged([first, second])
        moving = judged([node("n1", 200, "Backup"), second], held)
        assert ready(moving) == ("False", "HandingOver", "n1 hands it over to n2")
        assert judged([node("n1", 200, "Backup"), second], moving) == moving, "however often it is looked at"
        moved = judged([node("n1", 200, "Backup"), node("n2", 254, "Active")], moving)
        assert told(held, moving) == []
        assert told(moving, moved) == [("Normal", "ActiveNodeChanged")]

    def test_by_preemption_before_the_next_one_has_said_its_new_priority(self) -> None:
        """It writes once a second: its word of the new priority comes together with Active."""
        word = said("Backup", priority=180, effectivePriority=180)
        second = document("n2", [router(priority=254)], [word], observed=0)
        held = judged([node("n1", 200, "Active"), second])
        assert ready(judged([node("n1", 200, "Backup"), second], held))[1] == "HandingOver"

    def test_one_whose_probes_lower_it_is_not_the_next(self) -> None:
        second = node("n2", 220, "Backup", effectivePriority=160)
        held = judged([node("n1", 200, "Active"), second])
        assert ready(judged([node("n1", 200, "Backup"), second], held))[1] == "NoHolder"

    @pytest.mark.parametrize("heard", [None, own_address("n1")], ids=["hears nobody", "its last word"])
    def test_by_a_request_to_leave(self, heard: str | None) -> None:
        second = node("n2", 254, "Backup", NEVER, activeRouter=heard)
        held = judged([node("n1", 200, "Active", NEVER, is_leaving=True), second], preemption=NEVER)
        left = node("n1", 200, "Backup", NEVER, is_leaving=True)
        moving = judged([left, second], held, preemption=NEVER)
        assert ready(moving)[1] == "HandingOver"
        assert told(held, moving) == []

    def test_by_a_release(self) -> None:
        """n1 is no candidate any more; its entry is gone before n2 says Active."""
        request = {"requestID": "r1"}
        second, only = node("n2", 180, "Backup"), [{"name": "n2"}]
        held = judged([node("n1", 200, "Active"), second])
        entry = router(priority=200) | {"release": request}
        released = document("n1", [entry], [said("Initialize", releasedRequestID="r1")])
        moving = judged([released, second], held, nodes=only)
        assert ready(moving)[1] == "HandingOver"
        assert judged([document("n1"), second], moving, nodes=only) == moving
        assert told(held, moving) == []

    @pytest.mark.parametrize(
        ("first", "second", "ages"),
        [
            (node("n1", 200, "Fault"), node("n2", 254, "Backup"), {}),
            (node("n1", 200, "Initialize"), node("n2", 254, "Backup"), {}),
            (node("n1", 200, "Backup"), node("n2", 180, "Backup"), {}),
            (node("n1", 200, "Backup"), node("n2", 254, "Fault"), {}),
            (node("n1", 200, "Backup"), node("n2", 254, "Backup"), {"n2": 60.0}),
            (node("n1", 200, "Backup"), node("n2", 254, "Backup", activeRouter="10.0.0.99"), {}),
        ],
        ids=[
            "a fault",
            "stopped",
            "its engine begins anew: it comes first",
            "the next one is in Fault",
            "the next one is not heard of",
            "a stranger was faster",
        ],
    )
    def test_a_loss_is_said_at_once(
        self, first: FloatingIPNode, second: FloatingIPNode, ages: dict[str, float]
    ) -> None:
        held = judged([node("n1", 200, "Active"), second])
        lost = judged([first, second], held, ages=ages)
        assert ready(lost)[1] == "NoHolder"
        assert ("Warning", "NoHolder") in told(held, lost)

    def test_where_nobody_preempts_a_higher_priority_is_no_hand_over(self) -> None:
        """n1's engine begins anew."""
        second = node("n2", 254, "Backup", NEVER)
        held = judged([node("n1", 200, "Active", NEVER), second], preemption=NEVER)
        assert ready(judged([node("n1", 200, "Backup", NEVER), second], held, preemption=NEVER))[1] == "NoHolder"

    def test_one_that_fails_is_said_at_once(self) -> None:
        """Also where a third one would come before the fourth."""
        others = [node("n3", 160, "Backup"), node("n4", 140, "Backup")]
        held = judged([node("n1", 200, "Active"), node("n2", 254, "Backup"), *others])
        moving = judged([node("n1", 200, "Backup"), node("n2", 254, "Backup"), *others], held)
        lost = judged([node("n1", 200, "Backup"), node("n2", 254, "Fault"), *others], moving)
        assert ready(lost)[1] == "NoHolder"
        assert ("Warning", "NoHolder") in told(moving, lost)
        assert ready(judged([node("n1", 200, "Backup"), node("n2", 254, "Backup"), *others], lost))[1] == "NoHolder"


def judged(
    documents: list[FloatingIPNode],
    before: FloatingIPStatus | None = None,
    *,
    preemption: dict[str, Any] | None = None,
    ages: dict[str, float] | None = None,
    **spec: Any,
) -> FloatingIPStatus:
    """The status after `before`."""
    asked = wanted(preemption, **spec).model_copy(update={"status": before})
    lease_ages = {entry.metadata.name: 1.0 for entry in documents} | (ages or {})
    written = decide(snapshot([asked], documents, lease_ages=lease_ages)).statuses
    if not written:
        assert before is not None
        return before
    return written[0][1]


def ready(status: FloatingIPStatus) -> tuple[str, str, str]:
    (found,) = [condition for condition in status.conditions if condition.type == "Ready"]
    return found.status, found.reason, found.message


def told(before: FloatingIPStatus, after: FloatingIPStatus) -> list[tuple[str, str]]:
    return [
        (event.type, event.reason) for event in events_between(wanted().model_copy(update={"status": before}), after)
    ]
