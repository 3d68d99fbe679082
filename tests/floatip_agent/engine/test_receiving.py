"""What the engine makes of what it hears: accepted, noted, or refused and told."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from floatip_agent.vrrp import packet
from in_memory.bench import FOUR, OWN, PEER, PEER6, SECOND, SIX, VIP, Bench, active

PASSWORD = packet.padded_password("tan124")


class TestReceive:
    @pytest.mark.parametrize(
        ("reason", "of_packet"),
        [
            ("OwnSource", {"source": OWN}),
            ("BadTTL", {"ttl": 1}),
            ("BadChecksum", {"message": bytes.fromhex("3133ff010064ffff0a090064")}),
            ("Truncated", {"message": b"\x31\x33"}),
        ],
    )
    @pytest.mark.rule("9568-7.1-no-effect")
    def test_what_is_dropped_is_counted_and_touches_nothing(self, reason: str, of_packet: dict[str, Any]) -> None:
        bench = Bench()
        bench.apply(FOUR)
        before = bench.engine.groups["floating IP elk"].deadline
        bench.now += SECOND
        for _ in range(3):
            bench.hear(200, **of_packet)
        assert bench.engine.groups["floating IP elk"].deadline == before
        state = bench.state()
        assert (state.dropped, state.received, state.active_router) == ({reason: 3}, 0, None)

    def test_another_routers_packets_are_nobodys(self) -> None:
        bench = active()
        bench.hear(255, wire=packet.Wire(3, 52, SECOND, (VIP,)))
        assert bench.state().state == "Active"
        assert bench.state().dropped == {}

    def test_a_rival_and_another_address_list_are_told(self) -> None:
        bench = active()
        bench.hear(1, wire=packet.Wire(3, 51, SECOND, (PEER,)))
        assert bench.state().warnings == {}, "a loser's last word, as on every fail-back, is no rival"
        bench.run(1)
        bench.hear(1, wire=packet.Wire(3, 51, SECOND, (PEER,)))
        state = bench.state()
        assert state.warnings == {
            "WireMismatch": "10.9.0.2 advertises 10.9.0.2",
            "RivalHeard": "10.9.0.2 advertises too, with priority 1",
        }
        assert (state.noted, state.mismatches) == ({"OtherAddresses": 2}, {"OtherAddresses": ["10.9.0.2"]})
        bench.run(6)
        assert bench.state().warnings.keys() == {"WireMismatch"}
        bench.run(30)
        assert (bench.state().warnings, bench.state().mismatches) == ({}, {}), "what does not come again goes"

    @pytest.mark.parametrize(
        ("wire", "reason", "words"),
        [
            (packet.Wire(3, 51, SECOND, (VIP,)), "WrongVersion", "speaks version 3"),
            (packet.Wire(2, 51, 2 * SECOND, (VIP,), password=PASSWORD), "WrongInterval", "advertises every 2 s"),
            (packet.Wire(2, 51, SECOND, (VIP,)), "AuthenticationType", "authenticates in another way"),
            (
                packet.Wire(2, 51, SECOND, (VIP,), password=bytes(8)),
                "AuthenticationFailed",
                "authenticates with another password or key",
            ),
        ],
    )
    def test_what_does_not_fit_on_the_wire_is_told_with_its_sender(
        self, wire: packet.Wire, reason: str, words: str
    ) -> None:
        bench = active(dataclasses.replace(FOUR, version=2, password="tan124"))
        for _ in range(2):
            bench.hear(200, wire=wire)
            bench.run(1)
        state = bench.state()
        assert state.state == "Active"
        assert state.warnings == {"WireMismatch": f"10.9.0.2 {words}"}
        assert (state.dropped, state.mismatches) == ({reason: 2}, {reason: ["10.9.0.2"]})

    def test_another_interval_of_version_3_is_accepted_and_told(self) -> None:
        bench = Bench()
        bench.apply(FOUR)
        for _ in range(2):
            bench.hear(200, wire=packet.Wire(3, 51, 2 * SECOND, (VIP,)))
            bench.run(2)
        state = bench.state()
        assert (state.received, state.noted, state.active_router) == (2, {"OtherInterval": 2}, "10.9.0.2")
        assert state.warnings == {"WireMismatch": "10.9.0.2 advertises every 2000 ms"}

    def test_own_advertisements_that_come_back_are_told(self) -> None:
        bench = active()
        for _ in range(2):
            bench.hear(100, source=OWN)
            bench.run(1)
        state = bench.state()
        assert (state.state, state.dropped) == ("Active", {"OwnSource": 2})
        assert state.warnings.keys() == {"LoopedBack"}
        assert state.warnings["LoopedBack"].startswith("10.9.0.1 is this node's own address")

    def test_ipv6_without_a_link_local_address_first_is_noted_and_accepted(self) -> None:
        """RFC 9568 5.2.9 with erratum 8300."""
        bench = Bench()
        bench.apply(FOUR, SIX)
        bench.hear(200, source=PEER6)
        state = bench.state(family="IPv6")
        assert (state.noted, state.received, state.active_router) == ({"NoLinkLocalFirst": 1}, 1, "fe80::2")
