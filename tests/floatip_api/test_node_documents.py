"""FloatingIPNode on real API servers: structural rules only, and room for 1,024 routers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from floatip_api.v1alpha1 import VirtualRouter
from lab.control_plane import ControlPlane
from manifests.client import DryRun


@pytest.fixture(scope="module")
def dry_run(api_server: ControlPlane) -> Iterator[DryRun]:
    api_server.define_kinds()
    with DryRun(api_server) as client:
        yield client


def document(*routers: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "floatip.dev/v1alpha1",
        "kind": "FloatingIPNode",
        "metadata": {"name": "node-1"},
        "spec": {"virtualRouters": routers},
    }


def router(number: int = 0, **fields: Any) -> dict[str, Any]:
    """As the operator writes it, defaults filled in."""
    written = {
        "name": f"web-{number}",
        "family": "IPv4",
        "virtualRouterID": 51,
        "addresses": ["192.0.2.94/24"],
        "priority": 100,
        "probes": [{"name": "web", "tcpSocket": {"port": 80}}],
    }
    return VirtualRouter.from_manifest(written).to_manifest() | fields


def test_1024_routers_fit(dry_run: DryRun) -> None:
    assert dry_run.refusal(document(*map(router, range(1024)))) is None
    refusal = dry_run.refusal(document(*map(router, range(1025))))
    assert refusal is not None
    assert "spec.virtualRouters: Too many: 1025: must have at most 1024 items" in refusal


@pytest.mark.parametrize(
    ("routers", "says"),
    [
        ((router(), router()), "spec.virtualRouters[1]: Duplicate value: "),
        ((router(virtualRouterID=256),), "spec.virtualRouters[0].virtualRouterID"),
        ((router(colour="red"),), 'unknown field "spec.virtualRouters[0].colour"'),
        ((router(release={}),), "spec.virtualRouters[0].release.requestID: Required value"),
    ],
    ids=["twice", "router ID", "unknown field", "release without an ID"],
)
def test_structure(dry_run: DryRun, routers: tuple[dict[str, Any], ...], says: str) -> None:
    refusal = dry_run.refusal(document(*routers))
    assert refusal is not None
    assert says in refusal


def test_rules_are_the_agents(dry_run: DryRun) -> None:
    """api.md: "FloatingIPNode has structural rules only ...; the agent checks the rest per router with the models"."""
    assert dry_run.refusal(document(router(addresses=["192.0.2.0/24"]))) is None
