"""`PYTHONPATH=tests python -m benchmarks.decisions`: what one decision of the operator costs that finds nothing to do.

1,000 nodes in 8 subnets and 500 floating IPs, a fifth of which select nodes by a label, settled by agents in memory.
"""

from __future__ import annotations

from typing import Any

from floatip_api.v1alpha1 import FloatingIP
from floatip_operator.decide.plan import decide
from floatip_operator.decide.snapshot import ZONE, Node, Snapshot
from in_memory.agents import Agents, written
from in_memory.cluster import document, floating_ip, snapshot

from benchmarks import timing

NODES, FLOATING_IPS, SUBNETS = 1000, 500, 8


def main() -> None:
    settled = _settled()
    one = {settled.floating_ips[0].metadata.name}
    timing.header()
    for what, only in ((f"for all {FLOATING_IPS}", None), ("for one", one)):
        timing.measure(what, lambda only=only: decide(_seen_anew(settled), only), calls=1)  # type: ignore[misc]


def _settled() -> Snapshot:
    addresses = {f"node-{n:04}": f"10.{n % SUBNETS}.0.{n // SUBNETS + 1}" for n in range(NODES)}
    agents = Agents(addresses)
    documents = {name: document(name, address=f"{address}/16") for name, address in addresses.items()}
    nodes = tuple(
        Node(name, {"rack": f"r{n % SUBNETS}", ZONE: f"z{n % SUBNETS % 4}"}) for n, name in enumerate(addresses)
    )
    floating_ips = {wanted.metadata.name: wanted for wanted in map(_floating_ip, range(FLOATING_IPS))}
    while True:
        world = snapshot(tuple(floating_ips.values()), tuple(documents.values()), nodes=nodes)
        plan = decide(world)
        if not (plan.specs or plan.statuses):
            return world
        for entry, spec in plan.specs:
            documents[entry.metadata.name] = agents.obey(written(entry, spec))
        documents = {name: agents.say(entry) for name, entry in documents.items()}
        for wanted, status in plan.statuses:
            floating_ips[wanted.metadata.name] = wanted.model_copy(update={"status": status})


def _floating_ip(number: int) -> FloatingIP:
    subnet, place = number % SUBNETS, number // SUBNETS
    spec: dict[str, Any] = {"addresses": [f"10.{subnet}.200.{place + 1}/16"]}
    if number % 5 == 0:
        spec["nodes"] = [{"selector": {"matchLabels": {"rack": f"r{subnet}"}}}]
    return floating_ip(f"fip-{number:03}", **spec)


def _seen_anew(world: Snapshot) -> Snapshot:
    """Nothing of what the last decision found out is kept."""
    return snapshot(world.floating_ips, world.documents, nodes=world.nodes)


if __name__ == "__main__":
    main()
