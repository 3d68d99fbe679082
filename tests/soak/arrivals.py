"""When a node's advertisements arrive at another host, by the kernel's clock, and how late each is against its router's own grid."""

from __future__ import annotations

import dataclasses
import socket
import struct
import threading
from collections.abc import Iterable
from typing import Self

from floatip_agent.linux import packet_filter
from floatip_agent.vrrp.checksum import PROTOCOL
from lab.network import Host

_ETH_P_IP = 0x0800
_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_ROOM = 64 * 1024 * 1024
_OUTGOING = 4
_SOURCE = ((0x20, 0, 0, 12),)  # ld [12]: the IPv4 source address
_EARLY = 0.05
"""Of a period: what arrives so long before its grid point is an answer to a rival, not periodic."""
_SLEW = 0.001
"""Of a period: how far the grid may follow a later arrival. The wall clock is disciplined by up to 500 ppm."""


@dataclasses.dataclass(slots=True)
class Grid:
    """The periodic advertisements of one router; times in nanoseconds. `missed` grid points had no advertisement at all."""

    period: int
    at: int = 0
    count: int = 0
    late: int = 0
    missed: int = 0
    worst: int = 0

    def arrive(self, now: int) -> None:
        if not self.count:
            self.at, self.count = now, 1
            return
        periods = int((now - self.at) / self.period + _EARLY)
        if periods == 0:
            return
        lateness = now - self.at - periods * self.period
        self.missed += periods - 1
        self.count += periods
        self.late += (periods - 1) + (lateness > self.period // 2)
        self.worst = max(self.worst, lateness + (periods - 1) * self.period)
        self.at += periods * self.period + min(lateness, int(self.period * _SLEW))


class Arrivals:
    """`with Arrivals(host, sources, period) as seen:` takes in IPv4 advertisements of these sources until the block ends."""

    def __init__(self, host: Host, sources: Iterable[str], period: int) -> None:
        self.grids: dict[tuple[str, int], Grid] = {}
        """By interface and virtual router ID."""
        self._period = period
        self._is_over = False
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        values = [int.from_bytes(socket.inet_aton(source), "big") for source in sources]
        packet_filter.attach(self._socket, packet_filter.accept(_SOURCE, values))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.2)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()
        self._socket.close()

    @property
    def count(self) -> int:
        return sum(grid.count for grid in self.grids.values())

    @property
    def late(self) -> int:
        """Later than half a period, or not at all."""
        return sum(grid.late for grid in self.grids.values())

    @property
    def worst(self) -> float:
        """Seconds."""
        return max((grid.worst for grid in self.grids.values()), default=0) / 1e9

    def _read(self) -> None:
        while not self._is_over:
            try:
                data, ancillary, _, sender = self._socket.recvmsg(2048, 64)
            except TimeoutError:
                continue
            if sender[2] != _OUTGOING and data[9] == PROTOCOL:
                seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2][:16])
                header = (data[0] & 0x0F) * 4
                grid = self.grids.setdefault((sender[0], data[header + 1]), Grid(self._period))
                grid.arrive(seconds * 1_000_000_000 + nanoseconds)
