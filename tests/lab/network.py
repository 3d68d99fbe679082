"""A LAN of network namespaces: a switch with a bridge, and hosts joined to it by veth.

Everything a lab starts runs inside its namespaces, which are named `PREFIX-PID-SERIAL-HOST`. So a run that died can be
cleaned up whole: every `Lan` first sweeps the namespaces, and the processes in them, of runs whose process is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from lab.waiting import until

NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
LAST_LINES = 40
_serial = itertools.count()

# No duplicate address detection: an IPv6 address can be used at once. Addresses stay when a link goes down, as they do
# for IPv4, so that a cable pulled and plugged again is the same cable.
_HOST_SETTINGS = {"accept_dad": 0, "dad_transmits": 0, "keep_addr_on_down": 1}


def _ip(namespace: str, *arguments: str) -> str:
    command = ["ip", "-netns", namespace, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


@dataclasses.dataclass(frozen=True, slots=True)
class Port:
    """Where a host's interface is plugged in."""

    switch: str
    name: str


class Host:
    """A node, client or control plane: one network namespace, and what runs in it."""

    def __init__(self, name: str, namespace: str, folder: Path) -> None:
        self.name = name
        self.namespace = namespace
        self.folder = folder
        """For files of this host; gone with the LAN."""
        self.ports: dict[str, Port] = {}
        self._started: list[subprocess.Popen[bytes]] = []

    def __repr__(self) -> str:
        return f"Host({self.name})"

    def run(
        self, command: Sequence[str | Path], *, check: bool = True, stdin: str | None = None, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end in the namespace. Raises `RuntimeError` with standard error unless `check` is off."""
        done = subprocess.run(
            self._inside(command), check=False, input=stdin, capture_output=True, text=True, timeout=timeout
        )
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, command))}: {done.returncode}: {done.stderr.strip()}")
        return done

    def popen(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start in the namespace, in a session of its own. `env` adds to ours; output goes to `log`, if any."""
        with log.open("ab") if log else open(os.devnull, "ab") as output:  # noqa: PTH123
            process = subprocess.Popen(
                self._inside(command),
                env=os.environ | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def _inside(self, command: Sequence[str | Path]) -> list[str]:
        # Not `ip netns exec`, which remounts /sys and so loses the cgroups.
        return ["nsenter", f"--net={NAMESPACES / self.namespace}", "--", *map(str, command)]

    def processes(self) -> list[int]:
        """Every process in the namespace, whoever started it."""
        done = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False)
        return [int(word) for word in done.stdout.split()]

    def kill(self) -> None:
        """SIGKILL to every process of the host at once. Its kernel, and so its addresses, live on."""
        _kill(self.processes)
        for process in self._started:
            process.wait(timeout=10)
        self._started.clear()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is in the namespace inside the block: sockets opened there stay there."""
        with Path("/proc/thread-self/ns/net").open() as home:
            enter(self.namespace)
            try:
                yield
            finally:
                _set_namespace(home.fileno(), "home")

    def addresses(self, interface: str | None = None) -> list[str]:
        """Addresses with prefix length ("10.9.0.1/24") of one interface, or of all; link-local ones too."""
        links = json.loads(_ip(self.namespace, "-json", "address", "show", *(["dev", interface] if interface else [])))
        return [
            f"{entry['local']}/{entry['prefixlen']}"
            for link in links
            for entry in link.get("addr_info", [])
            if "local" in entry
        ]

    def holds(self, address: str) -> bool:
        """Whether the kernel has this address (without prefix length) on any interface."""
        return any(held.partition("/")[0] == address for held in self.addresses())

    def add_address(self, address: str, interface: str = "eth0") -> None:
        options = ["nodad"] if ":" in address else []
        _ip(self.namespace, "address", "add", address, "dev", interface, *options)

    def link_down(self, interface: str = "eth0") -> None:
        """The host's own side goes down, as by an operator's command."""
        _ip(self.namespace, "link", "set", interface, "down")

    def link_up(self, interface: str = "eth0") -> None:
        _ip(self.namespace, "link", "set", interface, "up")

    def rename(self, interface: str, to: str) -> None:
        """Down meanwhile, as older kernels want it."""
        for change in ((interface, "down"), (interface, "name", to), (to, "up")):
            _ip(self.namespace, "link", "set", *change)
        self.ports[to] = self.ports.pop(interface)

    def unplug(self, interface: str = "eth0") -> None:
        """The switch's side goes down: the host sees that it has no carrier."""
        port = self.ports[interface]
        _ip(port.switch, "link", "set", port.name, "down")

    def plug(self, interface: str = "eth0") -> None:
        port = self.ports[interface]
        _ip(port.switch, "link", "set", port.name, "up")


class Lan:
    """`with Lan() as lan:` one broadcast domain; everything in it is gone afterwards. Needs root."""

    def __init__(self, prefix: str = "lab", *, multicast_snooping: bool = False) -> None:
        self.name = f"{prefix}-{os.getpid()}-{next(_serial)}"
        self.folder = Path(tempfile.gettempdir()) / self.name
        self.hosts: dict[str, Host] = {}
        self.kept = False
        self.prefix = prefix
        self._snooping = multicast_snooping
        self._port_numbers = itertools.count()

    def __enter__(self) -> Self:
        sweep(self.prefix)
        self.folder.mkdir(mode=0o755)
        self.switch = self._namespace("switch")
        _settings(self.switch, {"disable_ipv6": 1})
        bridge = ("forward_delay", "0", "mcast_snooping", str(int(self._snooping)))
        _ip(self.switch, "link", "add", "br0", "type", "bridge", *bridge)
        _ip(self.switch, "link", "set", "br0", "up")
        return self

    def __exit__(self, *_: object) -> None:
        if not self.kept:
            for host in self.hosts.values():
                host.kill()
            _remove(self.name)

    def keep(self) -> None:
        """Leave everything running, also after this process; `sweep(prefix, kept=True)` ends it."""
        self.kept = True
        (self.folder / "kept").touch()

    def host(self, name: str, *addresses: str, interface: str = "eth0", gateway: str | None = None) -> Host:
        """A new host on this LAN with these addresses (with prefix length), usable at once."""
        folder = self.folder / name
        folder.mkdir()
        host = Host(name, self._namespace(name), folder)
        self.hosts[name] = host
        _settings(host.namespace, _HOST_SETTINGS)
        _ip(host.namespace, "link", "set", "lo", "up")
        self.attach(host, *addresses, interface=interface)
        if gateway:
            _ip(host.namespace, "route", "add", "default", "via", gateway)
        return host

    def attach(self, host: Host, *addresses: str, interface: str) -> None:
        """One more interface for a host, also for a host of another LAN."""
        port = Port(self.switch, f"p{next(self._port_numbers)}")
        peer = ("peer", "name", port.name, "netns", self.switch)
        _ip(host.namespace, "link", "add", interface, "type", "veth", *peer)
        _ip(self.switch, "link", "set", port.name, "master", "br0", "up")
        _ip(host.namespace, "link", "set", interface, "up")
        host.ports[interface] = port
        for address in addresses:
            host.add_address(address, interface)
        # IPv6 of a fresh veth is usable when the kernel has seen the carrier and made the link-local address.
        until(lambda: any(held.startswith("fe80:") for held in host.addresses(interface)), 5, f"{host} link-local")

    def tap(self) -> Port:
        """Where a machine with a kernel of its own is plugged in (`lab.guest`)."""
        port = Port(self.switch, f"p{next(self._port_numbers)}")
        _ip(self.switch, "tuntap", "add", "dev", port.name, "mode", "tap")
        _ip(self.switch, "link", "set", port.name, "master", "br0", "up")
        return port

    def logs(self) -> Iterator[tuple[str, str]]:
        """The name and the last lines of every log file under the LAN's folder; not of what containerd unpacked there."""
        for path in sorted(self.folder.rglob("*log")):
            if not path.is_file() or "containerd" in path.parts:
                continue
            if lines := path.read_text(errors="replace").splitlines()[-LAST_LINES:]:
                yield str(path.relative_to(self.folder)), "\n".join(lines)

    def partition(self, one: Host, other: Host, interface: str = "eth0") -> None:
        """The switch drops VRRP (protocol 112, both families) between two hosts, both ways; all else passes."""
        ports = one.ports[interface].name, other.ports[interface].name
        rules = [f'iifname "{into}" oifname "{out}" meta l4proto 112 drop' for into, out in (ports, reversed(ports))]
        chain = "\n".join(["type filter hook forward priority 0", *rules])
        self._nft(f"table bridge lab {{\nchain forward {{\n{chain}\n}}\n}}")

    def heal(self) -> None:
        """Undo every `partition`."""
        self._nft("table bridge lab\ndelete table bridge lab")

    def _nft(self, rules: str) -> None:
        command = ["nsenter", f"--net={NAMESPACES / self.switch}", "nft", "-f", "-"]
        done = subprocess.run(command, input=rules, text=True, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"nft: {done.stderr.strip()}")

    def _namespace(self, name: str) -> str:
        namespace = f"{self.name}-{name}"
        subprocess.run(["ip", "netns", "add", namespace], check=True, capture_output=True)
        return namespace


def enter(namespace: str) -> None:
    """The calling thread, for good."""
    with (NAMESPACES / namespace).open() as there:
        _set_namespace(there.fileno(), namespace)


def _set_namespace(file: int, name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(file, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"setns: {name}")


def sweep(prefix: str, *, kept: bool = False) -> None:
    """Remove what runs of this prefix left behind whose process is gone; those left on purpose only when asked."""
    left = {match[1] for path in _listed() if (match := re.fullmatch(rf"({re.escape(prefix)}-\d+-\d+)-.+", path))}
    for name in left:
        process = int(name.split("-")[-2])
        on_purpose = (Path(tempfile.gettempdir()) / name / "kept").exists()
        if not Path(f"/proc/{process}").exists() and (kept or not on_purpose):
            _remove(name)


def _remove(name: str) -> None:
    namespaces = [path for path in _listed() if path.startswith(f"{name}-")]
    for namespace in namespaces:
        host = Host(namespace, namespace, Path())
        _kill(host.processes)
        subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)
    shutil.rmtree(Path(tempfile.gettempdir()) / name, ignore_errors=True)


def _kill(processes: Callable[[], list[int]]) -> None:
    """SIGKILL until none is left: one may have forked between the look and the signal."""

    def none_left() -> bool:
        alive = processes()
        for process in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return not alive

    until(none_left, 10, "every process of the namespace is gone")


def _listed() -> list[str]:
    return sorted(path.name for path in NAMESPACES.iterdir()) if NAMESPACES.exists() else []


def _settings(namespace: str, settings: Mapping[str, int]) -> None:
    script = "; ".join(
        f"echo {value} > /proc/sys/net/ipv6/conf/{scope}/{name}"
        for scope in ("all", "default")
        for name, value in settings.items()
    )
    subprocess.run(["nsenter", f"--net={NAMESPACES / namespace}", "sh", "-c", script], check=True, capture_output=True)
