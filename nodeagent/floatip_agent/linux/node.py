"""The real node: implements `ports.Node` on the kernel of this network namespace."""

from __future__ import annotations

from floatip_agent.configuration import Family
from floatip_agent.linux import announce, netlink, sockets
from floatip_agent.linux.addresses import KernelAddresses
from floatip_agent.linux.interfaces import KernelInterfaces
from floatip_agent.linux.renewal import BackgroundRenewal
from floatip_agent.ports import AdvertisementSocket, Interface


class LinuxNode:
    def __init__(self) -> None:
        requests = netlink.Requests()
        self.interfaces = KernelInterfaces(requests)
        self.addresses = BackgroundRenewal(KernelAddresses(netlink.Requests()))
        self.announcer = announce.PacketAnnouncer()

    def start(self) -> None:
        """Begin what runs beside the caller; not before the process is what it stays."""
        self.addresses.start()

    def advertisement_socket(self, interface: Interface, family: Family) -> AdvertisementSocket:
        return sockets.advertisement_socket(interface, family)
