"""Settings that change while the role is held: no transition, no second Active, and a client that loses not one probe.

Issue: "addresses and settings changed live without leaving Active and without a double Active". The change is rolled over two nodes one
after the other, in both orders, as an operator or somebody with two files does it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from floatip_agent.configuration import Health, RouterConfiguration
from lab.network import Lan
from lab.prober import PORT, Prober
from lab.side_by_side import side_by_side
from lab.waiting import until
from wire.engine import EngineAgent
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux

MILLISECOND = 1_000_000
PERIOD = 100 * MILLISECOND
LONG_PERIOD = 4 * PERIOD
"""Longer than the Active_Down_Interval of `PERIOD`."""
VIP, VIP6 = "10.9.0.100", "fd09::100"
MORE, MORE6 = "10.9.0.101", "fd09::101"

BOTH = ("IPv4", "IPv6")
Change = dict[str, Any]

CHANGES: list[tuple[str, dict[str, Change]]] = [
    ("an address more", {"IPv4": {"addresses": (f"{VIP}/24", f"{MORE}/24")}, "IPv6": {"addresses": (f"{VIP6}/64", f"{MORE6}/64")}}),
    ("another order", {"IPv4": {"addresses": (f"{MORE}/24", f"{VIP}/24")}}),
    ("an address less", {"IPv4": {"addresses": (f"{VIP}/24",)}, "IPv6": {"addresses": (f"{VIP6}/64",)}}),
    ("an excluded address", {"IPv4": {"excluded_addresses": (f"{MORE}/24", f"{MORE6}/64")}}),
    ("no excluded address", {"IPv4": {"excluded_addresses": ()}}),
    ("no derived link-local address", {"IPv6": {"link_local": "None"}}),
    ("a longer period", {family: {"advertisement_interval": LONG_PERIOD} for family in BOTH}),
    ("a shorter period", {family: {"advertisement_interval": PERIOD} for family in BOTH}),
    ("the other checksum", {"IPv4": {"ipv4_checksum": "MessageOnly"}}),
    ("announcements", {family: {"announcement_count": 1, "announcement_refresh": 200 * MILLISECOND} for family in BOTH}),
    ("preemption after a delay", {family: {"preempt_delay": 300 * MILLISECOND} for family in BOTH}),
    ("no preemption", {family: {"preempt": False, "preempt_delay": 0} for family in BOTH}),
    ("preemption", {family: {"preempt": True} for family in BOTH}),
    ("tracked interfaces", {family: {"tracked_interfaces": (("lo", 0),)} for family in BOTH}),
]  # fmt: skip


class Rolling:
    """n1 (priority 200) is Active in both families, n2 (priority 100) stands by; a client probes both addresses."""

    def __init__(self, lan: Lan, stack: ExitStack) -> None:
        hosts = [lan.host(f"n{n}", f"10.9.0.{n}/24", f"fd09::{n}/64") for n in (1, 2)]
        client = lan.host("client", "10.9.0.9/24", "fd09::9/64")
        self.agents = [EngineAgent(host) for host in hosts]
        self.priorities = dict(zip(self.agents, (200, 100), strict=True))
        self.settings: dict[str, Change] = {
            "IPv4": {"addresses": (f"{VIP}/24",)},
            "IPv6": {"addresses": (f"{VIP6}/64",), "interface": "eth0"},
        }
        for agent in self.agents:
            agent.start()
            until(agent.picture, 3, "the engine runs")
            self.configure(agent)
        for agent, state in zip(self.agents, ("Active", "Backup"), strict=True):
            for family in BOTH:
                agent.wait_for(state, 5, family=family)
        self.probers = [stack.enter_context(Prober(client, VIP, hosts))]
        self.probers.append(stack.enter_context(Prober(client, VIP6, [], PORT)))
        self.seen = stack.enter_context(Sniffer(client))
        for prober in self.probers:
            prober.wait_for("n1", 5)

    def configure(self, agent: EngineAgent, health: dict[str, Health] | None = None) -> None:
        base = {"advertisement_interval": PERIOD, "priority": self.priorities[agent]}
        routers = (
            RouterConfiguration("elk", family, 51, **base | changed)  # type: ignore[arg-type]
            for family, changed in self.settings.items()
        )
        agent.configure(*routers, health=health)

    def set(self, changes: dict[str, Change]) -> None:
        for family, change in changes.items():
            self.settings[family] |= change

    def transitions(self) -> list[tuple[str, int]]:
        states = [agent.router("elk", family) for agent in self.agents for family in BOTH]
        return [(state.state, state.transitions) for state in states if state is not None]

    def roll(self, name: str, order: list[EngineAgent], health: dict[str, Health] | None = None) -> None:
        """To one node after the other, each time for longer than the longest Active_Down_Interval that could end."""
        before, start = self.transitions(), time.monotonic_ns()
        assert len(before) == 4
        for agent in order:
            self.configure(agent, health)
            time.sleep(6 * PERIOD / 1e9)
        assert self.transitions() == before, name
        for prober in self.probers:
            window = prober.window(start)
            assert (window.lost, window.answered_by) == (0, ["n1"]), (name, prober.address)
        assert not self.seen.advertisements("10.9.0.2"), f"{name}: a second Active"


ORDERS = ("the Active first", "the Backup first")


@contextlib.contextmanager
def rolling(lan: Lan, order: str) -> Iterator[tuple[Rolling, list[EngineAgent]]]:
    with ExitStack() as stack:
        made = Rolling(lan, stack)
        yield made, made.agents if order == ORDERS[0] else made.agents[::-1]


@side_by_side(ORDERS)
def test_settings_change_under_a_running_role(lan: Lan, first: str) -> None:
    with rolling(lan, first) as (made, order):
        for name, changes in CHANGES:
            made.set(changes)
            made.roll(name, order)


def test_addresses_that_come_and_go_are_held_at_once_and_let_go(lan: Lan) -> None:
    with ExitStack() as stack:
        made = Rolling(lan, stack)
        (active, backup), n1 = made.agents, made.agents[0].host
        made.set(
            {"IPv4": {"addresses": (f"{VIP}/24", f"{MORE}/24"), "excluded_addresses": ("10.9.0.102/24",)}},
        )
        made.roll("more", [active, backup])
        assert all(n1.holds(address) for address in (VIP, MORE, "10.9.0.102"))
        assert len(made.seen.gratuitous_arps(MORE)) >= 5, "a new address is announced"
        made.set({"IPv4": {"addresses": (f"{VIP}/24",), "excluded_addresses": ()}})
        made.roll("less", [backup, active])
        assert (n1.holds(VIP), n1.holds(MORE), n1.holds("10.9.0.102")) == (True, False, False)


@side_by_side(ORDERS)
def test_priorities_and_probes_that_change_without_another_order_move_nothing(lan: Lan, first: str) -> None:
    with rolling(lan, first) as (made, order):
        active, backup = made.agents
        made.priorities = {active: 220, backup: 120}
        made.roll("higher", order)
        made.priorities = {active: 150, backup: 20}
        made.roll("lower", order)
        made.roll("a new probe without a result yet", order, {"elk": Health(waiting=("http",))})
        made.roll("that passes", order, {"elk": Health()})
        made.roll("that lowers both", order, {"elk": Health(lower_by=15)})
