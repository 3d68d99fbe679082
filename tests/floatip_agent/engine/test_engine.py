"""The engine over a node in memory: what it does in which order, and what it says about it."""

from __future__ import annotations

import dataclasses
import errno
import socket

import pytest
from floatip_agent.configuration import Health
from floatip_agent.messages import Applied, RouterGone
from floatip_agent.ports import Interface, InterfaceAddress
from in_memory.bench import ETH0, FOUR, OWN, SIX, VIP, Bench, active


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
