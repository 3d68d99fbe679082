"""`floatip status [NAME]`: the cluster's floating IPs, who holds them and what is wrong, each in a few lines; and what nodes run beside."""

from __future__ import annotations

import sys
from typing import Any

from floatip_api import names

from floatip_cli import kubectl

_WELL = {"Accepted": "True", "Allocated": "True", "Ready": "True", "SingleHolder": "True", "Degraded": "False"}


def run(name: str | None) -> int:
    try:
        found = [kubectl.get(names.FLOATING_IPS, name)] if name else kubectl.get(names.FLOATING_IPS)["items"]
        nodes = [] if name else kubectl.get(names.FLOATING_IP_NODES)["items"]
    except kubectl.ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    known = {floating_ip["metadata"]["name"] for floating_ip in found}
    lines = [line for floating_ip in found for line in describe(floating_ip)] or ["there is no FloatingIP"]
    print("\n".join([*lines, *(line for node in nodes for line in strays(node, known))]))
    return 0


def strays(node: dict[str, Any], known: set[str]) -> list[str]:
    """What a node's agent runs and none of the known FloatingIPs asks for, with the agent's own words."""
    lines = []
    for router in node.get("status", {}).get("virtualRouters", []):
        if router["name"] not in known and "releasedRequestID" not in router:
            where = f"{node['metadata']['name']}  {router['family']}  {router['state']}"
            lines.append(f"{router['name']}  router {router.get('virtualRouterID', '-')}  there is no such FloatingIP")
            lines.append(f"  {where}")
            lines += [f"    {warning['reason']}: {warning['message']}" for warning in router.get("warnings", [])]
    return lines


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
