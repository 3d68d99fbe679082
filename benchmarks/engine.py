"""`PYTHONPATH=tests python -m benchmarks.engine`: what a wake-up of the engine costs with 1, 250 and 1,000 routers.

Over a node in memory: what the kernel takes is not in it (benchmarks/wire.py). The routers are Active on four interfaces, their
periods of one second spread by their priorities.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import sys
import time
from collections.abc import Callable

from floatip_agent.configuration import Health, RouterConfiguration
from floatip_agent.ports import Interface, InterfaceAddress, Packet
from floatip_agent.vrrp import packet
from in_memory.bench import SECOND, Bench

from benchmarks import timing

COUNTS = (1, 250, 1000)
PEER = bytes((10, 0, 0, 2))
LINKS = tuple(
    Interface(2 + place, f"eth{place}", True, bytes(6), (InterfaceAddress(bytes((10, place, 0, 1)), 16),))
    for place in range(4)
)
VETH = Interface(99, "veth0", True, bytes(6), (InterfaceAddress(bytes((172, 16, 0, 1)), 24),))


def main() -> None:
    timing.header("µs a wake-up")
    for count in map(int, sys.argv[1:]) if sys.argv[1:] else COUNTS:
        _measure(count)


def _measure(count: int) -> None:
    bench = Bench(*LINKS)
    bench.apply(*(_router(number) for number in range(count)))
    bench.run(10)
    bench.engine.interfaces_changed(bench.now)
    _show(f"{count} routers: one advertisement due", _times(lambda: _wake_up(bench), 2000))
    _show(f"{count} routers: one packet", _times(lambda: _receive(bench), 2000))
    _show(f"{count} routers: an address of ours appears", _times(lambda: _renumber(bench, is_ours=True), 100))
    _show(f"{count} routers: a Pod's veth comes or goes", _times(lambda: _churn(bench), 100))
    _show(f"{count} routers: a probe's result", _times(lambda: _probe(bench), 50))
    bench.node.take()


def _router(number: int) -> RouterConfiguration:
    place, router_id = number % 4, number // 4 + 1
    name, address = f"r{number:04}", f"10.{place}.1.{router_id}/32"
    return RouterConfiguration(name, "IPv4", router_id, (address,), 1 + number % 254)


def _wake_up(bench: Bench) -> None:
    deadline = bench.engine.deadline
    assert deadline is not None
    bench.now = max(bench.now, deadline)
    bench.engine.handle_timeouts(bench.now)


def _receive(bench: Bench) -> None:
    message = packet.encode(packet.Wire(3, 1, SECOND, (bytes((10, 0, 1, 1)),)), 1, PEER, packet.MULTICAST_IPV4)
    bench.engine.receive((2, "IPv4"), Packet(message, PEER, packet.MULTICAST_IPV4, 255), bench.now)
    assert bench.engine.deadline is not None


_serial = itertools.count(1)


def _renumber(bench: Bench, *, is_ours: bool) -> None:
    known = InterfaceAddress(bytes((10, 0, 9, next(_serial) % 250)), 32, is_ours=is_ours)
    bench.node.change("eth0", lambda link: dataclasses.replace(link, addresses=(*link.addresses[:-1], known)))
    bench.engine.interfaces_changed(bench.now)


def _churn(bench: Bench) -> None:
    if bench.node.interfaces.links.pop("veth0", None) is None:
        bench.node.interfaces.links["veth0"] = VETH
    bench.engine.interfaces_changed(bench.now)


def _probe(bench: Bench) -> None:
    bench.engine.set_health("r0000", Health(lower_by=next(_serial) % 2), bench.now)


def _times(call: Callable[[], None], calls: int) -> list[float]:
    """µs of each call."""
    times = []
    for _ in range(calls):
        start = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - start) / 1000)
    return times


def _show(what: str, times: list[float]) -> None:
    print(f"{what:<44} {min(times):9.1f} {statistics.median(times):9.1f} {max(times):9.1f}")


if __name__ == "__main__":
    main()
