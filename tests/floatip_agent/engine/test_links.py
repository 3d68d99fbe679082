"""What a change of the node's interfaces concerns, and that the rest is left alone."""

from __future__ import annotations

import dataclasses

import pytest
from floatip_agent.configuration import RouterConfiguration
from floatip_agent.engine import binding, engine
from floatip_agent.engine.links import Links
from floatip_agent.ports import Interface, InterfaceAddress
from in_memory.bench import ETH0, FOUR, OWN, SECOND, VIP, Bench, active

ETH1 = Interface(3, "eth1", True, bytes(6), (InterfaceAddress(bytes((10, 8, 0, 1)), 24),))
VETH = Interface(4, "veth0", True, bytes(6), (InterfaceAddress(bytes((10, 7, 0, 1)), 24),))
OURS = InterfaceAddress(VIP, 32, is_ours=True)
HOLDING = dataclasses.replace(ETH0, addresses=(*ETH0.addresses, OURS))
WEB = dataclasses.replace(FOUR, name="web", virtual_router_id=52, addresses=("10.8.0.100/32",))


class TestLook:
    def test_the_same_object_is_not_looked_at(self) -> None:
        links = Links()
        assert [change.name for change in links.look({"eth0": ETH0, "eth1": ETH1})] == ["eth0", "eth1"]
        assert links.look({"eth0": ETH0, "eth1": ETH1}) == []

    def test_our_own_address_changes_nothing_of_the_nodes_own(self) -> None:
        links = Links()
        links.look({"eth0": ETH0})
        own = links.own["eth0"]
        (change,) = links.look({"eth0": HOLDING})
        assert (change.own, change.lost, change.ahead) == ((), frozenset(), frozenset())
        assert links.own["eth0"] is own

    def test_a_lost_address_and_a_gone_interface(self) -> None:
        links = Links()
        links.look({"eth0": HOLDING})
        (change,) = links.look({"eth0": ETH0})
        assert change.own == ()
        assert change.lost == {VIP}
        (change,) = links.look({})
        assert (change.own, OWN in change.lost, links.own) == ((ETH0,), True, {})

    def test_a_new_hardware_address(self) -> None:
        links = Links()
        (change,) = links.look({"eth0": ETH0})
        assert not change.has_new_mac
        (change,) = links.look({"eth0": dataclasses.replace(ETH0, mac=bytes.fromhex("020000000051"))})
        assert change.has_new_mac
        (change,) = links.look({})
        assert not change.has_new_mac

    def test_one_of_ours_before_one_of_the_nodes_own(self) -> None:
        links = Links()
        (change,) = links.look({"eth0": dataclasses.replace(ETH0, addresses=(OURS, *ETH0.addresses))})
        assert change.ahead == {VIP}


def test_after_a_stall_nothing_that_the_kernel_ended_is_put_back() -> None:
    """The lifetime of the addresses ended while the node stood still, and another one may hold them."""
    bench = active()
    bench.node.change("eth0", lambda link: dataclasses.replace(link, addresses=ETH0.addresses))
    bench.now += 4 * SECOND
    bench.engine.interfaces_changed(bench.now)
    bench.engine.handle_timeouts(bench.now)
    assert [kind for kind, _, _ in bench.node.take() if kind in {"assign", "send", "announce"}] == []
    assert (bench.state().state, bench.state().noted.get("AddressLost")) == ("Backup", None)
    assert bench.state().reason.startswith("stalled")


class TestWhoIsBoundAnew:
    @pytest.fixture
    def bound(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Names of the routers that were bound."""
        names: list[str] = []
        bind = binding.bind

        def remembering(router: RouterConfiguration, *rest: object) -> object:
            names.append(router.name)
            return bind(router, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(engine, "bind", remembering)
        return names

    @pytest.fixture
    def bench(self, bound: list[str]) -> Bench:
        bench = Bench(ETH0, ETH1)
        bench.apply(FOUR, WEB)
        bench.run(3.7)
        bound.clear()
        return bench

    def test_nobody_by_our_own_addresses(self, bench: Bench, bound: list[str]) -> None:
        assert bench.node.held("eth0") == {VIP}
        bench.engine.interfaces_changed(bench.now)
        assert bound == []

    def test_nobody_by_an_interface_that_holds_nothing_of_ours(self, bench: Bench, bound: list[str]) -> None:
        bench.node.interfaces.links["veth0"] = VETH
        bench.engine.interfaces_changed(bench.now)
        del bench.node.interfaces.links["veth0"]
        bench.engine.interfaces_changed(bench.now)
        assert bound == []

    def test_only_who_lives_there(self, bench: Bench, bound: list[str]) -> None:
        bench.node.change("eth1", lambda link: dataclasses.replace(link, is_up=False))
        bench.engine.interfaces_changed(bench.now)
        assert bound == ["web"]
        assert (bench.state("web").state, bench.state().state) == ("Fault", "Active")

    def test_who_lived_there_and_lives_nowhere(self, bench: Bench, bound: list[str]) -> None:
        """The reason must follow: the interface goes down first and is gone then."""
        bench.node.change("eth1", lambda link: dataclasses.replace(link, is_up=False))
        bench.engine.interfaces_changed(bench.now)
        del bench.node.interfaces.links["eth1"]
        bench.engine.interfaces_changed(bench.now)
        assert bound == ["web", "web"]
        assert bench.state("web").reason == "no interface has a subnet that holds 10.8.0.100/32"

    def test_who_could_live_there_now(self, bench: Bench, bound: list[str]) -> None:
        """A longer prefix on another interface takes the router away: it must be looked at."""
        closer = dataclasses.replace(VETH, addresses=(InterfaceAddress(bytes((10, 9, 0, 101)), 31),))
        bench.node.interfaces.links["veth0"] = closer
        bench.engine.interfaces_changed(bench.now)
        assert bound == ["elk"]
        assert bench.state().interface == "veth0"

    def test_who_tracks_it(self, bench: Bench, bound: list[str]) -> None:
        bench.apply(dataclasses.replace(FOUR, tracked_interfaces=(("veth0", 30),)), WEB)
        bound.clear()
        bench.node.interfaces.links["veth0"] = VETH
        bench.engine.interfaces_changed(bench.now)
        assert bound == ["elk"]
        assert bench.state().effective_priority == FOUR.priority
