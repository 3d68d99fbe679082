"""A node in memory: implements the ports of the engine and writes down, in order, what was asked of it."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable, Mapping, Sequence

from floatip_agent.configuration import Family
from floatip_agent.ports import AdvertisementSocket, Interface, InterfaceAddress, Packet, RouteEntry

Done = tuple[str, str, tuple[bytes, ...]]
"""What was done, on which interface, with which addresses or message."""


class MemoryNode:
    """`done` is everything in order; `refuse` maps an address to the errno that assigning or releasing it gives."""

    def __init__(self, *links: Interface) -> None:
        self.done: list[Done] = []
        self.destinations: list[bytes] = []
        self.refuse: dict[bytes, int] = {}
        self.interfaces = MemoryInterfaces({link.name: link for link in links})
        self.addresses = MemoryAddresses(self)
        self.announcer = MemoryAnnouncer(self)
        self.routes = MemoryRoutes(self)
        self.virtual_links = MemoryVirtualLinks(self)
        self.sockets: dict[tuple[str, Family], MemorySocket] = {}

    def advertisement_socket(self, interface: Interface, family: Family) -> AdvertisementSocket:
        opened = self.sockets[interface.name, family] = MemorySocket(self, interface)
        return opened

    def held(self, name: str) -> set[bytes]:
        """Our addresses on an interface."""
        return {known.address for known in self.interfaces.by_name[name].addresses if known.is_ours}

    def change(self, name: str, change: Callable[[Interface], Interface]) -> None:
        self.interfaces.links[name] = change(self.interfaces.links[name])

    def take(self) -> list[Done]:
        """What was done since the last look."""
        done, self.done = self.done, []
        return done


class MemoryInterfaces:
    def __init__(self, links: dict[str, Interface]) -> None:
        self.links = links

    @property
    def by_name(self) -> Mapping[str, Interface]:
        return self.links

    def fileno(self) -> int:
        raise NotImplementedError("the engine does not wait; its loop does")

    def read(self) -> bool:
        return True


class MemoryAddresses:
    def __init__(self, node: MemoryNode) -> None:
        self._node = node

    def assign(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        self._node.done.append(("assign", interface.name, tuple(addresses)))
        for address in addresses:
            self._refuse(address)
            self._keep(interface, [InterfaceAddress(address, len(address) * 8, is_ours=True)], without=address)

    def renew(self, interface: Interface, addresses: Sequence[bytes]) -> Mapping[bytes, OSError]:
        self._node.done.append(("renew", interface.name, tuple(addresses)))
        refused = {address: self._node.refuse[address] for address in addresses if address in self._node.refuse}
        return {address: OSError(number, os.strerror(number)) for address, number in refused.items()}

    def release(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        self._node.done.append(("release", interface.name, tuple(addresses)))
        for address in addresses:
            self._refuse(address)
            self._keep(interface, [], without=address)

    def _keep(self, interface: Interface, more: list[InterfaceAddress], *, without: bytes) -> None:
        link = self._node.interfaces.links.get(interface.name)
        if link is not None:
            left = [known for known in link.addresses if not (known.is_ours and known.address == without)]
            self._node.interfaces.links[interface.name] = dataclasses.replace(link, addresses=(*left, *more))

    def _refuse(self, address: bytes) -> None:
        if number := self._node.refuse.get(address):
            raise OSError(number, os.strerror(number))


class MemoryRoutes:
    """`refuse` are texts of entries that the kernel does not take."""

    def __init__(self, node: MemoryNode) -> None:
        self._node = node
        self.refuse: set[str] = set()

    def install(self, entries: Sequence[RouteEntry]) -> Mapping[RouteEntry, OSError]:
        self._node.done += [("route", str(entry), ()) for entry in entries]
        return {entry: OSError(errno.ENETUNREACH, "unreachable") for entry in entries if str(entry) in self.refuse}

    def keep(self, entries: Sequence[RouteEntry]) -> Mapping[RouteEntry, OSError]:
        return {entry: OSError(errno.ENETUNREACH, "unreachable") for entry in entries if str(entry) in self.refuse}

    def withdraw(self, entries: Sequence[RouteEntry]) -> None:
        self._node.done += [("unroute", str(entry), ()) for entry in reversed(entries)]


class MemoryVirtualLinks:
    def __init__(self, node: MemoryNode) -> None:
        self._node = node
        self.refuse = 0
        """An errno."""

    def create(self, parent: Interface, mac: bytes) -> Interface:
        if self.refuse:
            raise OSError(self.refuse, os.strerror(self.refuse))
        link = Interface(100 + mac[5], f"virtual-{mac[5]}", is_up=True, mac=mac)
        self._node.interfaces.links[link.name] = link
        self._node.done.append(("create", link.name, (mac,)))
        return link

    def remove(self, link: Interface) -> None:
        del self._node.interfaces.links[link.name]
        self._node.done.append(("remove", link.name, ()))


class MemoryAnnouncer:
    def __init__(self, node: MemoryNode) -> None:
        self._node = node

    def announce(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        self._node.done.append(("announce", interface.name, tuple(addresses)))


class MemorySocket:
    def __init__(self, node: MemoryNode, interface: Interface) -> None:
        self._node = node
        self._interface = interface
        self.virtual_router_ids: tuple[int, ...] = ()
        self.is_open = True

    def fileno(self) -> int:
        raise NotImplementedError("the engine does not wait; its loop does")

    def listen_to(self, virtual_router_ids: Sequence[int]) -> None:
        self.virtual_router_ids = tuple(sorted(virtual_router_ids))

    def send(self, message: bytes, source: bytes, destination: bytes) -> None:
        assert self.is_open
        self._node.done.append(("send", self._interface.name, (message, source)))
        self._node.destinations.append(destination)

    def receive(self) -> Packet | None:
        return None

    def close(self) -> None:
        self.is_open = False
