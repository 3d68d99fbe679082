"""The cluster in memory: what is kept of an object, and what makes the reconciler look."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_api import names
from floatip_operator.cluster import Cluster
from floatip_operator.decide.snapshot import Node, Snapshot

TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _node(version: int, **changes: Any) -> dict[str, Any]:
    """As a kubelet tells it, which says much more than matters here."""
    metadata: dict[str, Any] = {"name": "n1", "uid": "u1", "resourceVersion": str(version), "labels": {"rack": "a"}}
    metadata |= {"annotations": {"volumes": "many"}, "managedFields": [{"manager": "kubelet"}]}
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": f"2026-01-01T00:00:{version:02}Z"}
    status = {"images": [{"names": ["nginx"]}] * 50, "conditions": [ready, {"type": "DiskPressure", "status": "False"}]}
    node: dict[str, Any] = {
        "metadata": metadata,
        "spec": {"podCIDRs": ["10.244.1.0/24"], "providerID": "x"},
        "status": status,
    }
    for part, values in changes.items():
        node[part] = {**node[part], **values}
    return node


def _snapshot(cluster: Cluster) -> Snapshot:
    return cluster.snapshot(cluster_uid="c", cluster_ranges=(), virtual_router_ids=(20, 250), node_selector={})


def _has_changed(cluster: Cluster) -> bool:
    has_changed = cluster.changed.is_set()
    cluster.changed.clear()
    return has_changed


def test_a_heartbeat_of_a_kubelet_changes_nothing() -> None:
    cluster = Cluster()
    cluster.put("Node", _node(1))
    assert _has_changed(cluster)
    cluster.put("Node", _node(2))
    assert not _has_changed(cluster)
    assert _snapshot(cluster).nodes == (Node("n1", {"rack": "a"}, (), is_ready=True),)


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"name": "n1", "uid": "u1", "resourceVersion": "2", "labels": {"rack": "b"}}},
        {"spec": {"taints": [TAINT]}},
        {"spec": {"podCIDRs": ["10.244.2.0/24"]}},
        {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
    ],
    ids=["label", "taint", "Pod range", "kubelet away"],
)
def test_what_decisions_read_of_a_node_does(change: dict[str, Any]) -> None:
    cluster = Cluster()
    cluster.put("Node", _node(1))
    _has_changed(cluster)
    cluster.put("Node", _node(2, **change))
    assert _has_changed(cluster)


def test_what_nobody_reads_is_not_kept() -> None:
    cluster = Cluster()
    cluster.put("Node", _node(1))
    (kept,) = cluster.objects("Node")
    assert kept == {
        "metadata": {"name": "n1", "uid": "u1", "resourceVersion": "1", "labels": {"rack": "a"}},
        "spec": {"podCIDRs": ["10.244.1.0/24"]},
        "status": {"conditions": [_node(1)["status"]["conditions"][0]]},
    }
    document = {"metadata": {"name": "n1", "uid": "u2", "resourceVersion": "2", "managedFields": [{}]}, "spec": {}}
    cluster.put(names.FLOATING_IP_NODE, document)
    (kept,) = cluster.objects(names.FLOATING_IP_NODE)
    assert kept == {"metadata": {"name": "n1", "uid": "u2", "resourceVersion": "2"}, "spec": {}}


@pytest.mark.parametrize(
    ("version", "uid", "is_taken"), [(4, "u", False), (5, "u", False), (6, "u", True), (1, "v", True)]
)
def test_only_a_newer_version_counts(version: int, uid: str, is_taken: bool) -> None:
    """The answer to a write comes again as an event; a watch may be behind a list; an object made anew counts from its own beginning."""

    def entry(version: int, uid: str, addresses: list[str]) -> dict[str, Any]:
        metadata = {
            "name": "elk",
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        return {"metadata": {**metadata, "generation": 1}, "spec": {"addresses": addresses}}

    cluster = Cluster()
    cluster.put(names.FLOATING_IP, entry(5, "u", ["10.9.0.100/24"]))
    _has_changed(cluster)
    cluster.put(names.FLOATING_IP, entry(version, uid, ["10.9.0.101/24"]))
    assert _has_changed(cluster) is is_taken
    (kept,) = _snapshot(cluster).floating_ips
    assert kept.spec.addresses == ["10.9.0.101/24" if is_taken else "10.9.0.100/24"]


def test_the_age_of_a_lease_begins_anew_with_each_renewal() -> None:
    now = 100.0
    cluster = Cluster(clock=lambda: now)

    def renew(version: int, at: str) -> None:
        metadata = {"name": names.agent_lease("n1"), "uid": "u", "resourceVersion": str(version)}
        cluster.put("Lease", {"metadata": metadata, "spec": {"renewTime": at}})

    renew(1, "2026-01-01T00:00:00.000000Z")
    assert _has_changed(cluster)
    now = 110.0
    assert (_snapshot(cluster).lease_ages, _snapshot(cluster).heard) == ({"n1": 10.0}, frozenset())
    renew(2, "2026-01-01T00:00:10.000000Z")
    assert not _has_changed(cluster)
    assert (_snapshot(cluster).lease_ages, _snapshot(cluster).heard) == ({"n1": 0.0}, frozenset({"n1"}))


def _document(version: int, routers: list[str], said: list[str], address: str = "10.9.0.1/24") -> dict[str, Any]:
    status = {
        "observedGeneration": version,
        "interfaces": [{"name": "eth0", "up": True, "addresses": [address]}],
        "virtualRouters": [{"name": name, "family": "IPv4", "state": "Backup"} for name in said],
    }
    spec = {"virtualRouters": [{"name": name} for name in routers]}
    return {"metadata": {"name": "n1", "uid": "u", "resourceVersion": str(version)}, "spec": spec, "status": status}


def test_what_a_change_is_about() -> None:
    """A change of a node's entries or of its word concerns the floating IPs there, all else may concern any."""
    cluster = Cluster()
    cluster.put(names.FLOATING_IP_NODE, _document(1, ["a"], []))
    assert cluster.take_changes() is None, "a new document"
    assert cluster.take_changes() == frozenset()
    cluster.put(names.FLOATING_IP_NODE, _document(2, ["b"], ["c"]))
    assert cluster.take_changes() == frozenset({"a", "b", "c"})
    cluster.put(names.FLOATING_IP_NODE, _document(3, ["b"], ["c"], "10.9.0.2/24"))
    assert cluster.take_changes() is None, "its interfaces"
    floating_ip = {"metadata": {"name": "d", "uid": "u", "resourceVersion": "1"}, "spec": {}}
    cluster.put(names.FLOATING_IP, floating_ip)
    assert cluster.take_changes() == frozenset({"d"})
    cluster.remove(names.FLOATING_IP, "d")
    assert cluster.take_changes() is None, "what it had becomes free"
    cluster.put("Node", _node(1))
    assert cluster.take_changes() is None
