"""What an Active holds beside its addresses, in which order, over a node in memory."""

from __future__ import annotations

import dataclasses
import errno

import pytest
from floatip_agent.engine.binding import virtual_mac
from floatip_agent.routing import RouteConfiguration, RuleConfiguration
from in_memory.bench import FOUR, SIX, VIP, Bench, active

ROUTE, DEFAULT = (
    RouteConfiguration("10.50.0.0/16", "10.9.0.254"),
    RouteConfiguration("default", "10.9.0.254", table=100, source="10.9.0.100"),
)
RULE = RuleConfiguration(100, 1000, origin="10.9.0.100/32")
ROUTED = dataclasses.replace(FOUR, routes=(ROUTE, DEFAULT), rules=(RULE,))
MAC = dataclasses.replace(FOUR, virtual_mac=True)
ENTRIES = ["10.50.0.0/16 via 10.9.0.254", "default via 10.9.0.254", "from 10.9.0.100/32 table 100"]


def kinds(bench: Bench) -> list[str]:
    return [kind for kind, _, _ in bench.node.take()]


class TestRoutes:
    """Issue: "Routes and rules that exist only while Active, removed in the right order"."""

    def test_they_come_after_the_addresses_and_before_the_advertisement(self) -> None:
        bench = Bench()
        bench.apply(ROUTED)
        bench.run(3.65)
        assert kinds(bench)[:5] == ["assign", "route", "route", "route", "send"]

    def test_they_go_the_last_first_and_before_the_addresses(self) -> None:
        bench = active(ROUTED)
        bench.hear(200)
        done = [(kind, what) for kind, what, _ in bench.node.take()]
        gone = [("unroute", entry) for entry in reversed(ENTRIES)]
        assert done == [("send", "eth0"), *gone, ("release", "eth0")]

    def test_a_backup_has_none(self) -> None:
        bench = Bench()
        bench.apply(ROUTED)
        bench.hear(200)
        bench.run(2)
        assert "route" not in kinds(bench)

    def test_they_change_without_a_transition(self) -> None:
        bench = active(ROUTED)
        before = bench.state().transitions
        other = RouteConfiguration("10.60.0.0/16", "10.9.0.254")
        bench.apply(dataclasses.replace(ROUTED, routes=(ROUTE, other)))
        done = [(kind, what) for kind, what, _ in bench.node.take() if "route" in kind]
        assert done == [("unroute", "default via 10.9.0.254"), ("route", "10.60.0.0/16 via 10.9.0.254")]
        assert bench.state().transitions == before

    def test_one_that_is_refused_is_a_warning_and_the_address_serves(self) -> None:
        bench = Bench()
        bench.node.routes.refuse = {ENTRIES[0]}
        bench.apply(ROUTED)
        bench.run(10)
        state = bench.state()
        assert state.state == "Active"
        assert state.warnings["RouteFailed"] == "route 10.50.0.0/16 via 10.9.0.254: unreachable"
        bench.node.routes.refuse = set()
        bench.run(6)
        assert "RouteFailed" not in bench.state().warnings

    def test_a_missing_interface_is_a_warning(self) -> None:
        away = RouteConfiguration("10.70.0.0/16", interface="eth9")
        bench = active(dataclasses.replace(ROUTED, routes=(away,)))
        bench.run(2)
        assert bench.state().warnings["RouteFailed"] == "route 10.70.0.0/16: interface eth9 does not exist"


class TestVirtualMac:
    """RFC 9568 7.3; api.md: `virtualMAC`: "00-00-5E-00-01-{VRID}, IPv6 00-00-5E-00-02-{VRID}, on a macvlan"."""

    @pytest.mark.parametrize(("family", "mac"), [("IPv4", "00005e000133"), ("IPv6", "00005e000233")])
    def test_the_mac_of_a_family(self, family: str, mac: str) -> None:
        assert virtual_mac(family, 51).hex() == mac  # type: ignore[arg-type]

    def test_the_link_comes_first_and_everything_goes_over_it(self) -> None:
        bench = Bench()
        bench.apply(MAC)
        bench.run(4)
        done = [(kind, where) for kind, where, _ in bench.node.take()]
        assert done[:3] == [("create", "virtual-51"), ("assign", "virtual-51"), ("send", "virtual-51")]
        assert {where for kind, where in done if kind in {"send", "announce", "renew"}} == {"virtual-51"}

    def test_it_goes_last_after_the_farewell(self) -> None:
        bench = active(MAC)
        bench.engine.shutdown(bench.now)
        done = [(kind, where) for kind, where, _ in bench.node.take()]
        assert done == [("send", "virtual-51"), ("release", "virtual-51"), ("remove", "virtual-51")]
        assert not bench.node.sockets["virtual-51", "IPv4"].is_open

    def test_a_backup_has_none(self) -> None:
        bench = Bench()
        bench.apply(MAC)
        bench.hear(200)
        bench.run(2)
        assert kinds(bench) == []

    def test_it_listens_on_the_interface_itself(self) -> None:
        """In Backup there is no other, and a rival's packets reach it too."""
        bench = active(MAC)
        assert bench.node.sockets["eth0", "IPv4"].virtual_router_ids == (51,)
        assert bench.node.sockets["virtual-51", "IPv4"].virtual_router_ids == ()
        bench.hear(200)
        assert bench.state().state == "Backup"

    def test_with_unicast_advertisements_come_from_the_node_itself(self) -> None:
        """keepalived's vmac_xmit_base: else the peers would take the virtual MAC for the node's."""
        bench = active(dataclasses.replace(MAC, transport="Unicast", peers=("10.9.0.2",)))
        bench.run(1)
        done = bench.node.take()
        assert {where for kind, where, _ in done if kind == "send"} == {"eth0"}
        assert bench.node.held("virtual-51") == {VIP}

    def test_one_that_cannot_be_made_is_a_fault(self) -> None:
        bench = Bench()
        bench.node.virtual_links.refuse = errno.EBUSY
        bench.apply(MAC)
        bench.run(4)
        state = bench.state()
        assert (state.state, state.reason) == ("Fault", "cannot assign Device or resource busy")
        bench.node.virtual_links.refuse = 0
        bench.run(10)
        assert bench.state().state == "Active"

    def test_two_families_have_a_link_each(self) -> None:
        six = dataclasses.replace(SIX, virtual_mac=True, virtual_router_id=52)
        bench = active(MAC, six)
        assert {name for name, _ in bench.node.sockets} == {"eth0", "virtual-51", "virtual-52"}

    def test_switching_it_on_is_another_router(self) -> None:
        """The LAN has to learn another MAC: priority 0, and a start from Backup."""
        bench = active()
        bench.apply(MAC)
        assert bench.priorities() == [0]
        assert bench.state().state == "Backup"
