"""The agents' DaemonSet and its Pods, as objects."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_operator import agents
from floatip_operator.agents import AgentSettings


def pod(**status: Any) -> dict[str, Any]:
    """One as the DaemonSet controller makes it from the template, bound to n1."""
    template = agents.daemon_set(AgentSettings(image="agent:1"), "floatip-system")["spec"]["template"]
    metadata = {**template["metadata"], "name": "floatip-agent-x", "uid": "u1"}
    return {"metadata": metadata, "spec": {**template["spec"], "nodeName": "n1"}, "status": status}


def waiting(reason: str, message: str | None = None) -> dict[str, Any]:
    state = {"reason": reason} | ({"message": message} if message else {})
    statuses = [{"name": "engine", "state": {"running": {}}}, {"name": "keeper", "state": {"waiting": state}}]
    return pod(conditions=[{"type": "Ready", "status": "False"}], containerStatuses=statuses)


def test_a_pod_tells_from_which_settings_it_was_made() -> None:
    first, second = (agents.daemon_set(AgentSettings(image=image), "ns") for image in ("agent:1", "agent:2"))
    assert agents.digest_of(first) != agents.digest_of(second)
    assert agents.digest_of(first["spec"]["template"]) == agents.digest_of(first)
    assert agents.digest_of(agents.daemon_set(AgentSettings(image="agent:1"), "ns")) == agents.digest_of(first)
    assert agents.digest_of({"metadata": {}}) == "", "made by a version that did not say it"


def test_only_the_agents_pods_that_are_on_a_node_count() -> None:
    bound: dict[str, Any] = pod()
    other, unbound = pod(), pod()
    other["metadata"] = {**other["metadata"], "labels": {"app.kubernetes.io/name": "floatip-operator"}}
    del unbound["spec"]["nodeName"]
    nothing: dict[str, Any] = {"metadata": {}, "spec": {}}
    assert [agents.is_agent(entry) for entry in (bound, other, unbound, nothing)] == [
        True,
        False,
        False,
        False,
    ]


def test_what_a_roll_out_needs_of_it() -> None:
    ready = pod(conditions=[{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}])
    read = agents.read_pod(ready, 7.0)
    assert (read.name, read.uid, read.node, read.age) == ("floatip-agent-x", "u1", "n1", 7.0)
    assert (read.is_ready, read.is_leaving, read.trouble) == (True, False, None)
    ready["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert agents.read_pod(ready, 0.0).is_leaving
    assert not agents.read_pod(pod(), 0.0).is_ready


@pytest.mark.parametrize(
    ("entry", "trouble"),
    [
        (waiting("ImagePullBackOff", "Back-off pulling"), "container keeper: ImagePullBackOff: Back-off pulling"),
        (waiting("ErrImageNeverPull"), "container keeper: ErrImageNeverPull"),
        (waiting("CrashLoopBackOff", "back-off 40s restarting failed container"), "container keeper: CrashLoopBackOff"),
        (waiting("ContainerCreating"), None),
        (waiting("ErrImagePull", "tried once; the next try may do"), None),
        (pod(), None),
    ],
    ids=["no image", "never pulled", "a crash loop", "on its way", "not for good yet", "nothing known"],
)
def test_what_the_kubelet_says_of_a_container_that_does_not_run(entry: dict[str, Any], trouble: str | None) -> None:
    assert agents.read_pod(entry, 0.0).trouble == trouble


def test_the_kubelets_words_are_cut_to_a_line() -> None:
    trouble = agents.read_pod(waiting("ImagePullBackOff", "x" * 5000), 0.0).trouble
    assert trouble is not None
    assert len(trouble) == 300
