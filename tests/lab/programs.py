"""A program of the product in a host's namespace: started, asked to end, or killed with all its processes at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.network import Host
from lab.waiting import until


def installed(name: str) -> str:
    """A command of this virtual environment, such as `floatip-agent`."""
    return str(Path(sys.executable).with_name(name))


class Program:
    """A command with its output in `log`."""

    def __init__(self, host: Host, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.host = host
        self.log = log
        self._command = list(command)
        self._environment = {"PYTHONUNBUFFERED": "1", **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = self.host.popen(self._command, env=self._environment, log=self.log)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self._command[0]} was not started")
        return self._process

    def stop(self, seconds: float = 10) -> int:
        """SIGTERM, and its exit status. Raises `subprocess.TimeoutExpired`."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        """SIGKILL to all of its processes at once: frozen first, or the engine would leave in good order in the moment
        between two signals."""

        def none_left() -> bool:
            alive = self.processes()
            for process in alive:
                os.kill(process, signal.SIGKILL)
            return not alive

        first = self.process
        for process in self.processes():
            os.kill(process, signal.SIGSTOP)
        until(none_left, 10, f"{self._command[0]} is gone")
        first.wait(timeout=10)

    def processes(self) -> list[int]:
        """Its processes, the first one first: those of the session that it was started in."""
        leader = self.process.pid
        session = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return sorted((pid for pid in session if _session(pid) == leader), key=lambda pid: pid != leader)


def _session(pid: int) -> int | None:
    """None: it is gone, or dead and not yet waited for."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, session = after_name[0], int(after_name[3])
    return None if state in "ZX" else session
