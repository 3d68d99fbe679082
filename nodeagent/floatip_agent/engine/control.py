"""The engine's line to the keeper: JSON lines over a stream socket that never makes the engine wait."""

from __future__ import annotations

import socket

from floatip_agent.messages import MAXIMUM_LINE

_CHUNK = 256 * 1024
_MOST_QUEUED = 4 * 1024 * 1024
"""Bytes of telemetry that wait for a slow reader; more is dropped, and the whole picture is sent once it reads again."""


class Connection:
    """One peer. After `is_lagging` turned true and the queue ran empty, the owner sends everything anew."""

    def __init__(self, stream: socket.socket) -> None:
        self._socket = stream
        self._socket.setblocking(False)
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self.is_lagging = False

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def wants_to_write(self) -> bool:
        return bool(self._outgoing)

    def read(self) -> tuple[list[bytes], bool]:
        """Whole lines that are there, and whether the peer is still there."""
        try:
            chunk = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return [], True
        except OSError:
            return [], False
        if not chunk:
            return [], False
        self._incoming += chunk
        *lines, rest = self._incoming.split(b"\n")
        self._incoming = bytearray(rest)
        return [bytes(line) for line in lines], len(rest) <= MAXIMUM_LINE

    def write(self, line: bytes) -> None:
        """Queue a line and send what the socket takes."""
        if self.is_lagging:
            return
        if len(self._outgoing) + len(line) > _MOST_QUEUED and self._outgoing:
            self.is_lagging = True
            return
        self._outgoing += line
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes now. A peer that is gone shows in `read`."""
        try:
            while self._outgoing:
                del self._outgoing[: self._socket.send(self._outgoing[:_CHUNK])]
        except BlockingIOError:
            return
        except OSError:
            self._outgoing.clear()

    def close(self) -> None:
        self._socket.close()
