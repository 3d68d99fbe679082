"""What the engine needs of the node, as protocols. `linux` implements them; tests may too.

Addresses are packed bytes in network byte order (4 or 16), interfaces are known by name: an index is looked up anew each time.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping, Sequence
from typing import Protocol

from floatip_agent.configuration import Family


@dataclasses.dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address on an interface. `is_ours`: this agent, or one before it, put it there."""

    address: bytes
    prefix_length: int
    is_ours: bool = False
    is_tentative: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Interface:
    """A link as the kernel shows it. `is_up`: administratively up and with carrier. `remade` counts the links that had this index
    before it: one that is moved to another network namespace and back keeps its own."""

    index: int
    name: str
    is_up: bool
    mac: bytes
    addresses: tuple[InterfaceAddress, ...] = ()
    remade: int = 0

    @property
    def key(self) -> int:
        """Tells it from every other link that was ever there: a socket of one that is gone hears nothing on the next."""
        return self.remade << 32 | self.index


@dataclasses.dataclass(frozen=True, slots=True)
class Packet:
    """A received VRRP message and what the IP header said."""

    message: bytes
    source: bytes
    destination: bytes
    ttl: int


class Interfaces(Protocol):
    """The node's links and addresses, kept current by what the kernel tells."""

    @property
    def by_name(self) -> Mapping[str, Interface]: ...

    def fileno(self) -> int: ...

    def read(self) -> bool:
        """Take in what the kernel said; True when something changed that matters here. Never blocks."""
        ...


class AddressTable(Protocol):
    """The floating addresses in the kernel."""

    def assign(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        """Put them there, with a fresh lifetime. Foreign ones are left as they are. Raises OSError naming the address."""
        ...

    def renew(self, interface: Interface, addresses: Sequence[bytes]) -> Mapping[bytes, OSError]:
        """A fresh lifetime for what was assigned. Never waits; returns, once, what earlier renewals of these failed with."""
        ...

    def release(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        """Take them out; one that is not there, or not ours, is none of our business. Raises OSError."""
        ...


Prefix = tuple[bytes, int]
"""An address and how many of its bits count."""


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """A route of the node. `index` is the interface's; `metric` 0: what the kernel takes by itself."""

    destination: Prefix
    index: int
    gateway: bytes | None = None
    source: bytes | None = None
    table: int = 254
    metric: int = 0

    def __str__(self) -> str:
        return _text(self.destination) + (f" via {_address(self.gateway)}" if self.gateway else "")


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A rule that says in which table to look for a route; at least one side is given."""

    source: Prefix | None
    destination: Prefix | None
    table: int
    priority: int

    def __str__(self) -> str:
        sides = (("from", self.source), ("to", self.destination))
        return " ".join(f"{word} {_text(side)}" for word, side in sides if side is not None) + f" table {self.table}"


RouteEntry = Route | Rule


class RouteTable(Protocol):
    """The node's routes and rules."""

    def install(self, entries: Sequence[RouteEntry]) -> Mapping[RouteEntry, OSError]:
        """Put them there; one that is there already is fine, whoever's it is. Returns what was refused."""
        ...

    def keep(self, entries: Sequence[RouteEntry]) -> Mapping[RouteEntry, OSError]:
        """Put back what a link that was down took along. Never waits; returns, once, what was refused before."""
        ...

    def withdraw(self, entries: Sequence[RouteEntry]) -> None:
        """Take them out, the last first; others' are none of our business. Raises OSError."""
        ...


class VirtualLinks(Protocol):
    """Links that carry a virtual MAC."""

    def create(self, parent: Interface, mac: bytes) -> Interface:
        """One on top of `parent`, up and without addresses. Raises OSError."""
        ...

    def remove(self, link: Interface) -> None:
        """Never waits: it ends soon."""
        ...


class AdvertisementSocket(Protocol):
    """Sends and receives VRRP of one family on one interface."""

    def fileno(self) -> int: ...

    def listen_to(self, virtual_router_ids: Sequence[int]) -> None:
        """Only these wake the engine; all others end in the kernel."""
        ...

    def send(self, message: bytes, source: bytes, destination: bytes) -> None:
        """Raises OSError."""
        ...

    def receive(self) -> Packet | None:
        """One packet, or None when nothing is there. Never blocks. Raises OSError when the link is gone."""
        ...

    def close(self) -> None: ...


class Announcer(Protocol):
    """Tells the LAN where an address is now."""

    def announce(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        """One gratuitous ARP or unsolicited Neighbor Advertisement for each. Raises OSError."""
        ...


class Node(Protocol):
    """The node that an engine runs on."""

    @property
    def interfaces(self) -> Interfaces: ...

    @property
    def addresses(self) -> AddressTable: ...

    @property
    def routes(self) -> RouteTable: ...

    @property
    def virtual_links(self) -> VirtualLinks: ...

    @property
    def announcer(self) -> Announcer: ...

    def advertisement_socket(self, interface: Interface, family: Family) -> AdvertisementSocket:
        """Raises OSError."""
        ...


def _address(packed: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _text(prefix: Prefix) -> str:
    return f"{_address(prefix[0])}/{prefix[1]}" if prefix[1] else "default"
