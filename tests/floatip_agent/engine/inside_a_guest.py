"""Links that the machine's kernel may lack. test_in_a_guest.py runs these tests in a guest with a kernel of its own."""

from __future__ import annotations

import pytest
from lab.network import Lan
from lab.waiting import throughout, until
from wire import links
from wire.engine import EngineAgent
from wire.interface_life import OWN, PERIOD, VIP, Pair, lives_through_all, router, standing
from wire.links import BOND, DUMMY, VLAN, ip
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux


def test_the_life_of_a_vlan(lan: Lan) -> None:
    lives_through_all(Pair(lan, VLAN))


def test_the_life_of_a_bond_whose_fail_over_to_its_other_port_moves_nothing(lan: Lan) -> None:
    pair = Pair(lan, BOND)
    lives_through_all(pair)
    before = [standing(agent) for agent in (pair.first, pair.second)]
    assert [role for role, _ in before] == ["Active", "Backup"]
    with Sniffer(pair.n2, BOND.interface) as seen:
        for down, up in (("eth0", "eth1"), ("eth1", "eth0")):
            pair.n1.unplug(down)
            until(lambda up=up: f"Currently Active Slave: {up}" in _bond(pair), 2, f"{up} carries it")  # type: ignore[misc]
            sent = len(seen.advertisements("10.9.0.1"))
            until(lambda sent=sent: len(seen.advertisements("10.9.0.1")) > sent + 3, 3, "it advertises")  # type: ignore[misc]
            pair.n1.plug(down)
        assert not seen.advertisements("10.9.0.2")
    assert [standing(agent) for agent in (pair.first, pair.second)] == before


def _bond(pair: Pair) -> str:
    return pair.n1.run(["cat", "/proc/net/bonding/bond0"]).stdout


def test_an_interface_without_a_wire(lan: Lan) -> None:
    """A dummy interface, as routers that announce addresses have it: nobody is there, so the role is taken, and kept."""
    host = links.join(lan, "n1", DUMMY, OWN[0])
    agent = EngineAgent(host, router(200, interface=DUMMY.interface))
    agent.start()
    agent.wait_for("Active")
    throughout(lambda: host.holds(VIP), 4 * PERIOD / 1e9, "it holds the address")
    host.link_down(DUMMY.interface)
    agent.wait_for("Fault")
    assert not host.holds(VIP)
    host.link_up(DUMMY.interface)
    agent.wait_for("Active")
    ip(host, DUMMY.remove)
    agent.wait_for("Fault")
    links.make(host, DUMMY, OWN[0])
    agent.wait_for("Active")
    assert host.holds(VIP)
