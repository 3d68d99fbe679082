"""A client that believes for ever that an address is at one node: what that node still answers, whatever the LAN has learned since."""

from __future__ import annotations

import json

from lab.network import Host
from lab.waiting import until


def hardware_address(client: Host, address: str) -> str:
    """Where the client has learned that an address is. Raises `TimeoutError` when it has not."""

    def known() -> str | None:
        entries = json.loads(client.run(["ip", "-json", "neigh", "show", address]).stdout or "[]")
        return next((entry["lladdr"] for entry in entries if "lladdr" in entry), None)

    found = until(known, 5, f"{client} knows {address}")
    assert found is not None
    return found


def pin(client: Host, address: str, mac: str, interface: str = "eth0") -> None:
    client.run(["ip", "neigh", "replace", address, "lladdr", mac, "dev", interface, "nud", "permanent"])
