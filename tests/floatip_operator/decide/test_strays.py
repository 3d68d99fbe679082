"""What agents run and no FloatingIP asks for is served on, and said about the node."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_operator.decide.plan import decide
from in_memory.cluster import document, floating_ip, router, said, snapshot

LOST = said("Active", "lost", virtualRouterID=51, addresses=["10.0.0.101/24"])
FOREIGN = {
    **LOST,
    "name": "foreign",
    "warnings": [{"reason": "OtherCluster", "message": "it comes from another cluster"}],
}


@pytest.mark.parametrize(
    ("entries", "words", "reasons"),
    [
        ([], [LOST], ["NotInDocument"]),
        ([router("lost")], [LOST], ["NotInDocument"]),
        ([], [LOST, FOREIGN], ["OtherCluster", "NotInDocument"]),
        ([router()], [said("Active")], []),
        ([], [said("Active")], []),
        ([], [LOST | {"releasedRequestID": "r"}], []),
        ([router("lost", release={"requestID": "r"})], [LOST], []),
    ],
    ids=["lost", "its entry too", "and another's", "all is well", "taken up again", "let go", "told to let go"],
)
def test_one_event_for_each_node_and_origin(entries: list[Any], words: list[Any], reasons: list[str]) -> None:
    """Issue: "etcd lost and restored from an older snapshot [...]: clear conditions and Events, addresses stay"."""
    plan = decide(snapshot([floating_ip()], [document("n1", entries, words), document("n2")]))
    assert [event.reason for event in plan.strays] == reasons
    for event in plan.strays:
        assert (event.kind, event.name, event.type) == ("FloatingIPNode", "n1", "Warning")
        assert ("lost (IPv4, router ID 51, 10.0.0.101/24)" in event.message) == (event.reason == "NotInDocument")
        assert ("foreign (IPv4" in event.message) == (event.reason == "OtherCluster")


def test_a_floating_ip_of_the_same_name_does_not_take_over_another_clusters_router_id() -> None:
    foreign = {**FOREIGN, "name": "web", "virtualRouterID": 77}
    ((_, spec),) = decide(snapshot([floating_ip()], [document("n1"), document("n2", [], [foreign])])).specs[:1]
    assert {entry.virtual_router_id for entry in spec.virtual_routers} - {77}
