"""Addresses and links of a real kernel, through our own netlink."""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from floatip_agent.linux import netlink
from floatip_agent.linux.addresses import KernelAddresses, sweep
from floatip_agent.linux.interfaces import KernelInterfaces
from floatip_agent.ports import Interface
from lab.network import Host, Lan
from lab.waiting import until

pytestmark = pytest.mark.linux

VIP = socket.inet_aton("10.9.0.100")
VIP6 = socket.inet_pton(socket.AF_INET6, "fd09::100")
FOREVER = 4294967295


class Kernel:
    """The product's view of one host: sockets stay in the namespace they were opened in."""

    def __init__(self, host: Host) -> None:
        self.host = host
        with host.entered():
            self.requests = netlink.Requests()
            self.interfaces = KernelInterfaces(self.requests)
        self.addresses = KernelAddresses(self.requests)

    @property
    def eth0(self) -> Interface:
        """As the kernel's notifications say by now."""
        self.interfaces.read()
        return self.interfaces.by_name["eth0"]

    def ip(self, *words: str) -> str:
        return self.host.run(["ip", *words]).stdout

    def entry(self, address: str) -> dict[str, Any] | None:
        for link in json.loads(self.ip("-json", "-details", "address", "show", "dev", "eth0")):
            for known in link["addr_info"]:
                if known.get("local") == address:
                    return dict(known)
        return None


@pytest.fixture
def kernel(lan: Lan) -> Iterator[Kernel]:
    found = Kernel(lan.host("n1", "10.9.0.1/24", "fd09::1/64"))
    yield found
    found.interfaces.close()
    found.requests.close()


def test_what_is_assigned_is_a_host_prefix_that_ends_by_itself(kernel: Kernel) -> None:
    kernel.addresses.assign(kernel.eth0, [VIP, VIP6])
    four, six = kernel.entry("10.9.0.100"), kernel.entry("fd09::100")
    assert four is not None
    assert six is not None
    assert (four["prefixlen"], six["prefixlen"]) == (32, 128)
    assert four["valid_life_time"] <= 3
    assert six["valid_life_time"] <= 3
    assert six["preferred_life_time"] == 0, "deprecated: never picked as a source"
    assert six["nodad"]
    assert "tentative" not in six
    start = time.monotonic()
    until(lambda: not kernel.host.holds("10.9.0.100") and not kernel.host.holds("fd09::100"), 5, "the kernel ends them")
    assert time.monotonic() - start < 3.5


def test_assigning_again_renews_and_does_not_move(kernel: Kernel) -> None:
    kernel.addresses.assign(kernel.eth0, [VIP])
    before = kernel.host.addresses("eth0")
    time.sleep(2)
    kernel.addresses.assign(kernel.eth0, [VIP])
    time.sleep(2)
    assert kernel.host.addresses("eth0") == before


def test_release_takes_out_and_one_that_is_gone_is_no_error(kernel: Kernel) -> None:
    kernel.addresses.assign(kernel.eth0, [VIP, VIP6])
    kernel.addresses.release(kernel.eth0, [VIP, VIP6])
    assert kernel.entry("10.9.0.100") is None
    assert kernel.entry("fd09::100") is None
    kernel.addresses.release(kernel.eth0, [VIP, VIP6])


def test_the_same_address_of_somebody_else_is_neither_changed_nor_removed(kernel: Kernel) -> None:
    kernel.ip("address", "add", "10.9.0.100/32", "dev", "eth0")
    before = kernel.entry("10.9.0.100")
    kernel.addresses.assign(kernel.eth0, [VIP])
    kernel.addresses.release(kernel.eth0, [VIP])
    assert kernel.entry("10.9.0.100") == before
    assert before is not None
    assert before["valid_life_time"] == FOREVER


def test_a_refusal_names_the_address(kernel: Kernel) -> None:
    eth0 = kernel.eth0
    kernel.ip("link", "delete", "eth0")
    with pytest.raises(OSError, match=r"10\.9\.0\.100: ") as raised:
        kernel.addresses.assign(eth0, [VIP])
    assert raised.value.errno == errno.ENODEV
    kernel.addresses.release(eth0, [VIP])


def test_many_addresses_at_once(kernel: Kernel) -> None:
    many = [bytes((10, 9, 1 + index // 250, 1 + index % 250)) for index in range(450)]
    kernel.addresses.assign(kernel.eth0, many)
    assert len([text for text in kernel.host.addresses("eth0") if text.startswith("10.9.")]) == 451
    kernel.addresses.release(kernel.eth0, many)
    assert [text for text in kernel.host.addresses("eth0") if text.startswith("10.9.")] == ["10.9.0.1/24"]


def test_the_sweep_takes_out_ours_and_only_ours(kernel: Kernel) -> None:
    kernel.ip("address", "add", "10.9.0.50/32", "dev", "eth0", "valid_lft", "60", "preferred_lft", "60")
    kernel.addresses.assign(kernel.eth0, [VIP, VIP6])
    before = len(kernel.host.addresses())
    assert sweep(kernel.requests) == 2
    assert len(kernel.host.addresses()) == before - 2
    assert kernel.host.holds("10.9.0.50")
    assert sweep(kernel.requests) == 0


def test_links_and_addresses_are_shown_as_the_kernel_has_them(kernel: Kernel) -> None:
    eth0 = kernel.eth0
    shown = json.loads(kernel.ip("-json", "link", "show", "eth0"))[0]
    assert (eth0.index, eth0.mac.hex(":"), eth0.is_up) == (shown["ifindex"], shown["address"], True)
    texts = {
        socket.inet_ntop(socket.AF_INET if len(known.address) == 4 else socket.AF_INET6, known.address)
        + f"/{known.prefix_length}"
        for known in eth0.addresses
    }
    assert texts == set(kernel.host.addresses("eth0"))
    assert not any(known.is_ours for known in eth0.addresses)
    kernel.addresses.assign(eth0, [VIP, VIP6])
    # The kernel tells of an IPv6 address from a work queue, a moment after the request was answered.
    until(lambda: {known.address for known in kernel.eth0.addresses if known.is_ours} == {VIP, VIP6}, 1, "both told")


def test_every_change_is_told(kernel: Kernel) -> None:
    assert not kernel.interfaces.read()
    kernel.host.link_down()
    assert kernel.interfaces.read()
    assert not kernel.eth0.is_up
    kernel.host.link_up()
    until(lambda: kernel.eth0.is_up, 2, "up again")
    kernel.host.unplug()
    until(lambda: not kernel.eth0.is_up, 3, "no carrier is not up")
    kernel.host.plug()
    until(lambda: kernel.eth0.is_up, 3, "carrier")
    kernel.ip("address", "add", "10.9.0.50/24", "dev", "eth0")
    assert socket.inet_aton("10.9.0.50") in [known.address for known in kernel.eth0.addresses]
    kernel.ip("address", "delete", "10.9.0.50/24", "dev", "eth0")
    assert socket.inet_aton("10.9.0.50") not in [known.address for known in kernel.eth0.addresses]


def test_a_renamed_and_a_removed_interface(kernel: Kernel) -> None:
    kernel.ip("link", "set", "eth0", "down")
    kernel.ip("link", "set", "eth0", "name", "lan0")
    kernel.interfaces.read()
    assert set(kernel.interfaces.by_name) == {"lo", "lan0"}
    kernel.ip("link", "delete", "lan0")
    kernel.interfaces.read()
    assert set(kernel.interfaces.by_name) == {"lo"}


def test_after_lost_notifications_everything_is_looked_at_again(kernel: Kernel) -> None:
    """More changed than the socket holds: what still lies in it is older than the look, and must not be believed after it."""
    kernel.interfaces._monitor._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    lines = [
        f"address {verb} 10.9.{block}.{host}/32 dev eth0"
        for verb in ("add", "delete")
        for block in (1, 2)
        for host in range(1, 100)
    ]
    kernel.host.run(["ip", "-batch", "-"], stdin="\n".join([*lines, "address add 10.9.0.77/32 dev eth0"]))
    assert kernel.interfaces.read()
    assert {known.address for known in kernel.eth0.addresses if len(known.address) == 4} == {
        socket.inet_aton("10.9.0.1"),
        socket.inet_aton("10.9.0.77"),
    }
