"""rtnetlink by hand, for the moment of failover: requests in one datagram, acknowledgements read back.

pyroute2 takes ten times as long (benchmarks/wire.py) and brings an event loop. Numbers are from linux/netlink.h, rtnetlink.h, if_addr.h.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_CREATE = 0x100, 0x400
NLM_F_DUMP_INTR = 0x10

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_MONITOR_BUFFER = 4 * 1024 * 1024
_SO_RCVBUFFORCE = 33
_DATAGRAM = 256 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One netlink message; `body` begins at the family header (ifinfomsg, ifaddrmsg)."""

    kind: int
    body: bytes
    flags: int = 0


def attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def attributes(body: bytes, offset: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = body[offset + _ATTRIBUTE.size : offset + length]
        offset += length + (-length % 4)
    return found


def _split(datagram: bytes) -> Iterator[tuple[Message, int]]:
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size:
            return
        yield Message(kind, datagram[offset + _HEADER.size : offset + length], flags), sequence
        offset += length + (-length % 4)


class Requests:
    """A socket for requests: each is answered before the next is made, so nothing ever queues up."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        # Sending waits for the kernel's RTNL lock, however long; the answer is there when it returns. This bounds a kernel's bug.
        self._socket.settimeout(1.0)
        self._sequence = 0

    def execute(self, messages: Sequence[Message]) -> list[int]:
        """All in one datagram. Returns each one's errno, 0 for done."""
        first = self._sequence + 1
        datagram = bytearray()
        for message in messages:
            self._sequence += 1
            flags = message.flags | NLM_F_REQUEST | NLM_F_ACK
            datagram += _HEADER.pack(_HEADER.size + len(message.body), message.kind, flags, self._sequence, 0)
            datagram += message.body
        self._socket.send(datagram)
        results: dict[int, int] = {}
        while len(results) < len(messages):
            for message, sequence in _split(self._socket.recv(_DATAGRAM)):
                if message.kind == _NLMSG_ERROR and sequence >= first:
                    results[sequence] = -struct.unpack_from("=i", message.body)[0]
        return [results[first + index] for index in range(len(messages))]

    def get(self, kind: int, body: bytes) -> Message:
        """The one object that is asked for. Raises OSError."""
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST, self._sequence, 0) + body)
        while True:
            for message, sequence in _split(self._socket.recv(_DATAGRAM)):
                if sequence == self._sequence and message.kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", message.body)[0]
                    raise OSError(number, os.strerror(number))
                if sequence == self._sequence:
                    return message

    def dump(self, kind: int, body: bytes) -> list[Message]:
        """Everything of one kind; asked again when the kernel says that it changed under way."""
        while True:
            messages, is_whole = self._dump_once(kind, body)
            if is_whole:
                return messages

    def _dump_once(self, kind: int, body: bytes) -> tuple[list[Message], bool]:
        self._sequence += 1
        flags = NLM_F_REQUEST | NLM_F_DUMP
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)
        found: list[Message] = []
        is_whole = True
        while True:
            for message, sequence in _split(self._socket.recv(_DATAGRAM)):
                if sequence != self._sequence:
                    continue
                is_whole = is_whole and not message.flags & NLM_F_DUMP_INTR
                if message.kind == _NLMSG_DONE:
                    return found, is_whole
                if message.kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", message.body)[0]
                    raise OSError(number, f"netlink dump: {os.strerror(number)}")
                found.append(message)

    def close(self) -> None:
        self._socket.close()


class Monitor:
    """What the kernel says of links and addresses, without being asked."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _MONITOR_BUFFER)
        self._socket.bind((0, _GROUPS))

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> list[Message]:
        """What is there now. Raises OSError ENOBUFS when some was lost: `discard` the rest and dump again."""
        found: list[Message] = []
        while True:
            try:
                datagram = self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                return found
            found += [message for message, _ in _split(datagram)]

    def discard(self) -> None:
        """Empty the socket."""
        while True:
            try:
                self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def close(self) -> None:
        self._socket.close()
