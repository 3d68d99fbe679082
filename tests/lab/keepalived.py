"""keepalived of two Debian releases as a peer in a host's namespace, with files of its own; none is installed."""

from __future__ import annotations

import gzip
import itertools
import re
import signal

from lab import debian
from lab.network import Host
from lab.waiting import until

PACKAGES = {"2.2": debian.Package("keepalived", "bookworm"), "2.3": debian.Package("keepalived", "trixie")}
"""By version: 2.2.7, which drops an advertisement with another address list than its own, and 2.3.3, which does not."""
OLDER, NEWER = PACKAGES

_serial = itertools.count()


class Keepalived:
    """One keepalived (VRRP only) with a configuration text; `start` it, `stop` it (SIGTERM), `kill` it (SIGKILL)."""

    def __init__(self, host: Host, configuration: str, version: str = OLDER) -> None:
        self.host = host
        self._program = command(version)
        self._folder = host.folder / f"keepalived-{next(_serial)}"
        self._folder.mkdir()
        self._file = self._folder / "keepalived.conf"
        self.write(configuration)
        self.log = self._folder / "log"

    def write(self, configuration: str) -> None:
        """Read at the start, and by `reload`."""
        self._file.write_text(configuration)
        self._file.chmod(0o644)  # keepalived refuses a configuration that is executable

    def start(self) -> None:
        """Returns when its VRRP process runs. Raises `TimeoutError` with the log when it does not."""
        vrrp_pid = self._folder / "vrrp.pid"
        options = [
            "--vrrp",
            "--dont-fork",
            "--log-console",
            "--log-detail",
            f"--use-file={self._file}",
            f"--pid={self._folder / 'keepalived.pid'}",
            f"--vrrp_pid={vrrp_pid}",
            # It looks for those of processes that it does not have, too, and may find another keepalived's.
            f"--checkers_pid={self._folder / 'checkers.pid'}",
            f"--bfd_pid={self._folder / 'bfd.pid'}",
        ]
        self._process = self.host.popen([*self._program, *options], log=self.log)
        until(lambda: vrrp_pid.exists() or self._process.poll() is not None, 10, f"keepalived starts: {self.log}")
        if self._process.poll() is not None:
            raise RuntimeError(f"keepalived ended: {self.log.read_text()}")

    def reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)

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


def command(version: str) -> list[str]:
    """What starts this version. Raises `debian.DebianError` when it is not in the cache folder."""
    # 2.3 ends when it does not find the package's list of build options, in /etc or beside its own name.
    return PACKAGES[version].command("usr/sbin/keepalived", called="etc/keepalived/keepalived")


def manual(version: str) -> str:
    """keepalived.conf(5), with its mark-up. Raises `debian.DebianError`."""
    with gzip.open(PACKAGES[version].path("usr/share/man/man5/keepalived.conf.5.gz"), "rt") as page:
        return page.read()
