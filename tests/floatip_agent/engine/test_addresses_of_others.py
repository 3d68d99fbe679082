"""Somebody else changes the addresses of an interface on which the engine holds one."""

from __future__ import annotations

import dataclasses
import errno

from floatip_agent.ports import InterfaceAddress
from in_memory.bench import ETH0, OWN, SECOND, VIP, Bench, active


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
