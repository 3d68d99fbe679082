"""The real node: implements `ports.Node` on the kernel of this network namespace."""

from __future__ import annotations

from floatip_agent.configuration import Family
from floatip_agent.linux import announce, netlink, sockets
from floatip_agent.linux.addresses import KernelAddresses
from floatip_agent.linux.interfaces import KernelInterfaces
from floatip_agent.ports import AdvertisementSocket, Interface


class LinuxNode:
    def __init__(self) -> None:
        requests = netlink.Requests()
        self.interfaces = KernelInterfaces(requests)
        self.addresses = KernelAddresses(requests)
        self.announcer = announce.PacketAnnouncer()

    def advertisement_socket(self, interface: Interface, family: Family) -> AdvertisementSocket:
        return sockets.advertisement_socket(interface, family)
