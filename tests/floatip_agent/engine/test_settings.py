"""What each setting of a virtual router makes the engine do, over a node in memory."""

from __future__ import annotations

import dataclasses
import socket

import pytest
from floatip_agent.ports import Interface
from in_memory.bench import FOUR, OWN, PEER, SECOND, VIP, Bench, active


class TestUnicast:
    """api.md: "Unicast (the peers are the other nodes' addresses, and extraPeers)"."""

    SILENT = dataclasses.replace(FOUR, transport="Unicast")
    SPEAKING = dataclasses.replace(SILENT, peers=("10.9.0.2", "10.9.0.3"))

    def test_without_peers_it_is_silent_and_says_where_it_would_speak_from(self) -> None:
        bench = Bench()
        bench.apply(self.SILENT)
        bench.run(10)
        assert bench.node.destinations == []
        state = bench.state()
        assert (state.state, state.source_address) == ("Fault", "10.9.0.1")
        assert "no unicast peers" in state.reason

    def test_each_peer_gets_every_advertisement_and_nobody_else(self) -> None:
        bench = active(self.SPEAKING)
        assert set(bench.node.destinations) == {PEER, socket.inet_aton("10.9.0.3")}

    def test_who_is_no_peer_is_refused_counted_and_named(self) -> None:
        bench = active(self.SPEAKING)
        stranger = socket.inet_aton("10.9.0.9")
        for _ in range(2):
            bench.hear(255, source=stranger, destination=OWN)
            bench.run(1)
        state = bench.state()
        assert (state.state, state.received, state.dropped) == ("Active", 0, {"NotAPeer": 2})
        assert (state.warnings, state.mismatches) == (
            {"WireMismatch": "10.9.0.9 is no peer"},
            {"NotAPeer": ["10.9.0.9"]},
        )

    def test_a_changed_list_is_no_transition(self) -> None:
        bench = active(self.SPEAKING)
        before = bench.state()
        bench.node.destinations.clear()
        bench.apply(dataclasses.replace(self.SPEAKING, peers=("10.9.0.4",)))
        bench.run(2)
        assert set(bench.node.destinations) == {socket.inet_aton("10.9.0.4")}
        assert (bench.state().state, bench.state().transitions) == ("Active", before.transitions)


class TestExcludedAddresses:
    """api.md: excludedAddresses are "held with the others, not carried in advertisements"."""

    WITH_MORE = dataclasses.replace(FOUR, excluded_addresses=("10.9.0.200/24", "fd09::200/64"))
    MORE = (socket.inet_aton("10.9.0.200"), socket.inet_pton(socket.AF_INET6, "fd09::200"))

    def test_they_are_held_and_announced_but_not_advertised(self) -> None:
        bench = Bench()
        bench.apply(self.WITH_MORE)
        bench.run(3.7)
        done = bench.node.take()
        assert bench.node.held("eth0") == {VIP, *self.MORE}
        assert {of for kind, _, of in done if kind == "announce"} == {(VIP, *self.MORE)}
        (sent, *_) = [of[0] for kind, _, of in done if kind == "send"]
        assert sent[3] == 1, "one address is carried"

    def test_one_that_is_taken_off_the_list_goes_and_the_role_stays(self) -> None:
        bench = active(self.WITH_MORE)
        bench.apply(FOUR)
        assert bench.node.held("eth0") == {VIP}
        assert bench.state().state == "Active"


class TestTrackedInterfaces:
    """api.md: "absent: Fault. The floating IP's own interface is always tracked"."""

    ETH1 = Interface(3, "eth1", True, b"")

    def _bench(self, lower_by: int) -> Bench:
        bench = Bench()
        bench.node.interfaces.links["eth1"] = self.ETH1
        bench.apply(dataclasses.replace(FOUR, tracked_interfaces=(("eth1", lower_by),)))
        bench.run(3.7)
        assert bench.state().state == "Active"
        return bench

    @pytest.mark.parametrize("is_there", [True, False], ids=["down", "missing"])
    def test_one_that_is_lost_keeps_the_node_out(self, *, is_there: bool) -> None:
        bench = self._bench(0)
        bench.node.interfaces.links.pop("eth1")
        if is_there:
            bench.node.interfaces.links["eth1"] = dataclasses.replace(self.ETH1, is_up=False)
        bench.engine.interfaces_changed(bench.now)
        assert (bench.state().state, bench.state().reason) == ("Fault", "tracked interface eth1 is down or missing")
        bench.node.interfaces.links["eth1"] = self.ETH1
        bench.engine.interfaces_changed(bench.now)
        bench.run(3.7)
        assert bench.state().state == "Active", "back by itself"

    def test_or_lowers_its_priority(self) -> None:
        bench = self._bench(30)
        bench.node.interfaces.links.pop("eth1")
        bench.engine.interfaces_changed(bench.now)
        bench.node.take()
        bench.run(1.1)
        assert bench.priorities() == [70]
        assert bench.state().effective_priority == 70


class TestAnnouncements:
    """api.md: announcement {count, repeatAfterSeconds, refreshSeconds}; "repeat or refresh 0: none"."""

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"announcement_count": 2, "announcement_repeat": 0}, 2),
            ({"announcement_count": 2}, 4),
            ({"announcement_count": 1, "announcement_repeat": 0, "announcement_refresh": 2 * SECOND}, 1 + 10),
            ({"announcement_count": 1, "announcement_refresh": 5 * SECOND}, 1 + 4),
        ],
        ids=["once", "and repeated", "refreshed every 2 s", "repeated, then refreshed every 5 s"],
    )
    def test_frames_within_20_s_of_the_takeover(self, fields: dict[str, int], expected: int) -> None:
        bench = Bench()
        bench.apply(dataclasses.replace(FOUR, **fields))  # type: ignore[arg-type]
        bench.run(3.609375 + 20.5)
        assert [kind for kind, *_ in bench.node.take()].count("announce") == expected

    def test_none_after_the_role_is_lost(self) -> None:
        bench = active()
        bench.hear(200)
        bench.node.take()
        for _ in range(10):
            bench.run(1)
            bench.hear(200)
        assert "announce" not in [kind for kind, *_ in bench.node.take()]
