"""A whole node that stands still, and one whose power is cut: its kernel is another than the one that looks on."""

from __future__ import annotations

import time

import pytest
from lab.network import Lan

from end_to_end.whole_nodes import Nodes

pytestmark = pytest.mark.usefixtures("uml")

PERIOD = 200
"""Milliseconds."""
DOWN_100, DOWN_200 = 721.875, 643.75
"""Active_Down_Interval of both priorities, in milliseconds."""
MARGIN = 400


def test_a_node_that_stood_still_lets_go_and_listens_before_it_takes_the_address_back(lan: Lan) -> None:
    """vrrp/router.py: nothing was sent for so long that a peer may have taken over. Two hold it for no longer than it takes to hear
    one advertisement."""
    nodes = Nodes(lan, PERIOD)
    with nodes.running():
        seen = nodes.freeze(seconds=1)
        assert seen.gap < DOWN_100 + MARGIN
        assert seen.stale < PERIOD
        assert seen.silent > DOWN_200
        assert seen.overlap < PERIOD
        assert nodes.power_cut() < DOWN_100 + MARGIN
        settled = time.monotonic_ns()
        time.sleep(1)
        assert nodes.prober.window(settled).answered_by == ["n2"]
