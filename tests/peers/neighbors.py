"""keepalived, FRR and the agent as what a test needs of a peer: one process that runs all ways, told what to do in one word."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from lab.agents import Agent
from lab.frr import Frr, Router
from lab.keepalived import Keepalived
from lab.network import Host
from peers import ways
from peers.ways import Way


class Peer(Protocol):
    """A router of its own on the host, for every way with the same priority."""

    def start(self) -> None: ...
    def stop(self) -> None:
        """SIGTERM."""

    def kill(self) -> None:
        """SIGKILL."""

    def change_priority(self, priority: int) -> None:
        """While it runs."""

    def held(self) -> set[str]:
        """The addresses that its kernel answers for."""


class AgentPeer:
    """Implements `Peer`: floatip itself, where it is looked at as the others are."""

    def __init__(self, host: Host, spoken: Sequence[Way], priority: int, *, preempts: bool = True) -> None:
        self._host = host
        self._ways = spoken
        self._preemption = {"policy": "PreemptLowerPriority" if preempts else "Never"}
        self._agent = Agent.static(host, *self._entries(priority))
        self._agent.write_secret(*ways.SECRET, "tan124")
        self.start, self.kill = self._agent.start, self._agent.kill

    def stop(self) -> None:
        self._agent.stop()

    def change_priority(self, priority: int) -> None:
        self._agent.write(*self._entries(priority))

    def held(self) -> set[str]:
        return {address.partition("/")[0] for address in self._host.addresses()}

    def _entries(self, priority: int) -> list[dict[str, Any]]:
        entries = [way.entry(priority, preemption=self._preemption) for way in self._ways]
        return [entry | {"sourceAddress": ways.PEER[entry["family"]]} for entry in entries]


GLOBAL = "global_defs {\n vrrp_priority -20\n}\n"
"""What keepalived's users are told to set, and the agent does by itself; without it, keepalived that takes over ten addresses
beside other work is silent for up to a second."""


class KeepalivedPeer:
    """Implements `Peer`."""

    def __init__(
        self, host: Host, spoken: Sequence[Way], version: str, priority: int, *, preempts: bool = True
    ) -> None:
        self._host = host
        self._ways = spoken
        self._preempts = preempts
        self._priority = priority
        self._more: Mapping[str, str] = {}
        self._daemon = Keepalived(host, self._configuration(priority), version)
        self.start, self.stop, self.kill = self._daemon.start, self._daemon.stop, self._daemon.kill

    def change_priority(self, priority: int) -> None:
        self._priority = priority
        self._reload()

    def add_addresses(self, more: Mapping[str, str]) -> None:
        """One to each way, by its name, while it runs."""
        self._more = more
        self._reload()

    def _reload(self) -> None:
        self._daemon.write(self._configuration(self._priority))
        self._daemon.reload()

    def held(self) -> set[str]:
        return {address.partition("/")[0] for address in self._host.addresses()}

    def _configuration(self, priority: int) -> str:
        preempt = "preempt" if self._preempts else "nopreempt"
        instances = [instance(way, priority, preempt, self._more.get(way.name)) for way in self._ways]
        return "\n".join([GLOBAL, *instances])


def instance(way: Way, priority: int, preempt: str, another: str | None) -> str:
    """keepalived's words for a way, and another address of its."""
    lines = [
        "state BACKUP",
        "interface eth0",
        f"version {way.version}",
        f"virtual_router_id {way.virtual_router_id}",
        f"priority {priority}",
        f"advert_int {way.period / 1000:g}",
        preempt,
    ]
    if way.password is not None:
        lines.append(f"authentication {{\n auth_type PASS\n auth_pass {way.password}\n }}")
    if way.checksum == "MessageOnly":
        lines.append("v3_checksum_as_v2")
    if way.is_unicast:
        lines += [f"unicast_src_ip {ways.PEER[way.family]}", f"unicast_peer {{\n {ways.AGENT[way.family]}\n }}"]
    if way.has_virtual_mac:
        lines.append(f"use_vmac vrrp{way.virtual_router_id}")
    if way.checksum == "OldUnicast":
        lines.append("old_unicast_checksum")
    link_local = [f"{way.link_local}/64"] if way.family == "IPv6" else []
    listing = "\n".join([*link_local, way.prefixed, *([another] if another else [])])
    return f"vrrp_instance {way.name} {{\n" + "\n".join(lines) + f"\nvirtual_ipaddress {{\n{listing}\n}}\n}}\n"


class FrrPeer:
    """Implements `Peer`."""

    def __init__(
        self, host: Host, spoken: Sequence[Way], version: str, priority: int, *, preempts: bool = True
    ) -> None:
        self._host = host
        self._ways = spoken
        self._routers = [Router(way.virtual_router_id, way.prefixed) for way in spoken]
        self._daemon = Frr(host, self._routers, version)
        routers = (self._router(way, priority, preempts) for way in spoken)
        self._daemon.write("\n".join(["interface eth0", *(line for router in routers for line in router)]) + "\n")
        self.start, self.stop, self.kill = self._daemon.start, self._daemon.stop, self._daemon.kill

    def change_priority(self, priority: int) -> None:
        lines = [f"vrrp {way.virtual_router_id} priority {priority}" for way in self._ways]
        self._daemon.command("configure terminal", "interface eth0", *lines)

    def held(self) -> set[str]:
        """Its links with the addresses are always there, without a carrier while it is a Backup."""
        links = json.loads(self._host.run(["ip", "-json", "address", "show"]).stdout)
        return {entry["local"] for link in links if "LOWER_UP" in link["flags"] for entry in link["addr_info"]}

    @staticmethod
    def _router(way: Way, priority: int, preempts: bool) -> list[str]:
        lines = [
            f"version {way.version}",
            f"priority {priority}",
            f"advertisement-interval {way.period}",
            f"ip {way.address}" if way.family == "IPv4" else f"ipv6 {way.address}",
        ]
        lines = [f" vrrp {way.virtual_router_id} {line}" for line in lines]
        if way.checksum == "MessageOnly":
            lines.append(f" no vrrp {way.virtual_router_id} checksum-with-ipv4-pseudoheader")
        return lines if preempts else [*lines, f" no vrrp {way.virtual_router_id} preempt"]
