"""The roll-out of new agents: "it first asks the node to hand its floating IPs over, waits (30 s; no successor: the roll-out stops with a
condition), replaces the pod, waits for ready, goes on; a failing new version stops the roll-out with a condition and an Event".
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import pytest
from floatip_api.v1alpha1 import FloatingIPNode
from floatip_operator.decide.plan import Plan, decide
from floatip_operator.decide.snapshot import Node, Pod, Snapshot
from floatip_operator.decide.upgrade import Step, next_step
from in_memory.cluster import document, floating_ip, router, said, snapshot

NEW, OLD = "new", "old"
LEAVE: dict[str, Any] = {"leave": {"requestID": "upgrade-new"}}


def pod(node: str, digest: str = OLD, **more: Any) -> Pod:
    return Pod(f"agent-{node}", f"uid-{node}", node, digest, **more)


def node(name: str, state: str, *, asked: bool = False, left: bool = False, **more: Any) -> FloatingIPNode:
    """One with an entry for web."""
    words = {"leftRequestID": "upgrade-new"} if left else {}
    return document(name, [router(**(LEAVE if asked else {}))], [said(state, **words)], **more)


def world(documents: list[FloatingIPNode], pods: list[Pod], **more: Any) -> Snapshot:
    return snapshot([floating_ip(virtualRouterID=51)], documents, pods=tuple(pods), agent_digest=NEW, **more)


def asks(node: str) -> tuple[str | None, str | None, str | None, str | None]:
    return node, "upgrade-new", None, None


def short(step: Step) -> tuple[str | None, str | None, str | None, str | None]:
    """The node, the request, the node of the Pod that is deleted, why it stopped."""
    request = step.request.request_id if step.request else None
    return step.node, request, step.delete.node if step.delete else None, step.stopped.message if step.stopped else None


TWO = [node("n1", "Active"), node("n2", "Backup")]
NOTHING = (None, None, None, None)
NOBODY = "no node stands by to take over web: wait for one, or delete Pod agent-n1 to accept a gap"


def test_without_settings_the_pods_are_somebody_elses() -> None:
    assert next_step(dataclasses.replace(world(TWO, [pod("n1"), pod("n2")]), agent_digest=None)) == Step()


def test_backups_come_first_and_actives_last() -> None:
    assert short(next_step(world(TWO, [pod("n1"), pod("n2")]))) == asks("n2")
    assert short(next_step(world(TWO, [pod("n1"), pod("n2", NEW)]))) == asks("n1")
    assert short(next_step(world(TWO, [pod("n1", NEW), pod("n2", NEW)]))) == NOTHING


def test_among_equals_the_order_is_stable() -> None:
    documents = [node(name, "Backup") for name in ("n3", "n1", "n2")]
    assert short(next_step(world(documents, [pod(name) for name in ("n2", "n3", "n1")]))) == asks("n1")


def test_a_node_without_entries_has_nothing_to_hand_over() -> None:
    assert short(next_step(world([document("n1")], [pod("n1")]))) == ("n1", None, "n1", None)


@pytest.mark.parametrize(
    ("first", "second", "deleted"),
    [
        (node("n1", "Active", asked=True), node("n2", "Backup"), False),
        (node("n1", "Backup", asked=True), node("n2", "Backup"), False),
        (node("n1", "Backup", asked=True), node("n2", "Active"), False),
        (node("n1", "Backup", asked=True, left=True, observed=0), node("n2", "Active"), False),
        (node("n1", "Backup", asked=True, left=True), node("n2", "Active"), True),
        (node("n1", "Fault", asked=True), node("n2", "Active"), True),
        (node("n1", "Initialize", asked=True), node("n2", "Active"), True),
        (node("n1", "Fault", asked=True, observed=0), node("n2", "Active"), False),
    ],
    ids=[
        "still Active",
        "let go, nobody took over",
        "another's word is not enough: it must have heard it itself",
        "a word from before the request",
        "it hears the successor",
        "it takes no part",
        "it takes no part yet",
        "a Fault from before the request",
    ],
)
def test_the_pod_is_deleted_once_the_node_hears_a_successor(
    first: FloatingIPNode, second: FloatingIPNode, *, deleted: bool
) -> None:
    expected = ("n1", "upgrade-new", "n1" if deleted else None, None)
    assert short(next_step(world([first, second], [pod("n1"), pod("n2", NEW)]))) == expected


def test_an_entry_that_came_later_is_asked_first() -> None:
    entries = [router(**LEAVE), router("late")]
    first = document("n1", entries, [said("Backup", leftRequestID="upgrade-new"), said("Fault", "late")])
    assert short(next_step(world([first, node("n2", "Active")], [pod("n1"), pod("n2", NEW)]))) == asks("n1")


def test_no_successor_within_30_s_stops_it() -> None:
    documents, pods = [node("n1", "Active", asked=True), node("n2", "Backup")], [pod("n1"), pod("n2", NEW)]
    assert short(next_step(world(documents, pods, asked_ages={"n1": 29.0}))) == asks("n1")
    stopped = next_step(world(documents, pods, asked_ages={"n1": 30.0}))
    assert short(stopped) == (*asks("n1")[:3], "web was not handed over within 30 s")
    documents[0] = node("n1", "Backup", asked=True, left=True)
    assert next_step(world(documents, pods, asked_ages={"n1": 300.0})).delete is not None, "late is not too late"


@pytest.mark.parametrize("other", ["Fault", "Initialize"])
def test_a_node_whose_address_nobody_could_take_is_not_asked(other: str) -> None:
    step = next_step(world([node("n1", "Active"), node("n2", other)], [pod("n1"), pod("n2", NEW)]))
    assert short(step) == (None, None, None, NOBODY)


def test_a_dead_backup_is_no_successor() -> None:
    lost: dict[str, Any] = {"lease_ages": {"n1": 1.0, "n2": 50.0}, "nodes": (Node("n1"), Node("n2", is_ready=False))}
    step = next_step(world(TWO, [pod("n1"), pod("n2", NEW, is_ready=False)], **lost))
    assert short(step) == (None, None, None, NOBODY)


def test_one_that_cannot_hand_over_does_not_hold_up_the_others() -> None:
    first = document("n1", [router("other")], [said("Active", "other")])
    documents = [first, node("n2", "Active"), node("n3", "Backup")]
    assert short(next_step(world(documents, [pod("n1"), pod("n2"), pod("n3", NEW)]))) == asks("n2")


class TestOnlyOneNodeCanHoldIt:
    """Nobody is waited for who cannot come: its node goes on with a gap, once the new agent is known to work."""

    NODES = (Node("n1"), Node("n2"))
    ONE: ClassVar[dict[str, Any]] = {"nodes": [{"name": "n1"}]}
    UNPROVEN = "no other node can hold web, or shows yet that the new agent works: delete Pod agent-n1 to accept a gap"

    def step(self, spec: dict[str, Any], *pods: Pod, **more: Any) -> Step:
        documents = [node("n1", "Active"), document("n2")]
        settings: dict[str, Any] = {"nodes": self.NODES, "pods": pods, "agent_digest": NEW, **more}
        return next_step(snapshot([floating_ip(virtualRouterID=51, **spec)], documents, **settings))

    @pytest.mark.parametrize(
        "spec",
        [
            ONE,
            {"candidates": 1},
            {"candidates": 1, "nodes": [{"name": "n1"}, {"selector": {"matchLabels": {"a": "b"}}}]},
        ],
        ids=["one name", "one candidate", "one name leaves no room"],
    )
    def test_its_pod_is_deleted_without_a_request_once_another_node_has_the_new_agent(
        self, spec: dict[str, Any]
    ) -> None:
        assert short(self.step(spec, pod("n1"), pod("n2"))) == ("n2", None, "n2", None), "it comes last"
        assert short(self.step(spec, pod("n1"), pod("n2", NEW))) == ("n1", None, "n1", None)

    def test_a_new_agent_that_does_not_work_takes_nothing_away(self) -> None:
        step = self.step(self.ONE, pod("n1"), pod("n2", NEW, is_ready=False, trouble="no image"))
        assert short(step) == (None, None, None, "Pod agent-n2: no image")

    def test_alone_in_the_cluster_it_waits_for_a_human(self) -> None:
        step = self.step({}, pod("n1"), nodes=(Node("n1"),))
        assert short(step) == (None, None, None, self.UNPROVEN)
        silent: dict[str, Any] = {"nodes": (Node("n1"),), "lease_ages": {"n1": 40.0}}
        repaired = self.step({}, pod("n1", is_ready=False), **silent)
        assert short(repaired) == ("n1", None, "n1", None), "what does not work is replaced"

    @pytest.mark.parametrize(
        "spec",
        [{}, {"nodes": [{"name": "n1"}, {"name": "n2"}]}, {"nodes": [{"selector": {"matchLabels": {"a": "b"}}}]}],
        ids=["any node", "two names", "a selector"],
    )
    def test_others_that_are_only_not_there_now_are_waited_for(self, spec: dict[str, Any]) -> None:
        assert short(self.step(spec, pod("n1"), pod("n2", NEW))) == (None, None, None, NOBODY)

    def test_beside_others_of_the_node_it_is_not_asked_and_not_waited_for(self) -> None:
        only = floating_ip("only", addresses=["10.0.0.101/24"], virtualRouterID=52, **self.ONE)
        entry = router("only", addresses=["10.0.0.101/24"], virtualRouterID=52)

        def plan(first: str, *, asked: bool) -> Plan:
            leave, words = (LEAVE, {"leftRequestID": "upgrade-new"}) if asked else ({}, {})
            mine = document("n1", [router(**leave), entry], [said(first, **words), said("Active", "only")])
            documents = [mine, node("n2", "Active" if asked else "Backup")]
            pods = (pod("n1"), pod("n2", NEW))
            return decide(snapshot([floating_ip(virtualRouterID=51), only], documents, pods=pods, agent_digest=NEW))

        before = plan("Active", asked=False)
        (routers,) = [spec.virtual_routers for entry, spec in before.specs if entry.metadata.name == "n1"]
        assert {r.name: r.leave and r.leave.request_id for r in routers} == {"web": "upgrade-new", "only": None}
        assert before.rollout.delete is None
        deleted = plan("Backup", asked=True).rollout.delete
        assert deleted is not None
        assert deleted.node == "n1"


@pytest.mark.parametrize(
    ("next_pod", "message"),
    [
        (pod("n1", is_leaving=True), None),
        (pod("n1", is_leaving=True, age=120.0), "Pod agent-n1 does not end after 120 s"),
        (pod("n1", NEW, is_ready=False, age=119.0), None),
        (pod("n1", NEW, is_ready=False, age=120.0), "Pod agent-n1 is not Ready after 120 s"),
        (
            pod("n1", NEW, is_ready=False, trouble="container keeper: ImagePullBackOff"),
            "Pod agent-n1: container keeper: ImagePullBackOff",
        ),
        (pod("n1", NEW), None),
    ],
    ids=["ending", "never ending", "coming", "never ready", "no image", "ready"],
)
@pytest.mark.parametrize("asked", [True, False], ids=["with entries", "without"])
def test_the_next_node_waits_until_this_one_is_back(next_pod: Pod, message: str | None, *, asked: bool) -> None:
    first = node("n1", "Backup", asked=True, observed=0) if asked else document("n1", observed=0)
    step = next_step(world([first, node("n2", "Active"), node("n3", "Backup")], [next_pod, pod("n2"), pod("n3")]))
    assert step.delete is None
    assert step.node in {None, "n1"}
    assert (step.stopped and step.stopped.message) == message


def test_without_an_old_pod_there_is_no_roll_out_that_could_stop() -> None:
    """A first installation."""
    assert short(next_step(world(TWO, [pod("n1", NEW, is_ready=False, age=500.0), pod("n2", NEW)]))) == NOTHING


def test_a_pod_that_is_not_there_yet_is_waited_for() -> None:
    documents, pods = [document("n1"), node("n2", "Backup"), node("n3", "Active")], [pod("n2"), pod("n3")]
    assert short(next_step(world(documents, pods, pod_gone_ages={"n1": 1.0}))) == NOTHING
    assert short(next_step(world(documents, pods, pod_gone_ages={"n1": 121.0}))) == asks("n2"), (
        "its agent is none of ours"
    )
    away = world(documents, pods, pod_gone_ages={"n1": 60.0}, lease_ages={"n1": 60.0, "n2": 1.0, "n3": 1.0})
    assert short(next_step(away)) == asks("n2"), "the node is not selected any more"
    asked = [node("n1", "Backup", asked=True), *documents[1:]]
    assert short(next_step(world(asked, pods, asked_ages={"n1": 149.0}))) == asks("n1")
    assert next_step(world(asked, pods, asked_ages={"n1": 150.0})).stopped is not None


def test_when_it_is_back_the_request_goes_and_that_is_confirmed_before_the_next() -> None:
    back = node("n1", "Backup", asked=True, left=True)
    assert short(next_step(world([back, node("n2", "Active")], [pod("n1", NEW), pod("n2")]))) == NOTHING
    unconfirmed = node("n1", "Backup", observed=0)
    assert short(next_step(world([unconfirmed, node("n2", "Active")], [pod("n1", NEW), pod("n2")]))) == NOTHING
    assert short(next_step(world([node("n1", "Backup"), node("n2", "Active")], [pod("n1", NEW), pod("n2")]))) == asks(
        "n2"
    )


class TestRollBack:
    """ "Rolling back works": the settings of before are wanted again."""

    def test_what_is_broken_is_replaced_first_and_needs_no_word_of_its_own(self) -> None:
        broken = node("n1", "Backup", asked=True, left=True, observed=0)
        pods = [pod("n1", OLD, is_ready=False, trouble="CrashLoopBackOff"), pod("n2", NEW)]
        assert short(next_step(world([broken, node("n2", "Active")], pods))) == ("n1", "upgrade-new", "n1", None)
        unasked = node("n1", "Backup", observed=0)
        pods = [pod("n0"), pod("n1", OLD, is_ready=False), pod("n2", NEW)]
        assert short(next_step(world([node("n0", "Backup"), unasked, node("n2", "Active")], pods)))[0] == "n1"

    def test_a_node_that_was_only_asked_is_left_as_it_is(self) -> None:
        asked = node("n1", "Active", asked=True)
        assert short(next_step(world([asked, node("n2", "Backup")], [pod("n1", NEW), pod("n2", NEW)]))) == NOTHING

    def test_one_that_took_its_role_back_is_asked_anew(self) -> None:
        asked = node("n1", "Active", asked=True)
        step = next_step(
            dataclasses.replace(world([asked, node("n2", "Backup")], [pod("n1"), pod("n2")]), agent_digest="third")
        )
        assert short(step) == ("n1", "upgrade-third", None, None)

    def test_nothing_else_is_taken_out_beside_what_is_broken(self) -> None:
        broken = node("n1", "Active", observed=0)
        pods = [pod("n1", is_ready=False), pod("n2")]
        step = next_step(world([broken, node("n2", "Fault")], pods))
        assert short(step) == (None, None, None, NOBODY)


def test_a_node_that_is_away_is_not_waited_for() -> None:
    nodes = (Node("n1", is_ready=False), Node("n2"), Node("n3"))
    documents = [node("n1", "Backup"), node("n2", "Backup"), node("n3", "Active")]
    pods = [pod("n1", is_ready=False), pod("n2"), pod("n3")]
    assert short(next_step(world(documents, pods, nodes=nodes))) == asks("n2")
    asked = [node("n1", "Backup", asked=True), *documents[1:]]
    assert short(next_step(world(asked, pods, nodes=nodes))) == NOTHING, "it is not asked any more"
    pods[0] = pod("n1", NEW, is_ready=False, age=120.0)
    stopped = next_step(world(asked, pods, nodes=nodes)).stopped
    assert stopped is not None, "one that went away while it was replaced is no reason to take the next one out"


def test_an_agent_that_does_not_know_leave_hands_over_as_it_stops() -> None:
    first = node("n1", "Active", asked=True).to_manifest()
    first["status"]["ignoredFields"] = ["spec.virtualRouters[0].leave"]
    documents = [FloatingIPNode.from_manifest(first), node("n2", "Backup")]
    assert short(next_step(world(documents, [pod("n1"), pod("n2", NEW)]))) == ("n1", "upgrade-new", "n1", None)
    documents[1] = node("n2", "Fault")
    assert next_step(world(documents, [pod("n1"), pod("n2", NEW)])).delete is None


def test_what_a_node_holds_must_be_known() -> None:
    step = next_step(world([node("n2", "Backup")], [pod("n1"), pod("n2", NEW)], nodes=(Node("n1"), Node("n2"))))
    assert step.delete is None
    assert step.stopped is not None


def test_every_router_of_the_node_is_asked_and_a_stop_is_told_on_its_floating_ips() -> None:
    others = floating_ip(
        "other", addresses=["10.0.0.101/24"], virtualRouterID=52, nodes=[{"name": "n2"}, {"name": "n3"}]
    )
    web = floating_ip(virtualRouterID=51, nodes=[{"name": "n1", "priority": 200}, {"name": "n2", "priority": 100}])
    entries = {"n1": node("n1", "Active"), "n2": node("n2", "Fault")}
    plan = decide(snapshot([web, others], [*entries.values()], pods=(pod("n1"), pod("n2", NEW)), agent_digest=NEW))
    reasons = {
        status_of.metadata.name: next(c for c in status.conditions if c.type == "Degraded")
        for status_of, status in plan.statuses
    }
    assert reasons["web"].reason == "RolloutStopped"
    assert reasons["web"].message == f"the roll-out of new agents stopped at n1: {NOBODY}"
    assert reasons["other"].reason != "RolloutStopped"
    able = [node("n1", "Active"), node("n2", "Backup")]
    asked = decide(snapshot([web, others], able, pods=(pod("n1", NEW), pod("n2")), agent_digest=NEW))
    (routers,) = [spec.virtual_routers for entry, spec in asked.specs if entry.metadata.name == "n2"]
    assert [(r.name, r.leave and r.leave.request_id) for r in routers] == [
        ("other", "upgrade-new"),
        ("web", "upgrade-new"),
    ]
