"""Small clusters for the decision tables: made of the real models, changed by hand, or obeyed by agents in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from floatip_api import names
from floatip_api.v1alpha1 import FloatingIP, FloatingIPNode
from floatip_operator.decide.plan import Plan
from floatip_operator.decide.snapshot import Node, Snapshot

NOW = "2026-01-01T00:00:00Z"
CLUSTER = "cluster"


def floating_ip(name: str = "web", age: int = 1, **spec: Any) -> FloatingIP:
    """One with its finalizer in place; `age` orders creation, the higher the older."""
    metadata = {
        "name": name,
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": f"2025-01-01T00:00:{60 - age:02d}Z",
        "finalizers": [names.FINALIZER],
        **spec.pop("metadata", {}),
    }
    status = spec.pop("status", None)
    body = {"metadata": metadata, "spec": {"addresses": ["10.0.0.100/24"], **spec}}
    return FloatingIP.from_manifest(body | ({"status": status} if status else {}))


def document(
    name: str,
    routers: Sequence[Mapping[str, Any]] = (),
    said: Sequence[Mapping[str, Any]] = (),
    *,
    address: str | None = None,
    generation: int = 1,
    observed: int | None = None,
    has_agent: bool = True,
    foreign: Sequence[Mapping[str, Any]] = (),
) -> FloatingIPNode:
    """A node whose agent reports eth0 with an address of 10.0.0.0/24 unless another is given."""
    own = address or f"10.0.0.{sum(name.encode()) % 90 + 1}/24"
    status: dict[str, Any] = {
        "observedGeneration": generation if observed is None else observed,
        "interfaces": [{"name": "eth0", "up": True, "addresses": [own]}],
        "virtualRouters": list(said),
        "foreignRouters": list(foreign),
    }
    if has_agent:
        status["agent"] = {"version": "0.1.0", "scheduling": "RealTime", "fence": "AddressLifetime"}
    metadata = {
        "name": name,
        "uid": f"uid-{name}",
        "generation": generation,
        "resourceVersion": str(generation),
        "annotations": {names.CLUSTER: CLUSTER},
    }
    return FloatingIPNode.from_manifest(
        {"metadata": metadata, "spec": {"virtualRouters": list(routers)}, "status": status}
    )


def router(name: str = "web", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "family": "IPv4",
        "virtualRouterID": 51,
        "addresses": ["10.0.0.100/24"],
        "priority": 200,
        **fields,
    }


def said(state: str, name: str = "web", **fields: Any) -> dict[str, Any]:
    return {"name": name, "family": "IPv4", "state": state, "priority": 200, "interface": "eth0", **fields}


def snapshot(
    floating_ips: Sequence[FloatingIP] = (), documents: Sequence[FloatingIPNode] = (), **fields: Any
) -> Snapshot:
    """Every document has its Node and a fresh Lease unless said otherwise."""
    node_names = [entry.metadata.name for entry in documents]
    defaults: dict[str, Any] = {
        "nodes": tuple(Node(name) for name in node_names),
        "lease_ages": dict.fromkeys(node_names, 1.0),
        "heard": frozenset(node_names),
    }
    return Snapshot(
        cluster_uid=CLUSTER,
        now=NOW,
        floating_ips=tuple(floating_ips),
        documents=tuple(documents),
        **{**defaults, **fields},
    )


def written(plan: Plan) -> dict[str, list[tuple[str, int, str | None]]]:
    """What a plan writes: by node, (name, priority, requestID of the release) of each entry."""
    return {
        entry.metadata.name: [
            (r.name, r.priority, r.release.request_id if r.release else None) for r in spec.virtual_routers
        ]
        for entry, spec in plan.specs
    }
