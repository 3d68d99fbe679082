"""Kinds of link that a virtual router may live on, and how each is made over a host's plain interfaces."""

from __future__ import annotations

import dataclasses

from lab.network import Host, Lan


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """`make` and `remove` are ip commands; with `ports` 2 the host has eth0 and eth1 before them."""

    interface: str
    make: tuple[str, ...]
    ports: int = 1

    @property
    def remove(self) -> str:
        return f"link delete {self.interface}"


BRIDGE = Kind(
    "br0",
    ("link add br0 type bridge forward_delay 0 mcast_snooping 0", "link set eth0 master br0", "link set br0 up"),
)
MACVLAN = Kind("mv0", ("link add mv0 link eth0 type macvlan mode bridge", "link set mv0 up"))
VLAN = Kind("eth0.5", ("link add link eth0 name eth0.5 type vlan id 5", "link set eth0.5 up"))
BOND = Kind(
    "bond0",
    (
        "link add bond0 type bond mode active-backup miimon 20",
        *(f"link set {port} {what}" for port in ("eth0", "eth1") for what in ("down", "master bond0")),
        "link set bond0 up",
    ),
    ports=2,
)
DUMMY = Kind("dummy0", ("link add dummy0 type dummy", "link set dummy0 multicast on up"), ports=0)


def ip(host: Host, command: str) -> str:
    return host.run(["ip", *command.split()]).stdout


def join(lan: Lan, name: str, kind: Kind, *addresses: str) -> Host:
    """A host on the LAN by this kind of link."""
    host = lan.host(name)
    for port in range(1, kind.ports):
        lan.attach(host, interface=f"eth{port}")
    make(host, kind, *addresses)
    return host


def make(host: Host, kind: Kind, *addresses: str) -> None:
    for command in kind.make:
        ip(host, command)
    for address in addresses:
        host.add_address(address, kind.interface)
