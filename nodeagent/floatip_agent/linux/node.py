"""The real node: implements `ports.Node` on the kernel of this network namespace."""

from __future__ import annotations

from floatip_agent.configuration import Family
from floatip_agent.linux import announce, netlink, sockets
from floatip_agent.linux.addresses import KernelAddresses
from floatip_agent.linux.background import Background
from floatip_agent.linux.interfaces import KernelInterfaces
from floatip_agent.linux.renewal import BackgroundRenewal
from floatip_agent.linux.routes import KernelRoutes
from floatip_agent.linux.virtual_links import VirtualMacLinks
from floatip_agent.ports import AdvertisementSocket, Interface


class LinuxNode:
    def __init__(self) -> None:
        requests = netlink.Requests()
        self.interfaces = KernelInterfaces(requests)
        # What the background works with is its own: one socket answers one thread at a time, under the background's lock.
        self._background = Background()
        guarded = netlink.Requests()
        self.addresses = BackgroundRenewal(KernelAddresses(guarded), self._background)
        self.routes = KernelRoutes(guarded, self._background)
        self.virtual_links = VirtualMacLinks(guarded, self._background)
        self.announcer = announce.PacketAnnouncer()

    def start(self) -> None:
        """Begin what runs beside the caller; not before the process is what it stays."""
        self._background.start()

    def advertisement_socket(self, interface: Interface, family: Family) -> AdvertisementSocket:
        return sockets.advertisement_socket(interface, family)
