"""Debian's keepalived as a peer in a host's namespace, with files of its own: the machine's service is not touched."""

from __future__ import annotations

import itertools
import re
import shutil
import signal

from lab.network import Host
from lab.waiting import until

_serial = itertools.count()


class Keepalived:
    """One keepalived (VRRP only) with a configuration text; `start` it, `stop` it (SIGTERM), `kill` it (SIGKILL)."""

    def __init__(self, host: Host, configuration: str) -> None:
        self.host = host
        self._folder = host.folder / f"keepalived-{next(_serial)}"
        self._folder.mkdir()
        self._file = self._folder / "keepalived.conf"
        self._file.write_text(configuration)
        self._file.chmod(0o644)  # keepalived refuses a configuration that is executable
        self.log = self._folder / "log"

    @staticmethod
    def installed() -> bool:
        return shutil.which("keepalived") is not None

    def start(self) -> None:
        """Returns when its VRRP process runs. Raises `TimeoutError` with the log when it does not."""
        vrrp_pid = self._folder / "vrrp.pid"
        command = [
            "keepalived",
            "--vrrp",
            "--dont-fork",
            "--log-console",
            "--log-detail",
            f"--use-file={self._file}",
            f"--pid={self._folder / 'keepalived.pid'}",
            f"--vrrp_pid={vrrp_pid}",
        ]
        self._process = self.host.popen(command, log=self.log)
        until(lambda: vrrp_pid.exists() or self._process.poll() is not None, 10, f"keepalived starts: {self.log}")
        if self._process.poll() is not None:
            raise RuntimeError(f"keepalived ended: {self.log.read_text()}")

    def stop(self) -> None:
        """SIGTERM: it says farewell with priority 0 and removes the address."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=10)

    def kill(self) -> None:
        """SIGKILL, the child first: it would say farewell when its parent goes. The kernel keeps the address."""
        children = self.host.run(["pgrep", "-P", str(self._process.pid)], check=False).stdout.split()
        for process in (*children, self._process.pid):
            self.host.run(["kill", "-KILL", str(process)], check=False)
        self._process.wait(timeout=10)

    @property
    def state(self) -> str:
        """MASTER, BACKUP or FAULT: what it last wrote into its log; empty before the first."""
        entered = re.findall(r"Entering (\w+) STATE", self.log.read_text())
        return entered[-1] if entered else ""
