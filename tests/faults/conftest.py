"""One cluster of two nodes that faults are done to, each of which the next test finds healed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from end_to_end.conftest import apply
from end_to_end.world import World
from lab.cluster import Cluster, missing
from lab.network import Lan

__all__ = ["apply"]

CLOCKS = {"n1": 86400.0, "n2": -3 * 3600.0}
"""Seconds off: nothing may depend on it that agents' clocks are right."""
NODES = {"n1": ["10.9.0.1/24"], "n2": ["10.9.0.2/24"]}


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    if reason := missing():
        pytest.skip(reason)
    with Lan("faults") as lan:
        cluster = Cluster(lan, "10.9.0.10/24", NODES, has_clocks=True)
        for node, offset in CLOCKS.items():
            cluster.clocks[node].set(offset)
        with cluster:
            yield World(lan, cluster, lan.host("client", "10.9.0.99/24"))
