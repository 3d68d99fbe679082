"""What a virtual router must live through on every kind of link: down and up, no carrier, removed and made again."""

from __future__ import annotations

import dataclasses
from typing import Any

from floatip_agent.configuration import RouterConfiguration
from lab.network import Host, Lan
from lab.waiting import until
from wire import links
from wire.engine import EngineAgent
from wire.holders import Holders
from wire.links import Kind, ip

MILLISECOND = 1_000_000
VIP, VIP6 = "10.9.0.100", "fd09::100"
PERIOD = 200 * MILLISECOND
OWN = ("10.9.0.1/24", "10.9.0.2/24")
OVERLAP = 0.1
"""Seconds for which two kernels may hold the address at a hand-over: the loser takes it off when it hears the winner, at once."""


def router(priority: int, **more: Any) -> RouterConfiguration:
    values: dict[str, Any] = {"interface": "eth0", "advertisement_interval": PERIOD} | more
    return RouterConfiguration("elk", "IPv4", 51, (f"{VIP}/24",), priority, **values)


def standing(agent: EngineAgent) -> tuple[str, int]:
    """The role, and how often it changed."""
    state = agent.router()
    assert state is not None
    return state.state, state.transitions


class Pair:
    """n1 (priority 200) Active, n2 (priority 100) Backup, each on a link of this kind."""

    def __init__(self, lan: Lan, kind: Kind) -> None:
        self.lan = lan
        self.kind = kind
        self.n1, self.n2 = (links.join(lan, name, kind, own) for name, own in zip(("n1", "n2"), OWN, strict=True))
        self.holders = Holders(VIP, [self.n1, self.n2])
        self.first, self.second = (
            EngineAgent(host, dataclasses.replace(router(priority), interface=kind.interface))
            for host, priority in ((self.n1, 200), (self.n2, 100))
        )

    def start(self) -> None:
        self.first.start()
        self.first.wait_for("Active", 5)
        self.second.start()
        self.assert_first_holds()

    def assert_first_holds(self) -> None:
        self.first.wait_for("Active", 5)
        self.second.wait_for("Backup")
        until(lambda: (self.n1.holds(VIP), self.n2.holds(VIP)) == (True, False), 2, "n1 alone holds the address")

    def assert_second_holds(self, fault: str) -> None:
        reason = self.first.wait_for("Fault").reason
        assert reason == fault, reason
        self.second.wait_for("Active", 5)
        assert not self.n1.holds(VIP)


def lives_through_all(pair: Pair) -> None:
    """RFC 9568 6.4.1: what comes back starts anew, and listens before it claims; the two never hold the address together."""
    name = pair.kind.interface
    with pair.holders as seen:
        pair.start()
        _down_and_up(pair, f"interface {name} is down")
        for port in pair.n1.ports:
            pair.n1.unplug(port)
        pair.assert_second_holds(f"interface {name} is down")
        for port in pair.n1.ports:
            pair.n1.plug(port)
        pair.assert_first_holds()
        _removed_and_made_again(pair, f"interface {name} does not exist")
        assert len(seen.spans()[0]) == 4
        assert len(seen.spans()[1]) == 3
        assert seen.longest_overlap() < OVERLAP


def _down_and_up(pair: Pair, fault: str) -> None:
    pair.n1.link_down(pair.kind.interface)
    pair.assert_second_holds(fault)
    pair.n1.link_up(pair.kind.interface)
    pair.assert_first_holds()


def _removed_and_made_again(pair: Pair, fault: str) -> None:
    before = index(pair.n1, pair.kind.interface)
    ip(pair.n1, pair.kind.remove)
    pair.assert_second_holds(fault)
    links.make(pair.n1, pair.kind, OWN[0])
    assert index(pair.n1, pair.kind.interface) != before
    pair.assert_first_holds()


def index(host: Host, interface: str) -> str:
    return ip(host, f"-oneline link show {interface}").partition(":")[0].strip()
