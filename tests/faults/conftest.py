"""One cluster of two nodes that faults are done to, each of which the next test finds healed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from end_to_end.conftest import apply
from end_to_end.world import World
from lab.cluster import Cluster, missing
from lab.network import Lan

__all__ = ["apply"]

NODES = {"n1": ["10.9.0.1/24"], "n2": ["10.9.0.2/24"]}


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    if reason := missing():
        pytest.skip(reason)
    with Lan("faults") as lan, Cluster(lan, "10.9.0.10/24", NODES) as cluster:
        yield World(lan, cluster, lan.host("client", "10.9.0.99/24"))
