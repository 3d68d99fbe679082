"""`floatip sniff`: VRRP on the wire, decoded live or from a capture file.

scapy takes the frames apart down to IP, the agent's own codec does the rest.
"""

from __future__ import annotations

import datetime
import socket
import sys
from pathlib import Path
from typing import Any

from floatip_agent.vrrp import checksum, timers
from floatip_agent.vrrp.packet import MULTICAST_IPV4, MULTICAST_IPV6, Advertisement, Wire, decode


def run(interface: str | None, capture: Path | None, count: int) -> int:
    """`count` 0: until interrupted or the file's end."""
    try:
        import scapy.layers.inet6
        import scapy.layers.l2  # noqa: F401
        from scapy.error import Scapy_Exception
        from scapy.sendrecv import sniff
    except ImportError:
        sys.stderr.write("floatip sniff needs scapy: pip install 'floatip[sniff]'\n")
        return 1
    # No filter of libpcap's, which would need tcpdump: every frame is looked at.
    source = {"offline": str(capture)} if capture else {"iface": interface}
    shown = 0

    def show(frame: Any) -> None:
        nonlocal shown
        line = describe(frame)
        if line is not None:
            shown += 1
            print(line, flush=True)

    try:
        sniff(prn=show, store=False, stop_filter=lambda _: bool(count) and shown >= count, **source)
    except (OSError, Scapy_Exception) as error:
        sys.stderr.write(f"{capture or interface or 'all interfaces'}: {error}\n")
        return 2 if capture else 1
    return 0


def describe(frame: Any) -> str | None:
    """One line about a VRRP packet; None for any other frame."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    if frame.haslayer(IP) and frame[IP].proto == checksum.PROTOCOL:
        layer, ttl, family = frame[IP], frame[IP].ttl, socket.AF_INET
        message = bytes(layer.payload)[: layer.len - layer.ihl * 4]
    elif frame.haslayer(IPv6) and frame[IPv6].nh == checksum.PROTOCOL:
        layer, ttl, family = frame[IPv6], frame[IPv6].hlim, socket.AF_INET6
        message = bytes(layer.payload)[: layer.plen]
    else:
        return None
    at = datetime.datetime.fromtimestamp(float(frame.time)).strftime("%H:%M:%S.%f")  # noqa: DTZ006 - the reader's own clock
    source, destination = socket.inet_pton(family, layer.src), socket.inet_pton(family, layer.dst)
    return f"{at} {layer.src} > {layer.dst} {_contents(message, source, destination, ttl)}"


def _contents(message: bytes, source: bytes, destination: bytes, ttl: int) -> str:
    if len(message) < 8:
        return f"VRRP, cut off after {len(message)} bytes"
    head, virtual_router_id, priority, count, high, low = message[:6]
    version = head >> 4
    name = f"VRRPv{version} router {virtual_router_id}"
    if version not in {2, 3}:
        return f"{name}: unknown version"
    password = message[-8:] if version == 2 and high == 1 else None
    interval = low * timers.SECOND if version == 2 else ((high << 8 | low) & 0x0FFF) * timers.CENTISECOND
    is_multicast = destination in {MULTICAST_IPV4, MULTICAST_IPV6}
    wire = Wire(
        version=version,
        virtual_router_id=virtual_router_id,
        interval=interval,
        addresses=(bytes(len(source)),),
        password=password,
        peers=frozenset() if is_multicast else frozenset({source}),
    )
    outcome = decode(wire, message, source, destination, ttl)
    if not isinstance(outcome, Advertisement):
        return f"{name} priority {priority}, {count} addresses: {outcome.value}"
    addresses = ", ".join(
        socket.inet_ntop(socket.AF_INET6 if len(a) == 16 else socket.AF_INET, a) for a in outcome.addresses
    )
    leaving = " (leaving)" if priority == 0 else " (owner)" if priority == 255 else ""
    with_password = ", password" if password is not None else ""
    return f"{name} priority {priority}{leaving}, every {interval // 1_000_000} ms{with_password}: {addresses}"
