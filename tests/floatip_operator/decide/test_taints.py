"""api.md: "an empty one for every Node that the agents' node selector and tolerations match"."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_operator.agents import AgentSettings, tolerations
from floatip_operator.decide.plan import decide
from floatip_operator.decide.snapshot import Node
from in_memory.cluster import snapshot

GPU = {"key": "gpu", "value": "a100", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("taint", "tolerated", "expected"),
    [
        (GPU, {"key": "gpu", "operator": "Exists"}, True),
        (GPU, {"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        (GPU, {"key": "gpu", "value": "a100", "effect": "NoSchedule"}, True),
        (GPU, {"key": "gpu", "value": "h100"}, False),
        (GPU, {"operator": "Exists"}, True),
        (GPU, {"key": "fpga", "operator": "Exists"}, False),
        (GPU | {"effect": "PreferNoSchedule"}, {"key": "fpga"}, True),
        ({"key": "plain", "effect": "NoExecute"}, {"key": "plain"}, True),
    ],
)
def test_a_node_that_the_agents_do_not_tolerate_gets_no_document(
    taint: dict[str, Any], tolerated: dict[str, Any], *, expected: bool
) -> None:
    nodes = (Node("n1", taints=(taint,)),)
    plan = decide(snapshot([], [], nodes=nodes, tolerations=(tolerated,)))
    assert plan.create_documents == (("n1",) if expected else ())


def test_a_control_plane_node_in_trouble_gets_one() -> None:
    """The default of the settings, and what is tolerated always."""
    taints = (
        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
    )
    known = tuple(tolerations(AgentSettings(image="agent")))
    plan = decide(snapshot([], [], nodes=(Node("n1", taints=taints),), tolerations=known))
    assert plan.create_documents == ("n1",)
