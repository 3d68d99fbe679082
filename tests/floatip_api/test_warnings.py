"""What is allowed and yet odd: the same in Python and from the API server, which refuses nothing of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from floatip_api import definitions
from floatip_api.floatingip import FloatingIP
from floatip_api.warnings import warnings_of
from lab.control_plane import ControlPlane
from lab.waiting import until

PROBE = {"name": "web", "tcpSocket": {"port": 80}}
PASSWORD = {"version": 2, "authentication": {"type": "Password", "secretRef": {"name": "vrrp", "key": "password"}}}
NEVER = {"preemption": {"policy": "Never"}}
CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    (NEVER, []),
    (NEVER | {"probes": [PROBE]}, []),
    ({"probes": [PROBE | {"lowerPriorityBy": 60}]}, []),
    (NEVER | {"probes": [PROBE | {"lowerPriorityBy": 60}]}, ["preemption.policy"]),
    (NEVER | {"trackedInterfaces": [{"name": "eth1", "lowerPriorityBy": 50}]}, ["preemption.policy"]),
    ({"nodes": [{"name": "n1", "priority": 150}, {"name": "n2", "priority": 140}, {"name": "n3"}]}, []),
    ({"nodes": [{"name": "n1", "priority": 100}, {"name": "n2", "priority": 99}]}, ["nodes"]),
    (
        {"nodes": [{"name": "n1", "priority": 99}, {"name": "n2", "priority": 150}, {"name": "n3", "priority": 108}]},
        ["nodes"],
    ),
    ({"vrrp": PASSWORD}, ["vrrp.authentication.type"]),
    (
        {"vrrp": PASSWORD} | NEVER | {"probes": [PROBE | {"lowerPriorityBy": 1}]},
        ["preemption.policy", "vrrp.authentication.type"],
    ),
]


def _manifest(spec: dict[str, Any]) -> dict[str, Any]:
    head = {"apiVersion": "floatip.dev/v1alpha1", "kind": "FloatingIP", "metadata": {"name": "odd"}}
    return {**head, "spec": {"addresses": ["192.0.2.94/24"], **spec}}


@pytest.mark.parametrize(("spec", "fields"), CASES)
def test_python(spec: dict[str, Any], fields: list[str]) -> None:
    found = warnings_of(FloatingIP.from_manifest(_manifest(spec)).spec.to_manifest())
    assert [field for field, _ in found] == fields


def test_the_api_server_prints_the_same_and_takes_it(api_server: ControlPlane) -> None:
    api_server.define_kinds()
    api_server.apply(yaml.safe_dump_all(definitions.warning_policy()))

    def said(spec: dict[str, Any]) -> list[str]:
        done = api_server.try_kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(_manifest(spec)))
        assert done.returncode == 0, done.stderr
        return done.stderr.splitlines()

    until(lambda: said({"vrrp": PASSWORD}), 30, "the policy is in force")
    for spec, _ in CASES:
        expected = [
            f"spec.{field}: {text}"
            for field, text in warnings_of(FloatingIP.from_manifest(_manifest(spec)).spec.to_manifest())
        ]
        lines = said(spec)
        assert len(lines) == len(expected), lines
        assert all(any(text in line for line in lines) for text in expected), lines
