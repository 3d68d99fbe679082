"""`floatip move NAME --to NODE`: that node comes first as long as the annotation stands; the operator does the rest."""

from __future__ import annotations

import sys
import time
from typing import Any

from floatip_api import names

from floatip_cli import kubectl

OWNER = 255
_LOOK_EVERY = 0.5


class NotPossible(Exception):
    """The node cannot take it over; the text says why."""


def run(name: str, node: str, *, wait: float) -> int:
    """`wait`: seconds until the node must hold it; 0: only ask for it."""
    try:
        return _move(name, node, wait=wait)
    except (kubectl.ClusterError, NotPossible) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _move(name: str, node: str, *, wait: float) -> int:
    floating_ip = kubectl.get(names.FLOATING_IPS, name)
    status = floating_ip.get("status", {})
    check(name, node, status)
    group = _group(floating_ip)
    for member in group:
        kubectl.annotate(names.FLOATING_IPS, member, names.PREFER_NODE, node)
    back = f"the usual order comes back with: kubectl annotate fip {' '.join(group)} {names.PREFER_NODE}-"
    if not wait:
        print(f"{name}: {node} comes first from now on; {back}")
        return 0
    began = time.monotonic()
    while status.get("activeNode") != node:
        if time.monotonic() - began > wait:
            holder = status.get("activeNode") or "nobody"
            raise NotPossible(f"{name}: after {wait:.0f} s still held by {holder}; {node} goes on trying, and {back}")
        time.sleep(_LOOK_EVERY)
        status = kubectl.get(names.FLOATING_IPS, name).get("status", {})
    print(f"{name}: held by {node}, which comes first from now on; {back}")
    return 0


def _group(floating_ip: dict[str, Any]) -> list[str]:
    """All that move with it: a sync group goes where its members agree to go."""
    name, group = floating_ip["metadata"]["name"], floating_ip["spec"].get("syncGroup")
    if group is None:
        return [name]
    listed = kubectl.get(names.FLOATING_IPS)["items"]
    others = [entry["metadata"]["name"] for entry in listed if entry["spec"].get("syncGroup") == group]
    return sorted({name, *others})


def check(name: str, node: str, status: dict[str, Any]) -> None:
    """Raises `NotPossible` for a node that does not stand by."""
    nodes = status.get("nodes", [])
    own = [entry for entry in nodes if entry["name"] == node]
    if not own:
        listed = ", ".join(sorted({entry["name"] for entry in nodes})) or "none"
        raise NotPossible(f"{name}: {node} takes no part; the nodes that do: {listed}")
    for entry in own:
        if entry["state"] not in {"Active", "Backup"}:
            reason = f": {entry['reason']}" if entry.get("reason") else ""
            raise NotPossible(f"{name}: {node} cannot hold it, it is in {entry['state']} ({entry['family']}){reason}")
    owners = {entry["name"] for entry in nodes if entry.get("priority") == OWNER} - {node}
    if owners:
        raise NotPossible(f"{name}: {min(owners)} owns the address (priority {OWNER}) and always comes first")
