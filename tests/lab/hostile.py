"""`python -m lab.hostile VRID RATE SECONDS`: a stranger that sends VRRP to the LAN, RATE packets a second.

In turn: another router's good advertisements, and this router's with a TTL of 1, a wrong checksum, and cut off.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

GROUP = ("224.0.0.18", 0)
PROTOCOL = 112
BURST = 10
ADDRESS = bytes((10, 9, 0, 100))


def message(router_id: int, *, broken: bool = False) -> bytes:
    """A version 3 advertisement, priority 254, one second, its checksum without pseudo-header (which receivers accept)."""
    body = struct.pack("!BBBBHH4s", 0x31, router_id, 254, 1, 100, 0, ADDRESS)
    total = sum(struct.unpack("!6H", body))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return body[:6] + struct.pack("!H", checksum ^ (0x5555 if broken else 0)) + body[8:]


def main(router_id: int, rate: int, seconds: int) -> None:
    foreign = router_id % 255 + 1
    packets = [
        (255, message(foreign)),
        (1, message(router_id)),
        (255, message(router_id, broken=True)),
        (255, message(router_id)[:5]),
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL) as sender:
        interface = struct.pack("4s4si", bytes(4), bytes(4), socket.if_nametoindex("eth0"))  # struct ip_mreqn
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        started = time.monotonic()
        for burst in range(rate * seconds // BURST):
            ttl, packet = packets[burst % len(packets)]
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
            for _ in range(BURST):
                sender.sendto(packet, GROUP)
            time.sleep(max(0.0, started + (burst + 1) * BURST / rate - time.monotonic()))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
