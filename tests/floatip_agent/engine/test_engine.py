"""The engine over a node in memory: what it does in which order, and what it says about it."""

from __future__ import annotations

import dataclasses
import errno
import socket
from typing import Any

import pytest
from floatip_agent.configuration import Health
from floatip_agent.messages import Applied, RouterGone
from floatip_agent.ports import Interface, InterfaceAddress
from floatip_agent.vrrp import packet
from in_memory.bench import ETH0, FOUR, OWN, PEER, PEER6, SECOND, SIX, VIP, Bench, active

PASSWORD = packet.padded_password("tan124")


class TestOrder:
    @pytest.mark.rule("9568-8.1.2-gratuitous-arp")
    @pytest.mark.rule("9568-6.4.2-timer")
    def test_addresses_first_then_the_advertisement_then_the_announcement(self) -> None:
        bench = Bench()
        bench.apply(FOUR)
        bench.run(3.609375)
        assert [kind for kind, *_ in bench.node.take()] == ["assign", "send", *["announce"] * 5]
        assert bench.node.held("eth0") == {VIP}

    @pytest.mark.rule("9568-6.4.3-shutdown")
    def test_leaving_says_priority_zero_and_then_takes_the_addresses_off(self) -> None:
        bench = active()
        bench.engine.shutdown(bench.now)
        (sent, released) = bench.node.take()
        assert (sent[0], sent[2][0][2]) == ("send", 0)
        assert released == ("release", "eth0", (VIP,))

    def test_a_loser_sends_once_more_and_lets_go(self) -> None:
        bench = active()
        bench.hear(200)
        assert [kind for kind, *_ in bench.node.take()] == ["send", "release"]
        state = bench.state()
        assert (state.state, state.active_router) == ("Backup", None)
        bench.hear(200)
        assert bench.state().active_router == "10.9.0.2"

    def test_the_lifetime_of_held_addresses_is_renewed_every_second(self) -> None:
        bench = active()
        bench.run(10)
        assert len([kind for kind, *_ in bench.node.take() if kind == "renew"]) == 10


class TestFaults:
    def test_what_cannot_be_assigned_is_not_advertised(self) -> None:
        bench = Bench()
        bench.node.refuse[VIP] = errno.EACCES
        bench.apply(FOUR)
        bench.run(3.7)
        assert bench.priorities() == [0], "an advertisement with its priority was never sent"
        state = bench.state()
        assert (state.state, state.reason) == ("Fault", "cannot assign Permission denied")
        bench.node.refuse.clear()
        bench.run(10)
        assert bench.state().state == "Active", "back by itself"

    def test_an_address_that_cannot_be_renewed_gives_the_role_up(self) -> None:
        bench = active()
        bench.node.refuse[VIP] = errno.EACCES
        bench.run(1.5)
        assert bench.priorities()[-1] == 0
        assert bench.state().state == "Fault"

    def test_one_members_fault_keeps_the_group_out(self) -> None:
        no_ipv6 = dataclasses.replace(ETH0, addresses=(InterfaceAddress(OWN, 24),))
        bench = Bench(no_ipv6)
        bench.apply(FOUR, SIX)
        bench.run(10)
        missing = "interface eth0 has no IPv6 link-local address to send from"
        assert (bench.state().state, bench.state().reason) == ("Fault", f"sync group: elk/IPv6: {missing}")
        assert (bench.state(family="IPv6").state, bench.state(family="IPv6").reason) == ("Fault", missing)
        assert bench.node.held("eth0") == set()
        bench.node.change("eth0", lambda _: ETH0)
        bench.engine.interfaces_changed(bench.now)
        bench.run(3.7)
        assert bench.state().state == bench.state(family="IPv6").state == "Active"

    @pytest.mark.parametrize(
        ("link", "reason"),
        [
            (None, "no interface has a subnet that holds 10.9.0.100/32"),
            (dataclasses.replace(ETH0, is_up=False), "interface eth0 is down"),
        ],
    )
    def test_a_lost_interface_is_a_fault_with_its_reason_and_it_comes_back(
        self, link: Interface | None, reason: str
    ) -> None:
        bench = active()
        if link is None:
            del bench.node.interfaces.links["eth0"]
        else:
            bench.node.change("eth0", lambda _: dataclasses.replace(link, addresses=ETH0.addresses))
        bench.engine.interfaces_changed(bench.now)
        assert (bench.state().state, bench.state().reason) == ("Fault", reason)
        assert bench.engine.channels.sockets == {}
        bench.node.interfaces.links["eth0"] = dataclasses.replace(ETH0, index=9)
        bench.engine.interfaces_changed(bench.now)
        bench.run(3.7)
        assert bench.state().state == "Active"
        assert bench.node.held("eth0") == {VIP}

    def test_a_router_id_of_another_on_the_same_link_is_a_fault_and_the_first_goes_on(self) -> None:
        bench = active()
        other = dataclasses.replace(FOUR, name="web", addresses=("10.9.0.101/32",))
        bench.apply(FOUR, other)
        bench.run(5)
        assert bench.state().state == "Active"
        state = bench.state("web")
        assert (state.state, state.reason) == ("Fault", "router ID 51 on eth0 is elk's already")
        assert bench.node.held("eth0") == {VIP}
        bench.apply(other)
        bench.run(3.7)
        assert bench.state("web").state == "Active"


class TestRetries:
    def test_an_address_that_could_be_assigned_after_all_is_no_fault_any_more(self) -> None:
        bench = active()
        bench.node.refuse[VIP] = errno.EBUSY
        bench.engine.interfaces_changed(bench.now)
        bench.run(1.1)
        assert bench.state().state == "Fault"
        bench.node.refuse.clear()
        bench.run(10)
        assert bench.state().state == "Active"
        bench.engine.interfaces_changed(bench.now)
        assert bench.state().state == "Active"

    def test_a_socket_that_could_not_be_opened_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bench = Bench()

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOBUFS, "No buffer space available")

        with monkeypatch.context() as patched:
            patched.setattr(bench.node, "advertisement_socket", refuse)
            bench.apply(FOUR)
            bench.run(1.1)
            assert bench.state().reason == "no VRRP socket on eth0: No buffer space available"
        bench.run(10)
        assert bench.state().state == "Active"


class TestHealth:
    def test_no_first_result_is_initialize_and_silent(self) -> None:
        bench = Bench()
        bench.apply(FOUR, health={"elk": Health(waiting=("http",))})
        bench.run(10)
        assert (bench.state().state, bench.state().reason) == ("Initialize", "probe http: no result yet")
        assert bench.node.take() == []
        bench.engine.set_health("elk", Health(), bench.now)
        bench.run(3.7)
        assert bench.state().state == "Active"

    def test_a_running_router_is_not_stopped_by_a_probe_that_has_no_result_yet(self) -> None:
        bench = active()
        bench.engine.set_health("elk", Health(waiting=("http",)), bench.now)
        assert bench.state().state == "Active"

    def test_a_fault_leaves_with_priority_zero_and_says_why(self) -> None:
        bench = active()
        bench.engine.set_health("elk", Health(faults=("port 9200 refuses",)), bench.now)
        assert bench.priorities() == [0]
        assert bench.node.held("eth0") == set()
        assert (bench.state().state, bench.state().reason) == ("Fault", "port 9200 refuses")

    @pytest.mark.parametrize(("lower_by", "effective"), [(20, 80), (99, 1), (200, 1)])
    def test_a_lower_priority_shows_in_the_next_advertisement(self, lower_by: int, effective: int) -> None:
        bench = active()
        bench.engine.set_health("elk", Health(lower_by=lower_by), bench.now)
        bench.run(1)
        assert bench.priorities() == [effective]
        assert (bench.state().priority, bench.state().effective_priority) == (100, effective)


class TestRelease:
    def test_it_is_confirmed_when_the_addresses_are_out(self) -> None:
        bench = active()
        bench.apply(dataclasses.replace(FOUR, release="request-1"))
        assert bench.priorities() == [0]
        assert bench.node.held("eth0") == set()
        state = bench.state()
        assert (state.state, state.reason, state.released) == ("Initialize", "released on request", "request-1")
        bench.run(30)
        assert bench.node.take() == []

    def test_it_is_not_confirmed_while_the_kernel_keeps_them(self) -> None:
        bench = active()
        bench.node.refuse[VIP] = errno.EBUSY
        bench.apply(dataclasses.replace(FOUR, release="request-1"))
        assert bench.state().released is None
        bench.run(3)
        assert bench.state().released is None
        bench.node.refuse.clear()
        bench.run(1.1)
        assert bench.state().released == "request-1"

    def test_a_member_of_a_group_may_go_and_the_other_stay(self) -> None:
        bench = active(FOUR, SIX)
        bench.apply(FOUR, dataclasses.replace(SIX, release="request-1"))
        assert bench.node.held("eth0") == {VIP}
        assert (bench.state().state, bench.state(family="IPv6").released) == ("Active", "request-1")

    def test_a_router_that_left_the_configuration_is_gone(self) -> None:
        bench = active()
        assert bench.apply() == Applied(1, 0)
        assert RouterGone("elk", "IPv4") in bench.said
        assert bench.node.held("eth0") == set()
        assert bench.engine.deadline is None


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


class TestAddressesOfOthers:
    def test_an_address_that_somebody_took_out_comes_back_at_once_and_is_announced(self) -> None:
        bench = active()
        bench.node.change("eth0", lambda _: ETH0)
        bench.engine.interfaces_changed(bench.now)
        assert bench.node.held("eth0") == {VIP}
        assert bench.state().state == "Active"
        assert bench.state().noted["AddressLost"] == 1
        bench.run(0)
        assert "announce" in [kind for kind, *_ in bench.node.take()]

    def test_one_that_cannot_be_put_back_is_not_advertised_any_more(self) -> None:
        bench = active()
        bench.node.refuse[VIP] = errno.EACCES
        bench.node.change("eth0", lambda _: ETH0)
        bench.engine.interfaces_changed(bench.now)
        assert bench.priorities() == [0]
        assert (bench.state().state, bench.state().reason) == ("Fault", "cannot assign Permission denied")

    def take_out(self, bench: Bench) -> None:
        bench.engine.interfaces_changed(bench.now)  # it has seen that the address is there
        bench.node.change("eth0", lambda _: ETH0)
        bench.engine.interfaces_changed(bench.now)

    def test_it_is_told_and_forgotten_after_a_quiet_minute(self) -> None:
        bench = active()
        self.take_out(bench)
        told = "10.9.0.100 was taken out of the kernel by somebody else, 1 time in a row"
        assert bench.state().warnings == {"AddressLost": told}
        bench.run(61.1)
        assert bench.state().warnings == {}

    def test_who_takes_it_out_again_and_again_is_given_way_to_for_longer_and_longer(self) -> None:
        """Never advertise what is not held: the role is given up with priority 0, and taken again later."""
        bench = active()
        for _ in range(3):
            self.take_out(bench)
            bench.run(0.2)
            assert bench.node.held("eth0") == {VIP}
        bench.node.take()
        away = []
        for _ in range(4):
            self.take_out(bench)
            assert bench.priorities()[-1] == 0
            state = bench.state()
            assert (state.state, bench.node.held("eth0")) == ("Fault", set())
            gone = bench.now
            while bench.state().state == "Fault":
                bench.run(0.1)
            away.append((bench.now - gone) / SECOND)
            bench.run(3.7)
            assert bench.state().state == "Active"
        assert all(wait <= found <= wait + 1.1 for wait, found in zip((1, 2, 4, 8), away, strict=True)), away
        assert "7 times in a row: given up for 8 s" in state.reason

    def test_ours_stays_behind_the_nodes_own(self) -> None:
        """The first address of an interface is the one that programs pick as the node's."""
        bench = active()
        ours = InterfaceAddress(VIP, 32, is_ours=True)
        bench.node.change("eth0", lambda link: dataclasses.replace(link, addresses=(ours, *ETH0.addresses)))
        bench.engine.interfaces_changed(bench.now)
        assert [
            known.address for known in bench.node.interfaces.links["eth0"].addresses if len(known.address) == 4
        ] == [
            OWN,
            VIP,
        ]


def test_a_changed_router_id_is_another_router() -> None:
    bench = active()
    bench.apply(dataclasses.replace(FOUR, virtual_router_id=52))
    assert bench.priorities() == [0]
    bench.run(3.7)
    assert bench.node.sockets["eth0", "IPv4"].virtual_router_ids == (52,)
    assert bench.state().state == "Active"


def test_a_changed_list_of_addresses_is_taken_in_place() -> None:
    bench = active()
    bench.apply(dataclasses.replace(FOUR, addresses=("10.9.0.101/32", "10.9.0.102/32")))
    assert bench.node.held("eth0") == {socket.inet_aton("10.9.0.101"), socket.inet_aton("10.9.0.102")}
    assert bench.state().state == "Active"
    assert bench.state().transitions == 2, "Backup and Active, at the start"


def test_a_moved_router_lets_go_on_the_old_interface() -> None:
    eth1 = Interface(3, "eth1", True, bytes(6), (InterfaceAddress(socket.inet_aton("10.9.0.9"), 24),))
    bench = Bench(ETH0, eth1)
    bench.apply(FOUR)
    bench.run(3.7)
    bench.apply(dataclasses.replace(FOUR, interface="eth1"))
    assert bench.node.held("eth0") == set()
    bench.run(3.7)
    assert bench.node.held("eth1") == {VIP}
