"""The instrument itself: an address moved by hand, with a pause of known length."""

from __future__ import annotations

import time

import pytest
from lab.network import Lan
from lab.prober import Prober

PAUSE = 0.2
"""Seconds."""


@pytest.mark.parametrize(("address", "prefix"), [("10.9.0.100", 24), ("fd09::100", 64)])
def test_a_pause_of_known_length_is_measured(lan: Lan, address: str, prefix: int) -> None:
    n1 = lan.host("n1", "10.9.0.1/24", "fd09::1/64")
    client = lan.host("client", "10.9.0.9/24", "fd09::9/64")
    n1.add_address(f"{address}/{prefix}")
    with Prober(client, address, [n1]) as prober:
        prober.wait_for("n1", 5)
        start = time.monotonic_ns()
        n1.unplug()
        time.sleep(PAUSE)
        assert prober.answerer() is None
        n1.plug()
        prober.wait_for("n1", 5)
        window = prober.window(start)
    assert PAUSE * 1000 <= window.longest_gap < PAUSE * 1000 + 250
    assert PAUSE * 1000 * 0.9 <= window.lost < PAUSE * 1000 + 250
    assert window.answered_by == ["n1"]
