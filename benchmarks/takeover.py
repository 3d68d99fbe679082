"""`PYTHONPATH=tests python -m benchmarks.takeover` (root): many routers or addresses change hands in one moment; nothing waits for it.

The Active is killed; seen from a third host: how long after the first the last router advertises, how long after its advertisement
each address is announced for the first time, and how late the new Active's advertisements are in the ten seconds from then on.
"""

from __future__ import annotations

import socket
import statistics
import struct
import time

from floatip_agent.configuration import RouterConfiguration
from lab.network import Lan
from soak.arrivals import Grid
from wire.engine import EngineAgent
from wire.sniffer import Sniffer

PERIOD = 100_000_000
SECONDS = 10
_IPV4, _ARP = 0x0800, 0x0806


class Frames(Sniffer):
    """As bytes: thousands a second are too many for scapy."""

    def taken(self) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(2048, 64)
            except BlockingIOError:
                return found
            seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2][:16])
            found.append((seconds * 1_000_000_000 + nanoseconds, data))


def main() -> None:
    for count, addresses in ((1, 1), (1, 64), (250, 1), (250, 8)):
        with Lan("takeover") as lan:
            _show(lan, count, addresses)


def _routers(count: int, addresses: int, priority: int) -> list[RouterConfiguration]:
    return [
        RouterConfiguration(
            f"r{number:03}",
            "IPv4",
            number,
            tuple(f"10.9.{10 + place}.{number}/16" for place in range(addresses)),
            priority,
            advertisement_interval=PERIOD,
        )
        for number in range(1, count + 1)
    ]


def _show(lan: Lan, count: int, addresses: int) -> None:
    hosts = [lan.host(f"n{number}", f"10.9.0.{number}/16") for number in (1, 2)]
    client = lan.host("client", "10.9.0.3/16")
    one, other = (
        EngineAgent(host, *_routers(count, addresses, priority))
        for host, priority in zip(hosts, (200, 100), strict=True)
    )
    one.start()
    one.wait_for("Active", 10, name=f"r{count:03}")
    other.start()
    other.wait_for("Backup", 10, name=f"r{count:03}")
    time.sleep(2)
    with Frames(client) as seen:
        one.kill()
        time.sleep(SECONDS)
        frames = seen.taken()
    other.kill()
    _print(f"{count} routers of {addresses} addresses", frames)


def _print(what: str, frames: list[tuple[int, bytes]]) -> None:
    n2 = socket.inet_aton("10.9.0.2")
    grids: dict[int, Grid] = {}
    advertised: dict[int, int] = {}
    announced: dict[bytes, int] = {}
    count = 0
    for at, data in frames:
        (kind,) = struct.unpack_from("!H", data, 12)
        if kind == _IPV4 and data[23] == 112 and data[26:30] == n2:
            router_id = data[14 + (data[14] & 0x0F) * 4 + 1]
            if router_id not in advertised:
                advertised[router_id] = at  # as late as its takeover; the grid begins with the next
            else:
                grids.setdefault(router_id, Grid(PERIOD)).arrive(at)
        elif kind == _ARP and data[28:32] == data[38:42]:
            count += 1
            announced.setdefault(data[28:32], at)
    spread = (max(advertised.values()) - min(advertised.values())) / 1e6
    waits = [(at - advertised[address[3]]) / 1e6 for address, at in announced.items()]
    late = f"{sum(grid.late for grid in grids.values())} of {sum(grid.count for grid in grids.values())}"
    worst = max(grid.worst for grid in grids.values()) / 1e6
    waited = f"{min(waits):.1f} / {statistics.median(waits):.1f} / {max(waits):.1f} ms"
    print(f"{what}: all of them within {spread:.1f} ms; announced after (min / median / max) {waited}, {count} frames;")
    print(f"  advertisements later than half a period: {late}, the latest {worst:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
