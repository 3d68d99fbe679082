"""A planned hand-over between two engines on real interfaces, as a client sees it."""

from __future__ import annotations

import dataclasses
import time

import pytest
from floatip_agent.configuration import RouterConfiguration
from lab.network import Lan
from lab.prober import Prober
from lab.waiting import throughout, until
from wire.engine import EngineAgent

pytestmark = pytest.mark.linux

MILLISECOND = 1_000_000
VIP, VIP6 = "10.9.0.100", "fd09::100"
PERIOD = 200
SKEW_100 = (256 - 100) * PERIOD / 256
"""Milliseconds. RFC 9568 6.1."""
MARGIN = 200
"""Milliseconds; issue: "at most the skew time + 0.2 s per move"."""


def routers(priority: int, **more: object) -> tuple[RouterConfiguration, RouterConfiguration]:
    fields = {"advertisement_interval": PERIOD * MILLISECOND, "interface": "eth0", **more}
    return (
        RouterConfiguration("elk", "IPv4", 51, (f"{VIP}/32",), priority, **fields),  # type: ignore[arg-type]
        RouterConfiguration("elk", "IPv6", 51, (f"{VIP6}/128",), priority, **fields),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("preempt", [True, False], ids=["PreemptLowerPriority", "Never"])
def test_the_role_goes_within_the_skew_time_and_stays_there_while_the_request_stands(
    lan: Lan, *, preempt: bool
) -> None:
    client = lan.host("client", "10.9.0.9/24", "fd09::9/64")
    n1, n2 = lan.host("n1", "10.9.0.1/24", "fd09::1/64"), lan.host("n2", "10.9.0.2/24", "fd09::2/64")
    first, second = (EngineAgent(n1, *routers(200, preempt=preempt)), EngineAgent(n2, *routers(100, preempt=preempt)))
    first.start()
    first.wait_for("Active")
    second.start()
    second.wait_for("Backup")
    with Prober(client, VIP, [n1, n2]) as prober:
        prober.wait_for("n1", 5)
        start = time.monotonic_ns()
        first.configure(*(dataclasses.replace(wanted, leave="r1") for wanted in routers(200, preempt=preempt)))
        prober.wait_for("n2", 5)
        assert prober.window(start).longest_gap < SKEW_100 + MARGIN
        until(lambda: all(_has_left(first, family) for family in ("IPv4", "IPv6")), 3, "both families confirm")
        throughout(lambda: prober.answerer() == "n2", 6 * PERIOD / 1000, "n2 keeps it")
        assert (n1.holds(VIP), n1.holds(VIP6), n2.holds(VIP6)) == (False, False, True)
        second.kill()
        n2.unplug()
        first.wait_for("Active")
        assert n1.holds(VIP), "with nobody else there it serves again"


def _has_left(agent: EngineAgent, family: str) -> bool:
    state = agent.router(family=family)
    return state is not None and state.left == "r1"
