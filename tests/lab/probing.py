"""The processes behind `lab.prober`, run as `python -m lab.probing`. Standard library only: they start fast.

`answer NAME PORT`: replies to every UDP probe with its own payload and NAME, from the address that was probed.
`probe ADDRESS PORT FILE`: one probe a millisecond; appends a line "received sequence name" for every answer, times in
nanoseconds of CLOCK_MONOTONIC, which all processes of the machine share.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path
from typing import NoReturn

PROBE_EVERY = 1_000_000
"""Nanoseconds."""
FLUSH_EVERY = 20_000_000
SEQUENCE = struct.Struct("!Q")


def answer(name: str, port: int) -> NoReturn:
    # One socket for both families: IPv4 probes arrive as mapped addresses, and the packet information works for both.
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as responder:
        responder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        responder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        responder.bind(("::", port))
        while True:
            payload, ancillary, _, sender = responder.recvmsg(64, 128)
            probed = [entry for entry in ancillary if entry[:2] == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)]
            with contextlib.suppress(OSError):  # the address went between the probe and the answer
                responder.sendmsg([payload, name.encode()], probed, 0, sender)


def probe(address: str, port: int, file: Path) -> NoReturn:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as prober, file.open("a") as answers:
        sequence, due, flush_at = 0, time.monotonic_ns(), 0
        while True:
            now = time.monotonic_ns()
            if now >= due:
                sequence, due = sequence + 1, max(due + PROBE_EVERY, now)
                with contextlib.suppress(OSError):  # no neighbour answers: the probe is lost, which is the measurement
                    prober.sendto(SEQUENCE.pack(sequence), (address, port))
            if now >= flush_at:
                answers.flush()
                flush_at = now + FLUSH_EVERY
            select.select([prober], [], [], max(0, due - time.monotonic_ns()) / 1e9)
            with contextlib.suppress(OSError):
                while payload := prober.recv(64):
                    (answered,) = SEQUENCE.unpack_from(payload)
                    answers.write(f"{time.monotonic_ns()} {answered} {payload[SEQUENCE.size :].decode()}\n")


def main(arguments: list[str]) -> NoReturn:
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    match arguments:
        case ["answer", name, port]:
            answer(name, int(port))
        case ["probe", address, port, file]:
            probe(address, int(port), Path(file))
    raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
