"""The cluster of these tests with its clients' view: who holds an address, and what the API says of it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from lab.cluster import Cluster
from lab.network import Host, Lan
from lab.prober import Prober
from lab.waiting import until

PERIOD = 0.1
"""Seconds between two advertisements."""

OVERLAP = 0.3
"""Seconds: a higher priority takes over before the lower lets go, and a look takes its time."""

Apply = Callable[..., None]
"""`apply(name, **spec)`: a FloatingIP for the time of a test."""


class World:
    def __init__(self, lan: Lan, cluster: Cluster, client: Host) -> None:
        self.lan = lan
        self.cluster = cluster
        self.plane = cluster.control_plane
        self.nodes = cluster.nodes
        self._client = client

    def holders(self, address: str) -> list[str]:
        return [name for name, node in self.nodes.items() if node.holds(address)]

    def wait_for_holder(
        self, address: str, *, seconds: float = 20, among: Callable[[str], bool] = lambda _: True
    ) -> str:
        """The one node whose kernel has the address. Raises `TimeoutError`."""

        def alone() -> str | None:
            holders = self.holders(address)
            return holders[0] if len(holders) == 1 and among(holders[0]) else None

        return until(alone, seconds, f"one node alone holds {address}")

    def prober(self, address: str) -> Prober:
        return Prober(self._client, address, self.nodes.values())

    def floating_ip(self, name: str) -> dict[str, Any]:
        return self.plane.get("floatingip", name)

    def conditions(self, name: str) -> dict[str, str]:
        """The status of every condition by its type; empty before there is any."""
        conditions = self.floating_ip(name).get("status", {}).get("conditions", [])
        return {condition["type"]: condition["status"] for condition in conditions}

    def settled(self, name: str, address: str) -> str:
        """The holder, once every node takes part and the API says what the LAN says. Nodes join one after the other."""

        def holder() -> str | None:
            holders, status = self.holders(address), self.floating_ip(name).get("status", {})
            states = {(entry["name"], entry["state"]) for entry in status.get("nodes", [])}
            expected = {(node, "Active" if [node] == holders else "Backup") for node in self.nodes}
            said = [status.get("activeNode")]
            return holders[0] if len(holders) == 1 and holders == said and states == expected else None

        return until(holder, 30, f"{name} is settled on all nodes")

    def wait_for_status(self, name: str, active_node: str) -> dict[str, Any]:
        """The status once it says what the LAN says."""

        def says_so() -> dict[str, Any] | None:
            status: dict[str, Any] = self.floating_ip(name).get("status", {})
            ready = self.conditions(name).get("Ready") == "True"
            return status if ready and status.get("activeNode") == active_node else None

        return until(says_so, 30, f"{name}: activeNode {active_node}, Ready")


@contextlib.contextmanager
def watched(world: World, *addresses: str) -> Iterator[list[float]]:
    """For how long, in seconds, each time that one of these addresses was on more than one node."""
    spans: list[float] = []
    since: dict[str, float] = {}
    stop = threading.Event()

    def look(is_last: bool = False) -> None:
        held = [text.partition("/")[0] for node in world.nodes.values() for text in node.addresses()]
        now = time.monotonic()
        for address in addresses:
            if held.count(address) > 1 and not is_last:
                since.setdefault(address, now)
            elif address in since:
                spans.append(now - since.pop(address))

    def go_on_looking() -> None:
        while not stop.is_set():
            with contextlib.suppress(subprocess.SubprocessError, RuntimeError):
                look()
        look(is_last=True)

    looking = threading.Thread(target=go_on_looking)
    looking.start()
    try:
        yield spans
    finally:
        stop.set()
        looking.join()
