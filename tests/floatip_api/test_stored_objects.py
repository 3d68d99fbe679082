"""What only the API server can tell, because it knows what was stored before; and what kubectl shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lab.control_plane import ControlPlane


@pytest.fixture
def server(api_server: ControlPlane) -> Iterator[ControlPlane]:
    api_server.define_kinds()
    api_server.kubectl("delete", "fip", "stored", "--ignore-not-found")
    yield api_server
    api_server.kubectl("delete", "fip", "stored", "--ignore-not-found")


def create(server: ControlPlane, **spec: Any) -> None:
    manifest = {
        "apiVersion": "floatip.dev/v1alpha1",
        "kind": "FloatingIP",
        "metadata": {"name": "stored"},
        "spec": {"addresses": ["192.0.2.94/24"], **spec},
    }
    server.kubectl("create", "-f", "-", stdin=json.dumps(manifest))


def patch(server: ControlPlane, part: dict[str, Any], *arguments: str) -> str:
    """What kubectl has to say when it is refused; empty when it is not."""
    return server.try_kubectl("patch", "fip", "stored", "--type=merge", "-p", json.dumps(part), *arguments).stderr


def test_a_router_id_stays_as_it_is(server: ControlPlane) -> None:
    """api.md: "1..255, immutable once set"."""
    create(server, virtualRouterID=51)
    for wanted in (52, None):
        refusal = patch(server, {"spec": {"virtualRouterID": wanted}})
        assert "spec.virtualRouterID" in refusal
        assert "immutable once set: it stays 51" in refusal
    assert patch(server, {"spec": {"addresses": ["192.0.2.95/24"], "virtualRouterID": 51}}) == ""


def test_an_allocated_router_id_can_only_be_confirmed(server: ControlPlane) -> None:
    """api.md: "absent: allocated, kept for the object's life"."""
    create(server)
    assert patch(server, {"status": {"virtualRouterID": 77}}, "--subresource=status") == ""
    refusal = patch(server, {"spec": {"virtualRouterID": 51}})
    assert "spec.virtualRouterID" in refusal
    assert "51: must be 77, which is allocated already" in refusal
    assert patch(server, {"spec": {"virtualRouterID": 77}}) == ""


def test_defaults_are_filled_in(server: ControlPlane) -> None:
    create(server, probes=[{"name": "web", "tcpSocket": {"port": 80}}])
    spec = server.get("fip", "stored")["spec"]
    assert spec == {
        "addresses": ["192.0.2.94/24"],
        "candidates": 5,
        "suspend": False,
        "vrrp": {
            "version": 3,
            "advertisementPeriodMilliseconds": 1000,
            "transport": "Multicast",
            "ipv4Checksum": "PseudoHeader",
            "linkLocal": "Derived",
            "virtualMAC": "Disabled",
            "announcement": {"count": 5, "repeatAfterSeconds": 5, "refreshSeconds": 0},
        },
        "preemption": {"policy": "PreemptLowerPriority", "delaySeconds": 0},
        "probes": [
            {
                "name": "web",
                "tcpSocket": {"port": 80},
                "periodSeconds": 1,
                "timeoutSeconds": 1,
                "failureThreshold": 1,
                "successThreshold": 1,
                "initially": "FirstResult",
            }
        ],
    }


def test_columns(server: ControlPlane) -> None:
    """api.md: "`kubectl get fip`: NAME, ADDRESSES, VRID, ACTIVE, READY, AGE; `-o wide` adds the nodes with their states"."""
    create(server)
    ready = {
        "type": "Ready", "status": "True", "reason": "Held", "message": "a holds it",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    status = {
        "activeNode": "a",
        "virtualRouterID": 51,
        "display": {"addresses": "192.0.2.94", "nodes": "a Active 150, b Backup 100"},
        "conditions": [ready],
    }
    assert patch(server, {"status": status}, "--subresource=status") == ""
    heading, row = server.kubectl("get", "fip", "stored").splitlines()
    assert heading.split() == ["NAME", "ADDRESSES", "VRID", "ACTIVE", "READY", "AGE"]
    assert row.split()[:5] == ["stored", "192.0.2.94", "51", "a", "True"]
    wide_heading, wide_row = server.kubectl("get", "fip", "stored", "-o", "wide").splitlines()
    assert wide_heading.split() == [*heading.split(), "NODES"]
    assert wide_row.endswith("a Active 150, b Backup 100")
