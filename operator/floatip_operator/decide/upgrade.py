"""The roll-out of new agents, node by node: hand over, replace the Pod, wait until it is back, go on.

Each step follows from the cluster alone, so a restarted operator goes on where the last one was: a Pod says from which settings it
was made, and the node that is being replaced has the request to leave in its entries. What stops a roll-out, where that is told, and what
becomes of a floating IP that only one node can hold: docs/decisions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import cached_property

from floatip_api.v1alpha1 import FloatingIPNode, FloatingIPSpec, Request, VirtualRouter, VirtualRouterStatus

from floatip_operator.decide.snapshot import Pod, Snapshot

HANDED_OVER_WITHIN = 30.0
READY_WITHIN = 120.0
"""Seconds after which the roll-out stops."""
REQUEST = "upgrade-"
"""How the requestIDs of a roll-out begin."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """Why the roll-out does not go on, and at which node."""

    node: str
    message: str

    def __str__(self) -> str:
        return f"{self.node}: {self.message}"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """`node` is being replaced: its routers are asked with `request` to leave, except those of `lonely` FloatingIPs. `delete` is its old
    Pod, once nobody needs it."""

    node: str | None = None
    request: Request | None = None
    delete: Pod | None = None
    stopped: Stop | None = None
    lonely: frozenset[str] = frozenset()

    @property
    def asked(self) -> dict[str, Request]:
        return {self.node: self.request} if self.node and self.request else {}


def next_step(snapshot: Snapshot) -> Step:
    """Nothing to do: an empty step, and no request to leave stands."""
    if snapshot.agent_digest is None:
        return Step()
    rollout = _Rollout(snapshot, snapshot.agent_digest)
    return dataclasses.replace(rollout.next_step(), lonely=rollout.lonely)


def requested(routers: Iterable[VirtualRouter]) -> str | None:
    """The requestID of a roll-out that stands in a node's entries."""
    found = (router.leave.request_id for router in routers if router.leave and router.release is None)
    return next((request for request in found if request.startswith(REQUEST)), None)


class _Rollout:
    def __init__(self, snapshot: Snapshot, digest: str) -> None:
        self._snapshot = snapshot
        self._digest = digest
        # While an old Pod ends there may be two on a node.
        self._pods = {pod.node: pod for pod in sorted(snapshot.pods, key=lambda pod: pod.is_leaving)}

    @cached_property
    def _states(self) -> dict[str, dict[str, set[str]]]:
        """By FloatingIP and node, the states of its routers by the agents' last words."""
        found: dict[str, dict[str, set[str]]] = {}
        for document in self._snapshot.documents:
            for said in _said(document):
                found.setdefault(said.name, {}).setdefault(document.metadata.name, set()).add(said.state)
        return found

    @cached_property
    def lonely(self) -> frozenset[str]:
        """FloatingIPs that no second node can ever hold, whatever is waited for: nobody is asked to hand them over."""
        return frozenset(f.metadata.name for f in self._snapshot.floating_ips if _is_for_one(f.spec, self._snapshot))

    def next_step(self) -> Step:
        asked = [d.metadata.name for d in self._snapshot.documents if requested(d.spec.virtual_routers)]
        if asked:
            return self._go_on(min(asked))
        outdated = [pod for pod in self._pods.values() if self._is_outdated(pod)]
        waiting = self._out()
        if outdated and waiting:
            return Step(stopped=self._trouble(waiting[0]))
        return self._begin(outdated)

    def _begin(self, outdated: list[Pod]) -> Step:
        """What does not work now comes first, then Backups, Actives last. A node that cannot hand over is left alone, and the others go on;
        but with one that does not work no second one is taken out."""
        reasons = []
        for pod in sorted(outdated, key=lambda pod: (pod.is_ready, bool(self._active(pod.node)), pod.node)):
            reason = self._obstacle(pod)
            if reason is None:
                return self._replace(pod)
            reasons.append(Stop(pod.node, reason))
            if not pod.is_ready:
                break
        return Step(stopped=reasons[0] if reasons else None)

    def _go_on(self, node: str) -> Step:
        """A node that was asked to hand over."""
        pod = self._pods.get(node)
        if pod is not None and self._is_outdated(pod) and not self._unproven(node):
            return self._replace(pod)
        if pod is not None and (self._is_back(pod) or self._is_untouched(pod)):
            return Step()
        return dataclasses.replace(self._asking(node), stopped=self._trouble(node))

    def _replace(self, pod: Pod) -> Step:
        """Ask, and delete once the role is handed over. Without entries there is nothing to hand over."""
        step = self._asking(pod.node)
        if others := [node for node in self._out() if node != pod.node]:
            return dataclasses.replace(step, stopped=self._trouble(others[0]))
        if step.request is None or self._has_handed_over(pod):
            return dataclasses.replace(step, delete=pod)
        if self._snapshot.asked_ages.get(pod.node, 0.0) < HANDED_OVER_WITHIN:
            return step
        held = ", ".join(self._held(pod.node)) or "every role"
        message = f"{held} was not handed over within {HANDED_OVER_WITHIN:.0f} s"
        return dataclasses.replace(step, stopped=Stop(pod.node, message))

    def _asking(self, node: str) -> Step:
        """The request that stands goes on; a node that took its roles back is asked anew by another roll-out."""
        document = self._snapshot.document_of[node]
        if not self._entries(document):
            return Step(node)
        standing, new = requested(document.spec.virtual_routers), f"{REQUEST}{self._digest}"
        request = standing if standing and not self._held(node) else new
        return Step(node, Request(request_id=request))

    def _has_handed_over(self, pod: Pod) -> bool:
        """No router of the node holds anything, by its own word after the request, and whatever it stood by for another one holds."""
        document, snapshot = self._snapshot.document_of[pod.node], self._snapshot
        said = {(router.name, router.family): router for router in _said(document)}
        if not (pod.is_ready and snapshot.is_fresh(pod.node)):
            return all(self._holders(name) - {pod.node} for name in self._held(pod.node))
        entries = self._entries(document)
        if not snapshot.is_confirmed(pod.node) or any(not router.leave for router in entries):
            return False
        if _ignores_leave(document):  # its SIGTERM hands over
            return all(self._standing_by(name) - {pod.node} for name in self._held(pod.node))
        return not self._held(pod.node) and all(_has_left(r, said.get((r.name, r.family))) for r in entries)

    def _obstacle(self, pod: Pod) -> str | None:
        """Why the node cannot be taken out now, and what can be done about it."""
        node, document = pod.node, self._snapshot.document_of.get(pod.node)
        if document is None or document.status is None:
            return "what it holds is not known: its FloatingIPNode is not there or cannot be read"
        accepted = f"delete Pod {pod.name} to accept a gap"
        if unheard := [
            name for name in self._held(node) if not (self._standing_by(name) | self._holders(name)) - {node}
        ]:
            return f"no node stands by to take over {', '.join(unheard)}: wait for one, or {accepted}"
        if unproven := self._unproven(node):
            return f"no other node can hold {', '.join(unproven)}, or shows yet that the new agent works: {accepted}"
        return None

    def _unproven(self, node: str) -> list[str]:
        """What only this node can hold, while the new agent works nowhere yet: settings that cannot work must not take it away."""
        if any(pod.digest == self._digest and self._is_back(pod) for pod in self._pods.values()):
            return []
        return [name for name in self._active(node) if name in self.lonely and self._snapshot.is_fresh(node)]

    def _trouble(self, node: str) -> Stop | None:
        """What keeps a node that was taken out from coming back, when it is worth a word."""
        pod = self._pods.get(node)
        if pod is None:
            overdue = self._snapshot.asked_ages.get(node, 0.0) >= HANDED_OVER_WITHIN + READY_WITHIN
            return Stop(node, "there is no new Pod") if overdue else None
        if pod.trouble is not None:
            return Stop(node, f"Pod {pod.name}: {pod.trouble}")
        if pod.age < READY_WITHIN:
            return None
        what = (
            "does not end"
            if pod.is_leaving
            else "is not Ready"
            if not pod.is_ready
            else "has not taken up its document"
        )
        return Stop(node, f"Pod {pod.name} {what} after {READY_WITHIN:.0f} s")

    def _out(self) -> list[str]:
        """Nodes whose agent is to be back soon, of those whose kubelet is there: one that is away gets the new agent when it is back,
        and nobody waits for it."""
        return sorted(node.name for node in self._snapshot.nodes if node.is_ready and self._is_out(node.name))

    def _is_outdated(self, pod: Pod) -> bool:
        node = self._snapshot.node_of.get(pod.node)
        return self._is_untouched(pod) and node is not None and node.is_ready

    def _is_untouched(self, pod: Pod) -> bool:
        return pod.digest != self._digest and not pod.is_leaving

    def _is_out(self, node: str) -> bool:
        """On its way: the old Pod ends, the next one is not there yet, or has not taken up the node's document."""
        pod = self._pods.get(node)
        if pod is None:
            return self._snapshot.is_fresh(node) and self._snapshot.pod_gone_ages.get(node, READY_WITHIN) < READY_WITHIN
        return pod.is_leaving or (pod.digest == self._digest and not self._is_back(pod))

    def _is_back(self, pod: Pod) -> bool:
        has_document = pod.node in self._snapshot.document_of
        is_up = pod.is_ready and not pod.is_leaving and has_document and self._snapshot.is_fresh(pod.node)
        return is_up and self._snapshot.is_confirmed(pod.node)

    def _active(self, node: str) -> list[str]:
        """The FloatingIPs of which the node's last word is Active."""
        return sorted(name for name, states in self._states.items() if "Active" in states.get(node, set()))

    def _held(self, node: str) -> list[str]:
        """Of those, the ones to be handed over."""
        return [name for name in self._active(node) if name not in self.lonely]

    def _entries(self, document: FloatingIPNode) -> list[VirtualRouter]:
        """Those that are asked to leave."""
        return [r for r in document.spec.virtual_routers if r.release is None and r.name not in self.lonely]

    def _holders(self, name: str) -> set[str]:
        return self._all_in("Active", name)

    def _standing_by(self, name: str) -> set[str]:
        return self._all_in("Backup", name)

    def _all_in(self, state: str, name: str) -> set[str]:
        """Living nodes with the state in every family."""
        known = self._states.get(name, {}).items()
        return {node for node, states in known if states == {state} and self._snapshot.is_fresh(node)}


def _is_for_one(spec: FloatingIPSpec, snapshot: Snapshot) -> bool:
    """By its own words, or because there is no other Node; not because others are down, excluded or not labelled now."""
    entries = spec.nodes or []
    names = {entry.name for entry in entries if entry.name is not None}
    takes_others = spec.nodes is None or any(entry.selector is not None for entry in entries)
    return len(names) <= 1 and (not takes_others or spec.candidates == 1 or len(snapshot.nodes) == 1)


def _said(document: FloatingIPNode) -> list[VirtualRouterStatus]:
    return document.status.virtual_routers if document.status else []


def _has_left(router: VirtualRouter, said: VirtualRouterStatus | None) -> bool:
    """A Backup says that it hears another; in Fault or Initialize it takes no part."""
    if said is None or router.leave is None:
        return False
    return said.state != "Backup" or said.left_request_id == router.leave.request_id


def _ignores_leave(document: FloatingIPNode) -> bool:
    """An agent that is older than the request."""
    return document.status is not None and any(field.endswith(".leave") for field in document.status.ignored_fields)
