"""Links with a virtual MAC in a real kernel."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from typing import Any

import pytest
from floatip_agent.linux import netlink, virtual_links
from floatip_agent.linux.background import Background
from floatip_agent.linux.interfaces import KernelInterfaces
from floatip_agent.linux.virtual_links import VirtualMacLinks
from floatip_agent.ports import Interface
from lab.network import Host, Lan
from lab.waiting import until

pytestmark = pytest.mark.linux

MAC, OTHER, MAC6 = (bytes.fromhex(text) for text in ("00005e000133", "00005e000134", "00005e000233"))


class Kernel:
    def __init__(self, host: Host) -> None:
        self.host = host
        with host.entered():
            self.requests = netlink.Requests()
            self.interfaces = KernelInterfaces(self.requests)
        self.eth0: Interface = self.interfaces.by_name["eth0"]
        self.background = Background()
        self.links = VirtualMacLinks(self.requests, self.background)

    def setting(self, interface: str, name: str, family: str = "ipv4") -> int:
        return int(self.host.run(["cat", f"/proc/sys/net/{family}/conf/{interface}/{name}"]).stdout)

    def set(self, name: str, value: int) -> None:
        self.host.run(["sh", "-c", f"echo {value} > /proc/sys/net/ipv4/conf/eth0/{name}"])

    def arp(self) -> tuple[int, int]:
        return self.setting("eth0", "arp_ignore"), self.setting("eth0", "arp_announce")

    def macvlans(self) -> list[dict[str, Any]]:
        shown = self.host.run(["ip", "-json", "-details", "link", "show", "type", "macvlan"]).stdout
        return list(json.loads(shown)) if shown.strip() else []


@pytest.fixture
def kernel(lan: Lan) -> Iterator[Kernel]:
    found = Kernel(lan.host("n1", "10.9.0.1/24", "fd09::1/64"))
    yield found
    found.interfaces.close()
    found.requests.close()


def test_it_has_the_mac_is_up_and_has_no_address(kernel: Kernel) -> None:
    link = kernel.links.create(kernel.eth0, MAC)
    (shown,) = kernel.macvlans()
    assert (shown["ifname"], shown["ifindex"]) == (link.name, link.index)
    assert shown["address"] == "00:00:5e:00:01:33"
    assert "UP" in shown["flags"]
    assert kernel.host.addresses(link.name) == [], "not even a link-local one of its own"


def test_only_it_answers_for_its_addresses(kernel: Kernel) -> None:
    """Neither the interface for the link's addresses, nor the link for the node's."""
    with kernel.host.entered():  # /proc/sys is that of the caller's namespace
        link = kernel.links.create(kernel.eth0, MAC)
    assert kernel.arp() == (1, 2)
    assert (kernel.setting(link.name, "arp_ignore"), kernel.setting(link.name, "arp_announce")) == (1, 2)
    assert kernel.setting(link.name, "rp_filter") == 2
    assert kernel.setting(link.name, "accept_ra", "ipv6") == 0


def test_stricter_settings_stay(kernel: Kernel) -> None:
    kernel.set("arp_ignore", 2)
    kernel.links.create(kernel.eth0, MAC)
    assert kernel.arp() == (2, 2)


def test_the_last_one_that_goes_puts_the_settings_back(kernel: Kernel) -> None:
    kernel.background.start()
    kernel.set("arp_announce", 1)
    links = [kernel.links.create(kernel.eth0, mac) for mac in (MAC, OTHER, MAC6)]
    kernel.links.remove(links[0])
    until(lambda: len(kernel.macvlans()) == 2, 5, "the first is gone")
    assert kernel.arp() == (1, 2)
    for link in links[1:]:
        kernel.links.remove(link)
    until(lambda: not kernel.macvlans(), 5, "all are gone")
    until(lambda: kernel.arp() == (0, 1), 5, "the settings are back")


def test_one_that_is_wanted_again_before_its_end_stays(kernel: Kernel) -> None:
    link = kernel.links.create(kernel.eth0, MAC)
    kernel.links.remove(link)
    assert kernel.links.create(kernel.eth0, MAC) == link
    kernel.background.start()
    other = kernel.links.create(kernel.eth0, OTHER)
    kernel.links.remove(other)
    until(lambda: len(kernel.macvlans()) == 1, 5, "the background came so far")
    assert kernel.macvlans()[0]["ifname"] == link.name


def test_a_sweep_takes_ours_out_and_puts_the_settings_back(kernel: Kernel) -> None:
    """After a crash nobody knows what was: it stands in the link itself."""
    kernel.set("arp_announce", 1)
    kernel.host.run(["ip", "link", "add", "theirs", "link", "eth0", "type", "macvlan"])
    for mac in (MAC, MAC6):
        kernel.links.create(kernel.eth0, mac)
    assert virtual_links.sweep(kernel.requests) == 2
    assert [shown["ifname"] for shown in kernel.macvlans()] == ["theirs"]
    assert kernel.arp() == (0, 1)
    assert virtual_links.sweep(kernel.requests) == 0


def test_a_link_of_somebody_else_is_not_taken(kernel: Kernel) -> None:
    name = f"vr4-51-{kernel.eth0.index}"
    kernel.host.run(["ip", "link", "add", name, "link", "eth0", "type", "macvlan"])
    with pytest.raises(OSError, match=name) as error:
        kernel.links.create(kernel.eth0, MAC)
    assert error.value.errno == errno.EEXIST
    assert len(kernel.macvlans()) == 1
    assert kernel.arp() == (0, 0)


def test_an_interface_that_takes_none_says_so_and_is_left_as_it_was(kernel: Kernel) -> None:
    """A bridge's port has its frames taken away already."""
    kernel.host.run(["ip", "link", "add", "br0", "type", "bridge"])
    kernel.host.run(["ip", "link", "set", "eth0", "master", "br0"])
    with pytest.raises(OSError, match="busy"):
        kernel.links.create(kernel.eth0, MAC)
    assert kernel.macvlans() == []
    assert kernel.arp() == (0, 0)
