"""The lab's own machine with a kernel of its own: what it may write, what it has, and what can be done to it."""

from __future__ import annotations

import socket
import time

import pytest
from lab.guest import INTERFACE, Guest
from lab.network import Host, Lan
from lab.waiting import throughout, until

pytestmark = pytest.mark.usefixtures("uml")

JOB = f"""
set -e
uname -r
touch {{tests}}/written && echo "wrote on the machine" || echo "read-only"
cat /sys/fs/cgroup/cgroup.controllers
ip link add d0 type dummy && ip link add link d0 name d0.7 type vlan id 7 && ip link add b0 type bond && echo "links"
ip address add 10.9.0.1/24 dev {INTERFACE}
ip link set {INTERFACE} up
until [ -e end ]; do sleep 0.1; done
exit 7
"""


def _answers(client: Host) -> bool:
    """A kernel without a listener refuses a connection; none at all says nothing."""
    with client.entered(), socket.socket() as attempt:
        attempt.settimeout(0.5)
        try:
            attempt.connect(("10.9.0.1", 9))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return True


def test_a_guest_has_its_own_kernel_is_on_the_lan_and_leaves_the_machine_alone(lan: Lan) -> None:
    client = lan.host("client", "10.9.0.9/24")
    guest = Guest(lan, "guest", JOB.format(tests=lan.folder))
    guest.start()
    until(lambda: _answers(client), 20, "the guest is on the LAN")
    said = guest.log.read_text()
    assert "read-only" in said
    assert not (lan.folder / "written").exists()
    assert "memory" in said
    assert "links" in said
    guest.freeze()
    throughout(lambda: not _answers(client), 1, "a frozen machine is silent")
    guest.thaw()
    until(lambda: _answers(client), 5, "it goes on")
    (guest.folder / "end").touch()
    assert guest.wait(5) == 7


def test_a_guest_whose_power_is_cut_is_gone_at_once(lan: Lan) -> None:
    guest = Guest(lan, "guest", "touch up; sleep 60")
    guest.start()
    until((guest.folder / "up").exists, 20, "the job runs")
    started = time.monotonic()
    guest.kill()
    assert time.monotonic() - started < 3
    with pytest.raises(RuntimeError, match="ended before its job"):
        guest.wait(1)
