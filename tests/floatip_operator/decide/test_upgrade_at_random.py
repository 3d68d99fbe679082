"""Roll-outs carried out in any order, over agents, kubelets and an operator that are late, lose writes and start anew: never two nodes
out at once, never a Pod deleted whose node holds something, one node at most on a version that does not work, and in the end all as asked.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from floatip_api.v1alpha1 import FloatingIPNode, VirtualRouter
from floatip_operator.decide import upgrade
from floatip_operator.decide.plan import decide
from floatip_operator.decide.snapshot import Node, Pod, Snapshot
from in_memory.cluster import document, floating_ip, snapshot

NODES = ("n1", "n2", "n3", "n4")
LONELY = "f3"
"""Only n2 can hold it."""
SECONDS = 4.0
"""Of a round."""


class World:
    """What is so, what the agents have said of it, and what the operator remembers."""

    def __init__(self, chance: random.Random, *, preempt: bool) -> None:
        self.chance = chance
        self.digest, self.broken = "v0", {"broken"}
        policy = {"policy": "PreemptLowerPriority" if preempt else "Never"}
        # n4 has no entries.
        self.floating_ips = [
            floating_ip(
                f"f{place}",
                addresses=[f"10.0.0.{100 + place}/24"],
                preemption=policy,
                nodes=[{"name": name} for name in members],
            )
            for place, members in enumerate((("n1", "n2", "n3"), ("n1", "n3"), ("n2", "n3"), ("n2",)))
        ]
        self.faults: set[tuple[str, str]] = set()
        """FloatingIP and node that cannot hold it."""
        self.documents = {name: document(name) for name in NODES}
        self.pods: dict[str, Pod] = {name: Pod(f"{name}-0", f"{name}-0", name, "v0") for name in NODES}
        self.running: dict[str, list[VirtualRouter]] = {name: [] for name in NODES}
        self.taken: dict[tuple[str, str], str | None] = {}
        self.active: dict[str, str] = {}
        self.serial = 0
        self.since: dict[object, int] = {}
        self.round = 0

    def snapshot(self) -> Snapshot:
        """As an operator sees it that has looked on since `since` was empty."""
        ages = {node: self._age(("pod", pod)) for node, pod in self.pods.items()}
        requests = {n: upgrade.requested(d.spec.virtual_routers) for n, d in self.documents.items()}
        return snapshot(
            self.floating_ips,
            [*self.documents.values()],
            nodes=tuple(map(Node, NODES)),
            lease_ages={
                name: self._age(("agent", name, self.is_alive(name))) * (not self.is_alive(name)) for name in NODES
            },
            pods=tuple(dataclasses.replace(pod, age=ages[node]) for node, pod in self.pods.items()),
            asked_ages={node: self._age(("asked", node, request)) for node, request in requests.items() if request},
            pod_gone_ages={node: self._age(("gone", node)) for node in NODES if node not in self.pods},
            agent_digest=self.digest,
        )

    def is_alive(self, node: str) -> bool:
        """Its engine runs."""
        pod = self.pods.get(node)
        return pod is not None and not pod.is_leaving and pod.digest not in self.broken

    def operate(self, *, reliably: bool = False) -> None:
        plan = decide(self.snapshot())
        for entry, spec in plan.specs:
            if reliably or self.chance.random() < 0.7:
                generation = entry.metadata.generation + 1
                metadata = entry.metadata.model_copy(update={"generation": generation})
                self.documents[entry.metadata.name] = entry.model_copy(update={"spec": spec, "metadata": metadata})
        statuses = {entry.metadata.name: status for entry, status in plan.statuses}
        self.floating_ips = [
            f.model_copy(update={"status": statuses.get(f.metadata.name, f.status)}) for f in self.floating_ips
        ]
        if plan.rollout.delete is not None and (reliably or self.chance.random() < 0.8):
            self._delete(plan.rollout.delete)

    def _delete(self, pod: Pod) -> None:
        out = [n for n in NODES if n != pod.node and (n not in self.pods or self.pods[n].is_leaving)]
        assert not out, f"{pod.node} is taken out while {out} is"
        waiting = [
            p.node for p in self.pods.values() if p.node != pod.node and p.digest == self.digest and not p.is_ready
        ]
        assert not waiting, f"{pod.node} is taken out while {waiting} is not back"
        names = {r.name for r in self.running[pod.node] if (r.name, pod.node) not in self.faults}
        held = {name for name in names if self.active.get(name) in {None, pod.node}}
        if LONELY in held and self.is_alive(pod.node):
            assert any(p.digest == self.digest and p.is_ready for p in self.pods.values()), (
                "the new agent works nowhere yet"
            )
            held.remove(LONELY)
        assert not held or not self.is_alive(pod.node), f"{pod.node} holds {held}, or nobody does"
        self.pods[pod.node] = dataclasses.replace(self.pods[pod.node], is_leaving=True)

    def kubelet(self, node: str) -> None:
        pod = self.pods.get(node)
        if pod is None:
            self.serial += 1
            name = f"{node}-{self.serial}"
            self.pods[node] = Pod(name, name, node, self.digest, is_ready=False)
        elif pod.is_leaving:
            del self.pods[node]
            self.since.pop(("gone", node), None)
            self.running[node] = []
            self.taken = {key: request for key, request in self.taken.items() if key[0] != node}
        elif self.is_alive(node) and self.documents[node].spec.virtual_routers == self.running[node]:
            self.pods[node] = dataclasses.replace(pod, is_ready=True)

    def agent(self, node: str) -> None:
        """Takes up its document; each new request to leave is carried out once."""
        if not self.is_alive(node):
            return
        self.running[node] = self.documents[node].spec.virtual_routers
        for router in self.running[node]:
            request = router.leave.request_id if router.leave else None
            before = self.taken.get((node, router.name))
            self.taken[node, router.name] = request
            if request not in {None, before} and self.active.get(router.name) == node:
                del self.active[router.name]

    def lan(self) -> None:
        """Who is Active, as VRRP settles it."""
        for wanted in self.floating_ips:
            name = wanted.metadata.name
            able = {
                node: 1 if router.leave else router.priority
                for node, routers in self.running.items()
                for router in routers
                if self.is_alive(node) and router.name == name and (name, node) not in self.faults
            }
            if self.active.get(name) not in able:
                self.active.pop(name, None)
            if able and (name not in self.active or wanted.spec.preemption.policy != "Never"):
                self.active[name] = max(able, key=lambda node: (able[node], node))

    def report(self, node: str) -> None:
        if not self.is_alive(node):
            return
        said = []
        for router in self.running[node]:
            holder = self.active.get(router.name)
            words: dict[str, Any] = {"state": "Active" if holder == node else "Backup", "priority": router.priority}
            if (router.name, node) in self.faults:
                words["state"] = "Fault"
            elif router.leave and holder not in {None, node}:
                words["leftRequestID"] = router.leave.request_id
            said.append({"name": router.name, "family": "IPv4", "interface": "eth0", **words})
        whole: dict[str, Any] = self.documents[node].to_manifest()
        is_current = self.running[node] == self.documents[node].spec.virtual_routers
        generation = whole["metadata"]["generation"] - (0 if is_current else 1)
        whole["status"] |= {"virtualRouters": said, "observedGeneration": generation}
        self.documents[node] = FloatingIPNode.from_manifest(whole)

    def turn(self) -> None:
        """Some of all that may happen, in any order."""
        self.round += 1
        is_asked = any(router.leave for entry in self.documents.values() for router in entry.spec.virtual_routers)
        if not is_asked and self.chance.random() < 0.3:
            # Its node says so later. While a node is asked nothing breaks: of two faults at once no order of words could warn.
            self.faults ^= {(self.chance.choice(["f0", "f1", "f2"]), self.chance.choice(["n1", "n2", "n3"]))}
        steps = [self.operate, self.lan]
        for node in NODES:
            steps += [lambda node=node: self.kubelet(node), lambda node=node: self.agent(node)]  # type: ignore[misc]
            steps += [lambda node=node: self.report(node)]  # type: ignore[misc]
        self.chance.shuffle(steps)
        for step in steps:
            if self.chance.random() < 0.6:
                step()

    def quiet_turn(self) -> None:
        self.round += 1
        for node in NODES:
            self.kubelet(node)
            self.agent(node)
        self.lan()
        for node in NODES:
            self.report(node)
        self.operate(reliably=True)

    def _age(self, what: object) -> float:
        return SECONDS * (self.round - self.since.setdefault(what, self.round))


@pytest.mark.parametrize("preempt", [True, False], ids=["PreemptLowerPriority", "Never"])
@pytest.mark.parametrize("seed", range(8))
def test_any_course_of_events_takes_one_node_at_a_time_and_ends_as_asked(seed: int, *, preempt: bool) -> None:
    chance = random.Random(seed)
    world = World(chance, preempt=preempt)
    for _ in range(60):
        world.quiet_turn()
    assert set(world.active) == {"f0", "f1", "f2", LONELY}
    for round_ in range(250):
        if round_ % 50 == 0:
            world.digest = chance.choice(["v1", "v2", "broken", "broken"])
        if chance.random() < 0.05:
            world.since.clear()  # another operator leads
        world.turn()
        assert sum(pod.digest in world.broken for pod in world.pods.values()) <= 1
    world.digest, world.faults = "final", set()
    for _ in range(150):
        world.quiet_turn()
    assert {pod.digest for pod in world.pods.values()} == {"final"}
    assert all(pod.is_ready for pod in world.pods.values())
    assert not any(router.leave for entry in world.documents.values() for router in entry.spec.virtual_routers)
    assert set(world.active) == {"f0", "f1", "f2", LONELY}
