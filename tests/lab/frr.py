"""FRR's vrrpd (with the zebra it needs) of two Debian releases as a peer in a host's namespace; none is installed.

FRR keeps the addresses on a macvlan with the virtual MAC all the time, and switches that link off ("protodown") while it
is a Backup.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import debian
from lab.network import Host
from lab.waiting import until

PACKAGES = {"8.4": debian.Package("frr", "bookworm"), "10.3": debian.Package("frr", "trixie")}
"""By version; only the newer one can leave the pseudo-header out of the IPv4 checksum."""
OLDER, NEWER = PACKAGES

_END = bytes(3)
"""Before the status byte that ends an answer of the vty; 0 is success."""

_serial = itertools.count()


@dataclasses.dataclass(frozen=True, slots=True)
class Router:
    """A virtual router's place: what FRR finds by the hardware address."""

    virtual_router_id: int
    address: str
    """With prefix length."""

    @property
    def link(self) -> str:
        return f"vrrp{6 if ':' in self.address else 4}-{self.virtual_router_id}"

    @property
    def hardware_address(self) -> str:
        """RFC 9568, 7.3."""
        return f"00:00:5e:00:0{2 if ':' in self.address else 1}:{self.virtual_router_id:02x}"


class Frr:
    """zebra and vrrpd; `start` them, `stop` them (SIGTERM), `kill` them (SIGKILL). Raises `debian.DebianError`."""

    def __init__(self, host: Host, routers: Sequence[Router], version: str = NEWER) -> None:
        self.host = host
        self._package = PACKAGES[version]
        self._package.path("usr/lib/frr/vrrpd")
        self._folder = host.folder / f"frr-{next(_serial)}"
        self._folder.mkdir()
        shutil.chown(self._folder, "frr", "frr")
        (self._folder / "zebra.conf").touch()
        self.log = self._folder / "log"
        for router in routers:
            self._make_link(router)

    def write(self, configuration: str) -> None:
        """vrrpd's, read at the start."""
        (self._folder / "vrrpd.conf").write_text(configuration)

    def start(self) -> None:
        """Returns when vrrpd takes commands. Raises `TimeoutError`."""
        self._processes = [self._start("zebra", "zserv"), self._start("vrrpd", "vrrpd.vty")]

    def stop(self) -> None:
        """SIGTERM: vrrpd says farewell with priority 0."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL. The links with the addresses stay up."""
        self._end(signal.SIGKILL)

    def command(self, *lines: str) -> str:
        """Each line to vrrpd's vty, as vtysh sends it; the last one's output. Raises `RuntimeError`."""
        output = b""
        with socket.socket(socket.AF_UNIX) as vty:
            vty.settimeout(10)
            vty.connect(str(self._folder / "vrrpd.vty"))
            for line in ("enable", *lines):
                vty.sendall(line.encode() + b"\0")
                output = b""
                while output[-4:-1] != _END:
                    output += vty.recv(65536)
                if output[-1]:
                    raise RuntimeError(f"vrrpd: {line}: {output[-1]}: {output[:-4].decode().strip()}")
        return output[:-4].decode()

    def status(self) -> list[dict[str, Any]]:
        """`show vrrp json`."""
        status: list[dict[str, Any]] = json.loads(self.command("show vrrp json"))
        return status

    def _start(self, daemon: str, listens_at: str) -> subprocess.Popen[bytes]:
        (self._folder / listens_at).unlink(missing_ok=True)
        (modules,) = (self._package.folder / "usr/lib").glob("*/frr/modules")
        command: list[str | Path] = [*self._package.command(f"usr/lib/frr/{daemon}")]
        command += ["--vty_socket", self._folder, "--socket", self._folder / "zserv", "--vty_port=0"]
        command += ["--moduledir", modules, "--config_file", self._folder / f"{daemon}.conf"]
        command += ["--pid_file", self._folder / f"{daemon}.pid", "--log=stdout"]
        # zebra complains without end that there is no mgmtd.
        process = self.host.popen(command, log=self.log if daemon == "vrrpd" else self._folder / "zebra.out")
        until(lambda: (self._folder / listens_at).exists() or process.poll() is not None, 10, f"{daemon}: {self.log}")
        if process.poll() is not None:
            raise RuntimeError(f"{daemon} ended: {self.log.read_text()}")
        return process

    def _end(self, how: signal.Signals) -> None:
        for process in reversed(self._processes):
            process.send_signal(how)
            process.wait(timeout=10)

    def _make_link(self, router: Router) -> None:
        link = ["ip", "link", "add", router.link, "link", "eth0", "address", router.hardware_address]
        self.host.run([*link, "type", "macvlan", "mode", "bridge"])
        self.host.add_address(router.address, router.link)
        # The address is there while the link is down, too: the kernel must not answer for it then.
        settings = {"ipv4/conf/all/arp_ignore": 1, "ipv4/conf/all/ignore_routes_with_linkdown": 1}
        for name, value in settings.items():
            self.host.run(["sh", "-c", f"echo {value} > /proc/sys/net/{name}"])
        self.host.run(["ip", "link", "set", router.link, "protodown", "on"])  # as a Backup's is
        self.host.run(["ip", "link", "set", router.link, "up"])
