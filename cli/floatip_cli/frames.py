"""Frames for `floatip sniff`, taken apart by scapy: from a capture file, or live from interfaces."""

from __future__ import annotations

import logging
import select
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from floatip_agent.linux import packet_filter

_ETHERNET, _LOOPBACK = 1, 772
# Classic BPF over an Ethernet frame without its VLAN tag, which the kernel takes off: VRRP over IPv4 or IPv6, else nothing.
_VRRP_ONLY = (
    (0x28, 0, 0, 12),  # ldh [12]
    (0x15, 0, 2, 0x0800),
    (0x30, 0, 0, 23),  # ldb [23]
    (0x15, 3, 4, 112),
    (0x15, 0, 3, 0x86DD),
    (0x30, 0, 0, 20),  # ldb [20]
    (0x15, 0, 1, 112),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)


class BadCapture(Exception):
    """The file, or the rest of it, is no capture that can be read; the text says why."""


class _Complaints(logging.Handler):
    """scapy goes on behind what it cannot read, and only warns."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def captured(capture: Path) -> Iterator[Any]:
    """pcap or pcapng, also gzipped. Raises `BadCapture`, also after the frames that could be read; OSError."""
    from scapy.error import Scapy_Exception
    from scapy.utils import PcapReader

    complaints, log = _Complaints(), logging.getLogger("scapy.runtime")
    log.addHandler(complaints)
    log.propagate = False
    try:
        with PcapReader(str(capture)) as reader:
            yield from reader
    except Scapy_Exception as error:
        raise BadCapture(str(error)) from error
    finally:
        log.removeHandler(complaints)
    if complaints.messages:
        raise BadCapture("; ".join(dict.fromkeys(complaints.messages)))


def interfaces() -> list[str]:
    from scapy.interfaces import get_if_list

    return sorted(get_if_list())


def live(names: Sequence[str]) -> Iterator[Any]:
    """For ever; each frame has its interface as `sniffed_on`. Raises OSError naming the interface: without the right, or when it goes."""
    from scapy.arch.linux import L2ListenSocket

    opened: dict[Any, str] = {}
    name = ""
    try:
        for name in names:
            listening = L2ListenSocket(iface=name)
            opened[listening] = name
            if listening.ins.getsockname()[3] in {_ETHERNET, _LOOPBACK}:
                packet_filter.attach(listening.ins, _VRRP_ONLY)
        while True:
            for listening in select.select(list(opened), [], [])[0]:
                name = opened[listening]
                if (frame := listening.recv()) is not None:
                    frame.sniffed_on = name
                    yield frame
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error
    finally:
        for listening in opened:
            listening.close()
