"""What an agent leaves out of its status while the CRDs are older than it is."""

from __future__ import annotations

from typing import Any

from floatip_agent.keeper.declared import declared, is_too_new, status_schema

ROUTER = {"type": "object", "properties": {"name": {"type": "string"}, "state": {"type": "string"}}}
STATUS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "agent": {"type": "object", "properties": {"version": {"type": "string"}}},
        "virtualRouters": {"type": "array", "items": ROUTER},
        "ignoredFields": {"type": "array", "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def test_fields_that_are_not_declared_are_left_out_wherever_they_are() -> None:
    said = {
        "agent": {"version": "0.2.0", "color": "red"},
        "virtualRouters": [
            {"name": "a", "state": "Active", "digest": "x"},
            {"name": "b", "addresses": ["10.0.0.1/24"]},
        ],
        "ignoredFields": ["x"],
        "labels": {"any": "name"},
        "color": {"name": "red"},
    }
    assert declared(said, STATUS) == {
        "agent": {"version": "0.2.0"},
        "virtualRouters": [{"name": "a", "state": "Active"}, {"name": "b"}],
        "ignoredFields": ["x"],
        "labels": {"any": "name"},
    }


def test_the_schema_is_that_of_the_kinds_status() -> None:
    kind = {"properties": {"spec": {"properties": {}}, "status": STATUS}}
    assert status_schema({"components": {"schemas": {"dev.floatip.v1alpha1.FloatingIPNode": kind}}}) == STATUS


def test_without_a_schema_nothing_is_left_out() -> None:
    assert declared({"a": 1}, status_schema({})) == {"a": 1}


def test_the_api_servers_words() -> None:
    said = '.status.virtualRouters[name="a"].digest: field not declared in schema'
    assert is_too_new(
        f"500: failed to create typed patch object (/n1; floatip.dev/v1alpha1, Kind=FloatingIPNode): {said}"
    )
    assert not is_too_new("403: forbidden")
