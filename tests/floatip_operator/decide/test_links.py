"""api.md: "absent: on each node, the interface whose subnet holds the first address (longest prefix, then lowest name)"."""

from __future__ import annotations

import ipaddress

import pytest
from floatip_api.v1alpha1 import FloatingIPNode
from floatip_operator.decide.links import Places

ADDRESS = ipaddress.ip_address("10.0.1.9")


def _node(name: str, **interfaces: list[str]) -> FloatingIPNode:
    found = [{"name": interface, "up": True, "addresses": own} for interface, own in interfaces.items()]
    return FloatingIPNode.from_manifest({"metadata": {"name": name}, "status": {"interfaces": found}})


@pytest.mark.parametrize(
    ("interfaces", "chosen"),
    [
        ({"eth0": ["10.0.0.1/16"], "eth1": ["10.0.1.1/24"]}, "eth1"),
        ({"eth1": ["10.0.1.1/24"], "eth0": ["10.0.0.1/16"]}, "eth1"),
        ({"eth1": ["10.0.1.1/24"], "eth0": ["10.0.1.2/24"]}, "eth0"),
        ({"eth0": ["10.0.1.1/24"], "eth1": ["10.0.1.2/24"]}, "eth0"),
        ({"eth0": ["fd00::1/64", "no address", "10.0.1.1/24"]}, "eth0"),
        ({"eth0": ["10.9.0.1/16"]}, None),
        ({"eth0": ["::a00:109/96"]}, None),
        ({}, None),
    ],
)
def test_the_longest_prefix_then_the_lowest_name(interfaces: dict[str, list[str]], chosen: str | None) -> None:
    found = Places([_node("n1", **interfaces)]).holding(ADDRESS, None).get("n1")
    assert (found and found.interface.name) == chosen


def test_each_node_by_its_own_interfaces() -> None:
    places = Places([_node("n1", eth0=["10.0.0.1/16"]), _node("n2", eth3=["10.0.1.2/24"], eth0=["10.0.0.2/16"])])
    assert {n: p.interface.name for n, p in places.holding(ADDRESS, None).items()} == {"n1": "eth0", "n2": "eth3"}
    assert {n: p.interface.name for n, p in places.holding(ADDRESS, "eth0").items()} == {"n1": "eth0", "n2": "eth0"}
    assert places.holding(ADDRESS, "eth9") == {}
    assert places.owners[ipaddress.ip_address("10.0.1.2")] == {"n2"}
