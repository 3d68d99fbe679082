"""Announcements of many addresses on a real wire: all of them, spread, and the advertisements on time beside them."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from floatip_agent.configuration import RouterConfiguration
from floatip_agent.engine.announcements import FRAMES_AT_ONCE, GAP
from lab.network import Lan
from lab.waiting import until
from scapy.layers.l2 import ARP
from wire.engine import EngineAgent
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux

PERIOD = 100_000_000
ADDRESSES = tuple(f"10.9.1.{number}" for number in range(1, 65))
COUNT = 5


def test_64_addresses_are_announced_five_times_each_and_no_advertisement_waits(lan: Lan) -> None:
    node, client = lan.host("n1", "10.9.0.1/16"), lan.host("client", "10.9.0.2/16")
    router = RouterConfiguration(
        "elk", "IPv4", 51, tuple(f"{address}/16" for address in ADDRESSES), 200, advertisement_interval=PERIOD,
        announcement_count=COUNT, announcement_repeat=0,
    )  # fmt: skip
    agent = EngineAgent(node, router)
    with Sniffer(client) as seen:
        agent.start()
        agent.wait_for("Active")

        def frames() -> list[tuple[int, str]]:
            seen.advertisements("10.9.0.1")  # reads
            announced = [(at, frame[ARP].psrc) for at, frame in seen.frames if ARP in frame]
            return [(at, address) for at, address in announced if address in ADDRESSES]

        until(lambda: len(frames()) == len(ADDRESSES) * COUNT, 3, f"{len(frames())} announcements")
        until(lambda: len(seen.advertisements("10.9.0.1")) > 10, 3, "some more advertisements")
        announced = frames()
        assert Counter(address for _, address in announced) == dict.fromkeys(ADDRESSES, COUNT)
        assert {address for _, address in announced[: len(ADDRESSES)]} == set(ADDRESSES), "each once before any twice"
        turns = len(announced) // FRAMES_AT_ONCE
        assert announced[-1][0] - announced[0][0] >= (turns - 1) * GAP
        sent = [at for at, _ in seen.advertisements("10.9.0.1")]
        assert sent[0] < announced[0][0], "the advertisement goes first"
        assert max(later - earlier for earlier, later in itertools.pairwise(sent)) < 1.5 * PERIOD
