"""The lab's own promises: what tests and demo stand on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lab.network import NAMESPACES, Lan, sweep
from lab.prober import TESTS
from lab.waiting import until

DEAD_RUN = """
import time
from lab.network import Lan
from lab.waiting import until
with Lan("{prefix}") as lan:
    host = lan.host("n1", "10.9.0.1/24")
    host.popen(["sleep", "600"])
    {last}
    print(lan.name, *until(host.processes, 10, "the process is in its namespace"), flush=True)
    time.sleep(600)
"""


def _run_and_kill(prefix: str, last: str) -> tuple[str, int]:
    """The name of a LAN whose process was killed, and a process still in it."""
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", DEAD_RUN.format(prefix=prefix, last=last)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        said = run.stdout.readline().split()
        run.kill()
    name, process = said
    return name, int(process)


def _runs(process: int) -> bool:
    """A dead one that nobody has waited for has no command line any more."""
    command_line = Path(f"/proc/{process}/cmdline")
    return command_line.exists() and command_line.read_bytes() != b""


def _namespaces(name: str) -> list[Path]:
    return list(NAMESPACES.glob(f"{name}-*"))


def test_hosts_reach_each_other_at_once_in_both_families(lan: Lan) -> None:
    one = lan.host("n1", "10.9.0.1/24", "fd09::1/64")
    other = lan.host("n2", "10.9.0.2/24", "fd09::2/64")
    for address in ("10.9.0.2", "fd09::2"):
        refused = "import socket, sys; print(socket.create_connection((sys.argv[1], 9), timeout=1))"
        assert "ConnectionRefusedError" in one.run([sys.executable, "-c", refused, address], check=False).stderr
    assert other.holds("10.9.0.2")
    assert not other.holds("10.9.0.1")


def test_an_unplugged_host_has_no_carrier_until_it_is_plugged_in(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")

    def carrier() -> bool:
        return "NO-CARRIER" not in host.run(["ip", "link", "show", "eth0"]).stdout

    assert carrier()
    host.unplug()
    until(lambda: not carrier(), 2, "no carrier")
    host.plug()
    until(carrier, 2, "carrier")


@pytest.mark.parametrize("protocol", [112, 113])
def test_a_partition_drops_vrrp_and_nothing_else(lan: Lan, protocol: int) -> None:
    one, other = lan.host("n1", "10.9.0.1/24"), lan.host("n2", "10.9.0.2/24")
    send = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, {protocol}).sendto(b'x', ('10.9.0.2', 0))"
    receive = (
        f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, {protocol}); "
        "s.settimeout(1); print('listening', flush=True); print(len(s.recv(100)))"
    )
    for partitioned in (True, False):
        if partitioned:
            lan.partition(one, other)
        else:
            lan.heal()
        log = other.folder / f"log-{partitioned}"
        listener = other.popen([sys.executable, "-c", receive], log=log)
        until(lambda log=log: "listening" in log.read_text(), 5, "the socket is open")  # type: ignore[misc]
        one.run([sys.executable, "-c", send])
        assert (listener.wait(timeout=5) == 0) == (protocol != 112 or not partitioned)


def test_what_a_dead_run_left_is_swept(lan: Lan) -> None:
    name, process = _run_and_kill("labdead", last="pass")
    assert _namespaces(name)
    sweep("labdead")
    assert not _namespaces(name)
    assert not _runs(process)


def test_what_was_left_on_purpose_is_swept_only_when_asked(lan: Lan) -> None:
    name, process = _run_and_kill("labkept", last="lan.keep()")
    sweep("labkept")
    assert _namespaces(name)
    assert _runs(process)
    sweep("labkept", kept=True)
    assert not _namespaces(name)
    assert not _runs(process)
