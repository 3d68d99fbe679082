"""One cluster for all tests of this folder: three nodes, the operator and three agents, on the real everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from lab.cluster import Cluster, missing
from lab.network import Lan

from end_to_end.world import PERIOD, Apply, World

NODES = {"n1": ["10.9.0.1/24", "fd09::1/64"], "n2": ["10.9.0.2/24", "fd09::2/64"], "n3": ["10.9.0.3/24", "fd09::3/64"]}


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    if reason := missing():
        pytest.skip(reason)
    with Lan() as lan, Cluster(lan, "10.9.0.10/24", NODES) as cluster:
        yield World(lan, cluster, lan.host("client", "10.9.0.99/24", "fd09::99/64"))


@pytest.fixture
def apply(world: World) -> Iterator[Apply]:
    """Apply a FloatingIP by name and spec; gone, and off every node, after the test."""
    applied: list[str] = []

    def applying(name: str, **spec: Any) -> None:
        vrrp = {"advertisementPeriodMilliseconds": round(PERIOD * 1000), **spec.pop("vrrp", {})}
        document = {
            "apiVersion": "floatip.dev/v1alpha1",
            "kind": "FloatingIP",
            "metadata": {"name": name},
            "spec": {**spec, "vrrp": vrrp},
        }
        applied.append(name)
        world.plane.apply(yaml.safe_dump(document))

    yield applying
    for name in set(applied):
        world.plane.kubectl("delete", "floatingip", name, "--ignore-not-found", "--timeout=30s")
