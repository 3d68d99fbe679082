"""An engine on a node in memory, with a clock of its own: what it does in which order, and what it says about it."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

from floatip_agent.configuration import Configuration, Health, RouterConfiguration
from floatip_agent.engine.engine import Engine
from floatip_agent.messages import Applied, Message, RouterState
from floatip_agent.ports import Interface, InterfaceAddress, Packet
from floatip_agent.vrrp import packet
from in_memory.node import MemoryNode

SECOND = 1_000_000_000
NOW = 5_000 * SECOND
VIP = socket.inet_aton("10.9.0.100")
OWN, PEER = socket.inet_aton("10.9.0.1"), socket.inet_aton("10.9.0.2")
VIP6 = socket.inet_pton(socket.AF_INET6, "fd09::100")
OWN6, PEER6 = (socket.inet_pton(socket.AF_INET6, text) for text in ("fe80::1", "fe80::2"))
ETH0 = Interface(
    2, "eth0", True, bytes.fromhex("020000000001"), (InterfaceAddress(OWN, 24), InterfaceAddress(OWN6, 64))
)
FOUR = RouterConfiguration("elk", "IPv4", 51, ("10.9.0.100/32",), 100)
SIX = RouterConfiguration("elk", "IPv6", 51, ("fd09::100/128",), 100, interface="eth0", link_local="None")


class Bench:
    """An engine, its node, what it said, and a clock that is turned by hand."""

    def __init__(self, *links: Interface) -> None:
        self.node = MemoryNode(*(links or (ETH0,)))
        self.said: list[Message] = []
        self.engine = Engine(self.node, self.said.append, wall=lambda: 1_763_000_000.0)
        self.now = NOW

    def apply(self, *routers: RouterConfiguration, health: dict[str, Health] | None = None) -> Applied:
        return self.engine.apply(1, Configuration(routers, health or {}), self.now)

    def run(self, seconds: float) -> None:
        """Let time pass, waking the engine at its deadlines."""
        end = self.now + int(seconds * SECOND)
        while (deadline := self.engine.deadline) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.engine.handle_timeouts(self.now)
        self.now = end

    def hear(
        self, priority: int, source: bytes = PEER, wire: packet.Wire | None = None, *, index: int = 2, **of_packet: Any
    ) -> None:
        """An advertisement on the interface of this index, of the router that FOUR or SIX is unless another wire is given."""
        is_ipv4 = len(source) == 4
        wire = wire or packet.Wire(3, 51, SECOND, (VIP if is_ipv4 else VIP6,))
        group = packet.MULTICAST_IPV4 if is_ipv4 else packet.MULTICAST_IPV6
        received = Packet(packet.encode(wire, priority, source, group), source, group, 255)
        channel = (index, "IPv4" if is_ipv4 else "IPv6")
        self.engine.receive(channel, dataclasses.replace(received, **of_packet), self.now)  # type: ignore[arg-type]

    def state(self, name: str = "elk", family: str = "IPv4") -> RouterState:
        """The last that was said of a router."""
        self.engine.report_all()
        return next(
            message
            for message in reversed(self.said)
            if isinstance(message, RouterState) and (message.name, message.family) == (name, family)
        )

    def priorities(self) -> list[int]:
        """What was advertised since the last look."""
        return [of[0][2] for kind, _, of in self.node.take() if kind == "send"]


def active(*routers: RouterConfiguration) -> Bench:
    bench = Bench()
    bench.apply(*(routers or (FOUR,)))
    bench.run(3.7)
    assert bench.state().state == "Active"
    bench.engine.interfaces_changed(bench.now)  # the kernel tells of the addresses that it took
    bench.node.take()
    return bench
