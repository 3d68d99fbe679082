"""The engine's one waiting place: orders and link changes are taken in first, then packets, then the timers are served.

A wake-up reads at most 64 packets, shared by the sockets that have any, so that a flood cannot starve the timers. An expired
Active_Down_Timer does not act while packets lie unread, unless that lasts for a quarter of the shortest period. While they come
faster than they are read the loop rests between two turns: a real-time process that never sleeps is ended by the kernel.

Once a second the guard gets an empty line, the beat: it ends an engine that has none.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from typing import Protocol

from floatip_agent.configuration import Configuration
from floatip_agent.engine.control import Connection
from floatip_agent.engine.engine import Engine, Key
from floatip_agent.engine.executor import Channel
from floatip_agent.marks import Marks
from floatip_agent.messages import Applied, Configure, EngineState, HealthChanged, Message, Scheduling, decode, encode
from floatip_agent.ports import AdvertisementSocket, Node
from floatip_agent.reading import ConfigurationError
from floatip_agent.vrrp import timers

PACKETS_AT_ONCE = 64
_TELEMETRY_BATCH = 16
"""Routers whose state is told in one go."""
_MOST_CONNECTIONS = 8
_REST = 0.001
"""Seconds. With 64 packets a turn this leaves a flood about half of a processor."""
BEAT = timers.SECOND
ENDING = frozenset((signal.SIGTERM, signal.SIGINT))
"""The signals that mean: leave. The guard forks with them blocked."""


class Timer(Protocol):
    """A deadline on the monotonic clock that makes a file descriptor readable."""

    def fileno(self) -> int: ...
    def arm(self, deadline: int | None) -> None: ...
    def acknowledge(self) -> None: ...


class Loop:
    """One engine process. `guard` is the stream to the parent: it gets each accepted order, and its end is ours."""

    def __init__(
        self,
        node: Node,
        timer: Timer,
        listener: socket.socket,
        guard: socket.socket,
        scheduling: Scheduling,
        marks: Marks = {},  # noqa: B006 - only read
    ) -> None:
        self._node = node
        self._timer = timer
        self._listener = listener
        self._guard = Connection(guard)
        self._scheduling = scheduling
        self._keepers: dict[int, Connection] = {}
        self._untold: dict[int, list[Key]] = {}
        """Routers that a keeper, by its file descriptor, has to hear of before its picture is whole."""
        self._applied: Applied | None = None
        self._ordered: Configure | None = None
        self._engine = Engine(node, self._report, marks=marks)
        self._sockets: dict[int, tuple[Channel, AdvertisementSocket]] = {}
        self._sockets_version = 0
        self._unread_since: int | None = None
        self._epoll = select.epoll()
        self._telemetry_at = 0
        self._beat_at = 0
        self._telemetry_from = 0
        self._is_running = True

    def run(self, configuration: Configuration | None) -> None:
        """Until SIGTERM or the guard's end; then leave: priority 0, addresses off."""
        wakeup = self._watch_signals()
        for source in (self._timer, self._listener, self._guard, self._node.interfaces, wakeup):
            self._epoll.register(source.fileno(), select.EPOLLIN)
        if configuration is not None:
            self._applied = self._engine.apply(0, configuration, time.monotonic_ns())
        while self._is_running:
            self._register_sockets()
            self._timer.arm(self._next_deadline())
            self._take_in({fd for fd, _ in self._epoll.poll()}, wakeup)
            # Asked again: an order may have taken long, and what arrived meanwhile is proof of life.
            heard_all = self._hear([fd for fd, _ in self._epoll.poll(0) if fd in self._sockets])
            now = time.monotonic_ns()
            self._engine.handle_timeouts(now, heard_all=heard_all)
            self._keep_guard_informed(now)
            self._go_on_with_pictures()
            self._send_telemetry(now)
            if self._unread_since is not None:
                time.sleep(_REST)
        self._engine.shutdown(time.monotonic_ns())
        self._keep_guard_informed(time.monotonic_ns())
        for connection in self._keepers.values():
            connection.flush()

    def _watch_signals(self) -> socket.socket:
        """SIGTERM arrives as a byte on a socket, between two turns and never inside one."""
        reading, writing = socket.socketpair()
        writing.setblocking(False)
        reading.setblocking(False)
        signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
        for number in ENDING:
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        return reading

    def _next_deadline(self) -> int:
        if self._untold:
            return 0
        deadline = self._engine.deadline
        if deadline is None:
            return self._beat_at
        return min(deadline, self._beat_at, self._telemetry_at if self._keepers else deadline)

    def _register_sockets(self) -> None:
        """Bring epoll in line with the engine's sockets, which come and go with configuration and links."""
        channels = self._engine.channels
        if channels.version == self._sockets_version:
            return
        self._sockets_version = channels.version
        wanted = {opened.fileno(): (channel, opened) for channel, opened in channels.sockets.items()}
        for fd in [fd for fd, entry in self._sockets.items() if wanted.get(fd) != entry]:
            del self._sockets[fd]  # closed: the kernel took it out of the epoll set
        for fd, entry in wanted.items():
            if fd not in self._sockets:
                self._sockets[fd] = entry
                self._epoll.register(fd, select.EPOLLIN)

    def _take_in(self, ready: set[int], wakeup: socket.socket) -> None:
        if self._timer.fileno() in ready:
            self._timer.acknowledge()
        if self._node.interfaces.fileno() in ready and self._node.interfaces.read():
            self._engine.interfaces_changed(time.monotonic_ns())
        if self._listener.fileno() in ready:
            self._accept()
        for fd in ready & self._keepers.keys():
            self._serve(self._keepers[fd])
        if self._guard.fileno() in ready and not self._guard.read()[1]:
            self._is_running = False
        if wakeup.fileno() in ready and wakeup.recv(64):
            self._is_running = False

    def _hear(self, ready: list[int]) -> bool:
        """Take packets in. Returns whether timers may believe that nothing lies unread."""
        share = max(1, PACKETS_AT_ONCE // max(1, len(ready)))
        drained = [self._receive(*self._sockets[fd], share) for fd in ready]
        if all(drained):
            self._unread_since = None
            return True
        now = time.monotonic_ns()
        if self._unread_since is None:
            self._unread_since = now
        return now - self._unread_since >= self._engine.shortest_interval // 4

    def _receive(self, channel: Channel, opened: AdvertisementSocket, most: int) -> bool:
        """Whether the socket is empty now."""
        for _ in range(most):
            try:
                packet = opened.receive()
            except OSError:
                return True  # the link is going; the netlink notification says what follows
            if packet is None:
                return True
            self._engine.receive(channel, packet, time.monotonic_ns())
        return False

    def _accept(self) -> None:
        try:
            stream, _ = self._listener.accept()
        except OSError:
            return
        if len(self._keepers) >= _MOST_CONNECTIONS:
            stream.close()
            return
        connection = Connection(stream)
        self._keepers[connection.fileno()] = connection
        self._epoll.register(connection.fileno(), select.EPOLLIN)
        self._send_picture(connection)

    def _send_picture(self, connection: Connection) -> None:
        """Its first line; the others follow a batch a turn, so that who connects delays no advertisement."""
        if self._applied is not None:
            connection.write(encode(self._applied))
        self._untold[connection.fileno()] = list(self._engine.routers)

    def _go_on_with_pictures(self) -> None:
        for fd, keys in list(self._untold.items()):
            connection = self._keepers[fd]
            for key in keys[:_TELEMETRY_BATCH]:
                if (router := self._engine.routers.get(key)) is not None:
                    connection.write(encode(router.report(stale=self._engine.is_health_stale)))
            del keys[:_TELEMETRY_BATCH]
            if not keys:
                del self._untold[fd]
                connection.write(encode(self._state()))

    def _state(self) -> EngineState:
        lateness = self._engine.lateness
        return EngineState(os.getpid(), self._scheduling, "AddressLifetime", lateness.buckets, lateness.sum)

    def _serve(self, connection: Connection) -> None:
        lines, is_open = connection.read()
        for line in lines:
            try:
                self._obey(line)
            except ConfigurationError as error:
                with contextlib.suppress(OSError):  # nobody reads any more
                    sys.stderr.write(f"engine: refused an order: {error}\n")
        if not is_open:
            self._epoll.unregister(connection.fileno())
            del self._keepers[connection.fileno()]
            self._untold.pop(connection.fileno(), None)
            connection.close()
            self._engine.is_health_stale = self._engine.is_health_stale or not self._keepers

    def _obey(self, line: bytes) -> None:
        message = decode(line)
        now = time.monotonic_ns()
        if isinstance(message, Configure):
            self._engine.is_health_stale = False
            self._ordered = message
            self._applied = self._engine.apply(message.serial, message.configuration, now)
            self._report(self._applied)
        elif isinstance(message, HealthChanged):
            self._engine.set_health(message.name, message.health, now)
        else:
            raise ConfigurationError(f"not an order: {type(message).__name__}")
        self._guard.write(line + b"\n")

    def _report(self, message: Message) -> None:
        if self._keepers:
            line = encode(message)
            for connection in self._keepers.values():
                connection.write(line)

    def _keep_guard_informed(self, now: int) -> None:
        """The beat, and high-water marks as they rise. A guard that did not read for long gets everything anew once it does: what it keeps
        is what the next engine runs."""
        if now >= self._beat_at:
            self._beat_at = now + BEAT
            self._guard.write(b"\n")
        for raised in self._engine.raised_marks():
            self._guard.write(encode(raised))
        self._guard.flush()
        if self._guard.is_lagging and not self._guard.wants_to_write:
            self._guard.is_lagging = False
            if self._ordered is not None:
                self._guard.write(encode(self._ordered))
            for marks in self._engine.all_marks():
                self._guard.write(encode(marks))

    def _send_telemetry(self, now: int) -> None:
        """Counters in small batches, each router's about once a second; the queues of slow readers."""
        if now < self._telemetry_at or not self._keepers:
            return
        routers = list(self._engine.routers.values())
        batches = max(1, -(-len(routers) // _TELEMETRY_BATCH))
        self._telemetry_at = now + timers.SECOND // batches
        if self._telemetry_from >= len(routers):
            self._telemetry_from = 0
            state = encode(self._state())
            for connection in (self._keepers[fd] for fd in self._keepers.keys() - self._untold.keys()):
                connection.write(state)
        for router in routers[self._telemetry_from : self._telemetry_from + _TELEMETRY_BATCH]:
            self._engine.report(router)
        self._telemetry_from += _TELEMETRY_BATCH
        for connection in self._keepers.values():
            connection.flush()
            if connection.is_lagging and not connection.wants_to_write:
                connection.is_lagging = False
                self._send_picture(connection)
