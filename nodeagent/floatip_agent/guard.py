"""The engine's parent: keeps what the engine accepted, forks another engine when one dies or hangs, takes addresses off in between.

One thread, no asyncio. The guard takes the abstract socket `@floatip-engine` first: a second agent in the same network
namespace waits there and touches nothing. In `floatip-agent run` it also keeps a keeper running.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from floatip_agent import engine_process, marks
from floatip_agent.configuration import Configuration
from floatip_agent.engine.control import Connection
from floatip_agent.engine.loop import ENDING
from floatip_agent.linux import netlink, realtime
from floatip_agent.linux.sweep import sweep
from floatip_agent.messages import Configure, HealthChanged, MarksRaised, decode
from floatip_agent.reading import ConfigurationError

LOCK = "\0floatip-engine"
SOCKET_NAME = "engine.sock"
SAVED_NAME = "engine.json"

_NOT_PERMITTED = 77
_UNUSABLE = 2
"""The keeper's exit status for arguments or documents that it cannot use: fatal while nothing is served."""
_KEEPER_GRACE = 5.0
_STEADY = 10.0
"""Seconds after which a child's death is no longer counted as one of a row."""
_LONGEST_DELAY = 10.0
_LOOK_EVERY = 1.0
_HUNG_AFTER = 5.0
"""Seconds without the engine's beat. It beats each second; after 3 s without a renewal its addresses are gone in any case."""


@dataclasses.dataclass(frozen=True, slots=True)
class GuardOptions:
    """`keeper` is the command of the keeper to run beside the engine, empty for none; `leave_timeout` in seconds."""

    state_dir: Path
    run_dir: Path
    leave_timeout: float
    keeper: Sequence[str] = ()


class _Restarts:
    """When a child that dies again and again may start: at once the first time, then after 0.1 s, 0.2 s ... 10 s."""

    def __init__(self) -> None:
        self._deaths = 0
        self.started_at = 0.0
        self.start_at = 0.0

    def started(self) -> None:
        self.started_at = time.monotonic()

    def died(self) -> None:
        now = time.monotonic()
        self._deaths = 1 if now - self.started_at > _STEADY else self._deaths + 1
        delay = 0.0 if self._deaths == 1 else min(_LONGEST_DELAY, 0.1 * 2.0 ** (self._deaths - 2))
        self.start_at = now + delay


class _Pulse:
    """Whether the engine beats. Time in which the guard did not run itself (a paused machine, a frozen cgroup) does not count."""

    def __init__(self, now: float) -> None:
        self._beat_at = self._looked_at = now

    def beat(self, now: float) -> None:
        self._beat_at = now

    def is_lost(self, now: float) -> bool:
        """To be asked at least every `_LOOK_EVERY`."""
        if now - self._looked_at > 2 * _LOOK_EVERY:
            self._beat_at = now
        self._looked_at = now
        return now - self._beat_at > _HUNG_AFTER


class Guard:
    def __init__(self, options: GuardOptions) -> None:
        self._options = options
        self._configuration: Configuration | None = None
        self._marks: dict[marks.Key, dict[str, int]] = {}
        self._requests = netlink.Requests()
        self._engine = 0
        self._engine_fd = -1
        self._orders: Connection | None = None
        self._may_order = False
        self._pulse = _Pulse(0.0)
        self._engine_restarts = _Restarts()
        self._keeper: subprocess.Popen[bytes] | None = None
        self._keeper_restarts = _Restarts()
        self._is_leaving = False

    def run(self) -> int:
        """Until SIGTERM. Returns the exit status."""
        wakeup = _signals()
        lock = self._take_lock(wakeup)
        if lock is None:
            return 0
        self._options.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._options.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        listener = _listen(self._options.run_dir / SOCKET_NAME)
        self._configuration = self._saved()
        self._marks = self._saved_marks()
        realtime.claim_scheduling(above=1)
        status = self._supervise(listener, wakeup)
        self._leave()
        with contextlib.suppress(FileNotFoundError):
            (self._options.run_dir / SOCKET_NAME).unlink()
        return status

    def _take_lock(self, wakeup: socket.socket) -> socket.socket | None:
        """None when told to stop while another agent has the network namespace."""
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        is_said = False
        while True:
            try:
                lock.bind(LOCK)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                if not is_said:
                    _say("another agent runs in this network namespace: waiting, touching nothing")
                    is_said = True
            else:
                return lock
            if select.select([wakeup], [], [], 1.0)[0] and self._obey(wakeup.recv(64)):
                return None

    def _saved(self) -> Configuration | None:
        """What the keeper saved; a broken copy is said and set aside."""
        path = self._options.state_dir / SAVED_NAME
        try:
            saved = Configuration.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            _say(f"the saved copy {path} cannot be read: {error.strerror}")
            return None
        except ConfigurationError as error:
            broken = path.with_suffix(".json.broken")
            path.replace(broken)
            _say(f"the saved copy {path} is unusable: {error}; set aside as {broken.name}")
            return None
        for sentence in saved.passed_over:
            _say(f"the saved copy {path} is of another version: {sentence}")
        return saved

    def _saved_marks(self) -> dict[marks.Key, dict[str, int]]:
        path = self._options.state_dir / marks.FILE_NAME
        try:
            return marks.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ConfigurationError) as error:
            _say(f"{path}: {error}: replays of what was sent before cannot be told")
            return {}

    def _supervise(self, listener: socket.socket, wakeup: socket.socket) -> int:
        while True:
            if not self._engine and time.monotonic() >= self._engine_restarts.start_at:
                self._fork(listener)
            if self._options.keeper and self._keeper is None and time.monotonic() >= self._keeper_restarts.start_at:
                self._start_keeper()
            watched = [wakeup.fileno()] + ([self._engine_fd] if self._engine else [])
            if self._orders is not None and self._may_order:
                watched.append(self._orders.fileno())
            ready, _, _ = select.select(watched, [], [], self._patience())
            if self._orders is not None and self._orders.fileno() in ready:
                # The end of the stream is no reason to look again: an engine that dies needs the CPU, which we go before, to be done.
                self._may_order = self._take_orders()
            if self._engine and self._engine_fd in ready and self._engine_died() == _NOT_PERMITTED:
                return 1
            self._end_hung_engine()
            if wakeup.fileno() in ready and self._obey(wakeup.recv(64)):
                return 0
            if self._reap_keeper() == _UNUSABLE and self._configuration is None:
                return _UNUSABLE

    def _patience(self) -> float:
        """Seconds until a child may be started again, or the engine's beat is looked at; a keeper's death arrives as SIGCHLD."""
        now = time.monotonic()
        waits = [now + _LOOK_EVERY if self._engine else self._engine_restarts.start_at]
        if self._options.keeper and self._keeper is None:
            waits.append(self._keeper_restarts.start_at)
        return max(0.0, min(waits) - now)

    def _end_hung_engine(self) -> None:
        """Its end is then seen like any other's."""
        now = time.monotonic()
        if self._engine and self._pulse.is_lost(now):
            _say(f"the engine has not beaten for {_HUNG_AFTER:g} s and is ended")
            os.kill(self._engine, signal.SIGKILL)
            self._pulse.beat(now)

    def _fork(self, listener: socket.socket) -> None:
        """A new engine. Whatever an engine before it left behind is taken off first: nobody stands behind it."""
        if count := sweep(self._requests):
            _say(f"removed {count} addresses that an engine left behind")
        ours, theirs = socket.socketpair()
        sys.stderr.flush()
        # Until the child listens to signals itself they wait, or they would go to our own socket.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        child = os.fork()
        if child == 0:
            ours.close()
            self._become_engine(listener, theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        theirs.close()
        self._engine, self._engine_fd = child, os.pidfd_open(child)
        self._orders, self._may_order = Connection(ours), True
        self._pulse = _Pulse(time.monotonic())
        self._engine_restarts.started()

    def _become_engine(self, listener: socket.socket, guard: socket.socket) -> None:
        status = 1
        try:
            engine_process.run(self._configuration, self._marks, listener, guard)
            status = 0
        except PermissionError as error:
            _say(f"{error}: the engine needs CAP_NET_ADMIN and CAP_NET_RAW")
            status = _NOT_PERMITTED
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _take_orders(self) -> bool:
        """What the engine accepted, by a piece of the stream. Returns whether more may come."""
        assert self._orders is not None
        lines, is_open = self._orders.read()
        if lines:
            self._pulse.beat(time.monotonic())
        for line in filter(None, lines):
            match decode(line):
                case Configure(configuration=configuration):
                    self._configuration = configuration
                    wanted = {router.key for router in configuration.routers}
                    self._marks = {key: own for key, own in self._marks.items() if key in wanted}
                case MarksRaised(name=name, family=family, marks=raised):
                    self._marks.setdefault((name, family), {}).update(raised)
                case HealthChanged(name=name, health=health) if self._configuration is not None:
                    known = {**self._configuration.health, name: health}
                    self._configuration = dataclasses.replace(self._configuration, health=known)
        return is_open

    def _engine_died(self) -> int:
        """Reap it and take its addresses off; returns its exit status."""
        sweep(self._requests)
        while self._take_orders():
            pass
        _, status = os.waitpid(self._engine, 0)
        code = os.waitstatus_to_exitcode(status)
        _say(f"the engine ended with {code}" if code >= 0 else f"the engine was ended by signal {-code}")
        os.close(self._engine_fd)
        if self._orders is not None:
            self._orders.close()
        self._engine, self._engine_fd, self._orders = 0, -1, None
        self._engine_restarts.died()
        return code

    def _obey(self, numbers: bytes) -> bool:
        """Act on signals; True for the one that ends us."""
        if signal.SIGHUP in numbers and self._keeper is not None:
            self._keeper.send_signal(signal.SIGHUP)
        return bool(ENDING & set(numbers))

    def _start_keeper(self) -> None:
        self._keeper = subprocess.Popen(self._options.keeper, preexec_fn=_as_keeper)
        self._keeper_restarts.started()

    def _reap_keeper(self) -> int | None:
        """The exit status of a keeper that ended, None while it runs."""
        if self._keeper is None or (status := self._keeper.poll()) is None:
            return None
        if status != _UNUSABLE:
            _say(f"the keeper ended with {status}; it is started again")
        self._keeper = None
        self._keeper_restarts.died()
        return status

    def _leave(self) -> None:
        """The engine hands over within the leave timeout, then the keeper writes its last status."""
        if self._engine:
            os.kill(self._engine, signal.SIGTERM)
            if not select.select([self._engine_fd], [], [], self._options.leave_timeout)[0]:
                _say("the engine did not leave in time and is ended")
                os.kill(self._engine, signal.SIGKILL)
                select.select([self._engine_fd], [], [])
            os.waitpid(self._engine, 0)
        sweep(self._requests)
        if self._keeper is not None:
            self._keeper.terminate()
            try:
                self._keeper.wait(_KEEPER_GRACE)
            except subprocess.TimeoutExpired:
                self._keeper.kill()
                self._keeper.wait()


def _as_keeper() -> None:
    """What the keeper is and the guard is not; without a guard it would speak for an engine that is gone."""
    realtime.step_down()
    realtime.end_with_parent(signal.SIGTERM)


def _signals() -> socket.socket:
    """Signals as bytes on a socket, among the other things that the guard waits for."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reading


def _listen(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(8)
    listener.setblocking(False)
    return listener


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads any more
        sys.stderr.write(f"guard: {text}\n")
        sys.stderr.flush()
