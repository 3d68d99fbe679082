"""Agents of another version: "an agent ignores and reports fields it does not know, the operator refuses (UnsupportedByAgents) what its
agents cannot do"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_api import names
from floatip_api.v1alpha1 import FloatingIPNode
from floatip_operator.cluster import Cluster
from floatip_operator.decide.plan import decide
from floatip_operator.decide.snapshot import Node, Snapshot
from in_memory.cluster import document, floating_ip, router, said, snapshot

OLDER = Path(__file__).parents[1] / "fixtures" / "0.1.0"


def node() -> dict[str, Any]:
    """A FloatingIPNode as 0.1.0's operator and agent have written it."""
    found: dict[str, Any] = yaml.safe_load((OLDER / "floatingipnode.yaml").read_text())
    return found


def seen(*documents: dict[str, Any]) -> Snapshot:
    cluster = Cluster()
    cluster.replace(names.FLOATING_IP_NODE, documents)
    return cluster.snapshot(cluster_uid="c", cluster_ranges=(), virtual_router_ids=(20, 250), node_selector={})


def test_an_older_agents_document_is_read() -> None:
    (read,) = seen(node()).documents
    assert {(r.name, r.family) for r in read.spec.virtual_routers} >= {("elk", "IPv4"), ("web", "IPv6")}
    assert read.status is not None
    assert read.status.virtual_routers[0].state == "Active"


@pytest.mark.parametrize(
    "place", [(), ("agent",), ("interfaces", 0), ("virtualRouters", 0), ("virtualRouters", 0, "warnings", 0)], ids=str
)
def test_what_a_newer_agent_says_beyond_that_is_passed_over(place: tuple[str | int, ...]) -> None:
    said_more = node()
    part = said_more["status"]
    for step in place:
        part = part[step]
    part["color"] = {"of": ["the", "future"]}
    found = seen(said_more)
    assert found.unreadable == frozenset()
    assert found.documents == seen(node()).documents


def test_what_its_state_is_must_be_known() -> None:
    """Nothing is known of what such a node holds, so nothing is decided that depends on it."""
    other = node()
    other["status"]["virtualRouters"][0]["state"] = "Hovering"
    assert seen(other).unreadable == {"n1"}


def test_a_newer_operators_spec_is_left_alone() -> None:
    other = node()
    other["spec"]["virtualRouters"][0]["color"] = "red"
    assert seen(other).unreadable == {"n1"}


def test_what_such_a_node_takes_part_in_is_left_as_it_is() -> None:
    """While CRDs are newer than the operator, some documents have fields that it does not know. Decided without their nodes, a floating IP
    would get other candidates with the priorities of those, and would be said to be held by nobody."""
    alone = floating_ip("alone", virtualRouterID=52, addresses=["10.0.0.101/24"], nodes=[{"name": "n1"}])
    entries = [router("alone", virtualRouterID=52, addresses=["10.0.0.101/24"]), router()]
    documents = [document("n1", entries), document("n2", [router(priority=180)]), document("n3")]
    manifests = [entry.to_manifest() for entry in documents]
    manifests[1]["spec"]["virtualRouters"][0]["color"] = "red"
    read = seen(*manifests)
    assert read.unreadable == {"n2"}
    assert read.unread == {"web"}
    nodes = tuple(Node(entry.metadata.name) for entry in documents)
    two = [alone, floating_ip(virtualRouterID=51)]
    plan = decide(snapshot(two, read.documents, nodes=nodes, unreadable=read.unreadable, unread=read.unread))
    assert [entry.metadata.name for entry, _ in plan.statuses] == ["alone"]
    assert plan.specs == ()


def accepted(
    *, ignored: list[str] | None = None, version: str = "0.0.9", state: str = "Backup", **of_web: Any
) -> tuple[str, str, str]:
    """The condition of web, which has a probe and a route, when n1, which has an entry for `other` first, says this."""
    web_has: dict[str, Any] = {
        "probes": [{"name": "search", "tcpSocket": {"port": 9200}, "periodSeconds": 2.0}],
        "routes": [{"to": "10.9.0.0/16"}],
    }
    entries = [router("other", addresses=["10.0.0.101/24"], virtualRouterID=52), router(**web_has)]
    whole = document("n1", entries, [said(state, **of_web)]).to_manifest()
    whole["status"] |= {"ignoredFields": ignored or []}
    whole["status"]["agent"]["version"] = version
    web = floating_ip(virtualRouterID=51, nodes=[{"name": "n1"}], **web_has)
    plan = decide(snapshot([web], [FloatingIPNode.from_manifest(whole)], version="0.1.0"))
    (status,) = [status for _, status in plan.statuses]
    (condition,) = [condition for condition in status.conditions if condition.type == "Accepted"]
    assert not any(
        entry.leave or entry.release for _, spec in plan.specs for entry in spec.virtual_routers if entry.name == "web"
    )
    return condition.status, condition.reason, condition.message


@pytest.mark.parametrize("field", ["probes[0].tcpSocket", "probes[0].periodSeconds", "routes", "routes[0].to"])
def test_a_field_that_an_agent_passes_over_is_said_with_node_and_field(field: str) -> None:
    message = f"the agent of node n1, version 0.0.9, does not know {field}"
    assert accepted(ignored=[f"spec.virtualRouters[1].{field}"]) == ("False", "UnsupportedByAgents", message)


@pytest.mark.parametrize("field", ["rules", "vrrp.virtualMAC", "routes[0].metric", "routes[1]", "probes[0].udp"])
def test_a_default_asks_for_nothing(field: str) -> None:
    """Defaults of newer fields are filled in everywhere: without this every floating IP would be refused during an upgrade."""
    assert accepted(ignored=[f"spec.virtualRouters[1].{field}"])[:2] == ("True", "Accepted")


@pytest.mark.parametrize(
    "ignored",
    ["spec.virtualRouters[0].routes", "spec.virtualRouters[1].leave", "spec.virtualRouters[7].x", "?"],
    ids=["another floating IP's", "the roll-out knows about it", "not there any more", "not understood"],
)
def test_but_not_what_does_not_concern_it(ignored: str) -> None:
    assert accepted(ignored=[ignored])[:2] == ("True", "Accepted")


def test_an_entry_that_another_version_refuses_is_said_too() -> None:
    refused: dict[str, Any] = {"state": "Fault", "reason": "refused: spec.virtualRouters[1].vrrp.transport: 'Anycast'"}
    message = "the agent of node n1, version 0.0.9, refuses it: spec.virtualRouters[1].vrrp.transport: 'Anycast'"
    assert accepted(**refused) == ("False", "UnsupportedByAgents", message)
    assert accepted(warnings=[{"reason": "Refused", "message": "an earlier form runs on"}])[1] == "UnsupportedByAgents"
    assert accepted(version="0.1.0", **refused)[1] == "Accepted", "of the same version: the node's Fault says it"
