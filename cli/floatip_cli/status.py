"""`floatip status [NAME]`: the cluster's floating IPs, who holds them and what is wrong, each in a few lines."""

from __future__ import annotations

import sys
from typing import Any

from floatip_api import names

from floatip_cli import kubectl

_WELL = {"Accepted": "True", "Allocated": "True", "Ready": "True", "SingleHolder": "True", "Degraded": "False"}


def run(name: str | None) -> int:
    try:
        found = [kubectl.get(names.FLOATING_IPS, name)] if name else kubectl.get(names.FLOATING_IPS)["items"]
    except kubectl.ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print("\n".join(line for floating_ip in found for line in describe(floating_ip)) or "there is no FloatingIP")
    return 0


def describe(floating_ip: dict[str, Any]) -> list[str]:
    """One floating IP: a line for itself, one for each node and its warnings, one for each condition that is not as it should be."""
    status = floating_ip.get("status", {})
    addresses = ", ".join(floating_ip["spec"]["addresses"])
    holder = ", ".join(status.get("activeNodes", [])) or "nobody"
    lines = [
        f"{floating_ip['metadata']['name']}  {addresses}  router {status.get('virtualRouterID', '-')}  held by {holder}"
    ]
    for node in status.get("nodes", []):
        priority = node.get("effectivePriority", node.get("priority", "-"))
        lines.append(
            f"  {node['name']}  {node['family']}  {node['state']}  {priority}  {node.get('reason', '')}".rstrip()
        )
        lines += [f"    {warning['reason']}: {warning['message']}" for warning in node.get("warnings", [])]
    for condition in status.get("conditions", []):
        if condition["status"] != _WELL.get(condition["type"], condition["status"]):
            lines.append(f"  {condition['type']}={condition['status']}  {condition['reason']}: {condition['message']}")
    return lines
