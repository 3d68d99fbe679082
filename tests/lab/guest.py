"""A machine with a kernel of its own: a User Mode Linux guest on a LAN of the lab.

It runs one job on this machine's files, which it can only read; what it writes lies in memory or in its `folder`. It has what
the host's kernel may lack (VLANs, bonds, dummy interfaces, cgroup v2 with a memory controller), and it can be frozen, or lose
its power, as a whole.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import user_mode_linux
from lab.network import Lan
from lab.waiting import until

INIT = Path(__file__).with_name("guest-init.sh")
TESTS = INIT.parents[1]
INTERFACE = "vec0"
"""The guest's interface on the LAN."""


class Guest:
    """`job` is a shell script that runs in the guest's `folder`; the guest ends with it."""

    def __init__(self, lan: Lan, name: str, job: str, *, memory: str = "256M") -> None:
        """Raises `MissingKernel`."""
        self._kernel = user_mode_linux.kernel()
        self._lan = lan
        self.name = name
        self.folder = lan.folder / name
        self.folder.mkdir()
        (self.folder / "job").write_text(job)
        self.log = self.folder / "console.log"
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def running_tests(cls, lan: Lan, name: str, files: Sequence[Path], **more: str) -> Guest:
        """A guest whose job is pytest on these files."""
        pytest = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--color=no",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            f"--rootdir={TESTS.parent}",
        ]
        command = shlex.join([*pytest, f"--config-file={TESTS.parent / 'pyproject.toml'}", *map(str, files)])
        return cls(lan, name, command, **more)

    def start(self) -> None:
        tap = self._lan.tap()
        kernel = [str(self._kernel.program), f"mem={self._memory}", f"umid={self.name}", f"uml_dir={self.folder}"]
        kernel += ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "con=null", "con0=fd:0,fd:1"]
        kernel += [f"{INTERFACE}:transport=tap,ifname={tap.name},depth=128,gro=1", f"init={INIT}"]
        environment = [f"FOLDER={self.folder}", f"MODPROBE={self._kernel.modprobe}"]
        with self.log.open("ab") as console:
            self._process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{tap.switch}", "--", *kernel, *environment],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a process group of its own: the kernel and, with older ones, its helpers
            )

    def wait(self, seconds: float) -> int:
        """Until the job has ended: its exit status. Raises `TimeoutError`."""
        status = self.folder / "status"
        until(
            lambda: status.exists() or self._started.poll() is not None,
            seconds,
            f"{self.name}'s job; its console: {self.log}",
        )
        if not status.exists():
            raise RuntimeError(f"{self.name} ended before its job; its console: {self.log}")
        return int(status.read_text())

    def freeze(self) -> None:
        """Its kernel stops, and every program at its next system call."""
        self._started.send_signal(
            signal.SIGSTOP
        )  # not the group: the kernel traces its programs and would not know their SIGCONT

    def thaw(self) -> None:
        self._started.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Its power is cut."""
        os.killpg(self._started.pid, signal.SIGKILL)
        self._started.wait(timeout=10)

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process
