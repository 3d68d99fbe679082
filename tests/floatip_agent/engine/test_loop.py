"""The loop over a node in memory: what it looks at before it acts on a timer."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from floatip_agent.configuration import Configuration, Family, Health, RouterConfiguration
from floatip_agent.engine.loop import Loop
from floatip_agent.linux.realtime import DeadlineTimer
from floatip_agent.messages import HealthChanged, encode
from floatip_agent.ports import AdvertisementSocket, Interface, InterfaceAddress, Packet
from floatip_agent.vrrp import packet
from in_memory.node import MemoryAddresses, MemoryInterfaces, MemoryNode, MemorySocket
from lab.waiting import until

PERIOD = 100_000_000
OWN, PEER = bytes((10, 9, 0, 1)), bytes((10, 9, 0, 2))
ETH0 = Interface(2, "eth0", True, bytes(6), (InterfaceAddress(OWN, 24),))
ELK, WEB = (
    RouterConfiguration(name, "IPv4", number, (f"10.9.0.{number}/32",), 100, advertisement_interval=PERIOD)
    for name, number in (("elk", 51), ("web", 52))
)
ELKS, WEBS = ((bytes((10, 9, 0, number)),) for number in (51, 52))
OF_THE_PEER = packet.encode(packet.Wire(3, 51, PERIOD, ELKS), 200, PEER, packet.MULTICAST_IPV4)


class WireSocket(MemorySocket):
    """What is sent on `peer` is received."""

    def __init__(self, node: MemoryNode, interface: Interface) -> None:
        super().__init__(node, interface)
        self.peer, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.setblocking(False)

    def fileno(self) -> int:
        return self._ours.fileno()

    def receive(self) -> Packet | None:
        try:
            return Packet(self._ours.recv(4096), PEER, packet.MULTICAST_IPV4, 255)
        except BlockingIOError:
            return None


class QuietInterfaces(MemoryInterfaces):
    def __init__(self) -> None:
        super().__init__({"eth0": ETH0})
        self._ends = socket.socketpair()

    def fileno(self) -> int:
        return self._ends[0].fileno()


class SlowAddresses(MemoryAddresses):
    """A release waits for the kernel's lock, `seconds` long."""

    seconds = 0.0

    def release(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        time.sleep(self.seconds)
        super().release(interface, addresses)


class WiredNode(MemoryNode):
    def __init__(self) -> None:
        super().__init__(ETH0)
        self.interfaces = QuietInterfaces()
        self.addresses = self.slow = SlowAddresses(self)
        self.wire = WireSocket(self, ETH0)

    def advertisement_socket(self, interface: Interface, family: Family) -> AdvertisementSocket:
        return self.wire


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The loop takes the process's signals; they are given back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_arrived_while_an_order_took_long_is_heard_before_a_timer_acts(tmp_path: Path) -> None:
    """vrrp.router: "The executor must read its sockets before it reports a timeout: an advertisement that lies unread is proof of
    life." Else two nodes would hold the address."""
    node = WiredNode()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "engine.sock"))
    listener.listen()
    guard, guards = socket.socketpair()
    loop = Loop(node, DeadlineTimer(), listener, guards, "Normal")

    def peer() -> None:
        while guard.fileno() >= 0:
            node.wire.peer.send(OF_THE_PEER)
            time.sleep(PERIOD / 1e9 / 10)

    def keeper() -> None:
        with guard, socket.socket(socket.AF_UNIX) as stream:
            until(lambda: ("assign", "eth0", WEBS) in node.done, 5, "web is Active")
            node.slow.seconds = 0.6  # longer than elk's Active_Down_Interval, 361 ms
            stream.connect(str(tmp_path / "engine.sock"))
            stream.sendall(encode(HealthChanged("web", Health(faults=("port 80 refuses",)))))
            until(lambda: ("release", "eth0", WEBS) in node.done, 5, "web lets go")
            time.sleep(0.1)

    others = [threading.Thread(target=part, daemon=True) for part in (peer, keeper)]
    for other in others:
        other.start()
    loop.run(Configuration((ELK, WEB)))
    for other in others:
        other.join()
    assert ("release", "eth0", WEBS) in node.done
    assert ("assign", "eth0", ELKS) not in node.done
