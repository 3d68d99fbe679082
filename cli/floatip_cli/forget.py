"""`floatip forget NODE`: a human's word that a node is off, for the floating IPs that wait for it to let go.

Only a human can know: a node that the cluster does not hear may well still answer at the address.
"""

from __future__ import annotations

import sys

from floatip_api import names

from floatip_cli import kubectl


def run(node: str, *, is_sure: bool) -> int:
    try:
        return _forget(node, is_sure=is_sure)
    except kubectl.ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _forget(node: str, *, is_sure: bool) -> int:
    document = kubectl.get(names.FLOATING_IP_NODES, node)
    routers = [router for part in ("spec", "status") for router in document.get(part, {}).get("virtualRouters", [])]
    held = {router["name"] for router in routers}  # also what the agent runs without an entry
    present = {entry["metadata"]["name"]: entry for entry in kubectl.get(names.FLOATING_IPS)["items"]}
    waiting = sorted(held & present.keys())
    if not waiting:
        print(f"nothing waits for {node}")
        return 0
    print(f"{node} may still hold: {', '.join(waiting)}")
    if not is_sure and not _confirmed(node):
        print("nothing was changed")
        return 1
    for name in waiting:
        said = present[name]["metadata"].get("annotations", {}).get(names.ABANDON, "")
        nodes = sorted({*filter(None, said.split(",")), node})
        kubectl.annotate(names.FLOATING_IPS, name, names.ABANDON, ",".join(nodes))
        print(f"{name} does not wait for {node} any more")
    return 0


def _confirmed(node: str) -> bool:
    print(
        f"If {node} is alive, two nodes may answer at these addresses. Is it switched off? Type its name: ",
        end="",
        flush=True,
    )
    return sys.stdin.readline().strip() == node
