"""From what the nodes say to a FloatingIP's status: who holds it, and five conditions that a pager reader understands."""

from __future__ import annotations

import dataclasses
from typing import Literal

from floatip_api.conditions import ConditionType, Reason
from floatip_api.rendering import family_of
from floatip_api.v1alpha1 import Condition, Display, Family, FloatingIPStatus, NodeStatus, VirtualRouterStatus
from floatip_api.warnings import warnings_of

from floatip_operator.decide import handover, links
from floatip_operator.decide.phases import Wait
from floatip_operator.decide.snapshot import UNKNOWN_AFTER, Snapshot
from floatip_operator.decide.standing import Standing

_DISPLAY_LENGTH, _MESSAGE_LENGTH = 8192, 32768
"""Characters that the schema takes: 128 nodes with long names or reasons have more to say."""
_WARNING_LENGTH = 256
"""Characters of a node's warning here; the whole sentence stands in its FloatingIPNode."""
_DEGRADING = (
    Reason.ADDRESS_CLAIMED,
    Reason.ADDRESS_LOST,
    Reason.LOOPED_BACK,
    Reason.WIRE_MISMATCH,
    Reason.PROBES_STALE,
)
"""Warnings of agents that make a floating IP Degraded, the gravest first."""

Said = tuple[bool, Reason, str]
"""Whether the condition is True, why in one word, and in a sentence."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What the operator itself decided about one floating IP."""

    virtual_router_id: int | None = None
    refusal: tuple[Reason, str] | None = None
    unallocated: tuple[Reason, str] | None = None
    is_suspended: bool = False
    is_deleting: bool = False
    waits: Wait | None = None
    rollout_stopped: str | None = None


def fold(standing: Standing, verdict: Verdict, snapshot: Snapshot) -> FloatingIPStatus:
    """The whole status. Transition times stay where a condition's status stays."""
    nodes = _nodes(standing, snapshot)
    families = {family_of(text) for text in standing.floating_ip.spec.addresses}
    holders = _holders(standing, families, snapshot)
    said = {
        ConditionType.ACCEPTED: _accepted(standing, verdict),
        ConditionType.ALLOCATED: _allocated(standing, verdict),
        ConditionType.READY: _ready(standing, verdict, nodes, holders, snapshot),
        ConditionType.SINGLE_HOLDER: _single_holder(standing, holders, snapshot),
        ConditionType.DEGRADED: _degraded(standing, verdict, nodes, holders, snapshot),
    }
    return FloatingIPStatus(
        active_node=holders[0] if len(holders) == 1 else None,
        active_nodes=holders,
        virtual_router_id=verdict.virtual_router_id or standing.virtual_router_id,
        nodes=nodes,
        display=_display(standing, nodes),
        conditions=[_condition(standing, kind, words, snapshot) for kind, words in said.items()],
        observed_generation=standing.floating_ip.metadata.generation,
    )


def _nodes(standing: Standing, snapshot: Snapshot) -> list[NodeStatus]:
    found = []
    for node, routers in sorted(standing.entries.items()):
        said = {router.family: router for router in standing.reported.get(node, [])}
        for router in routers:
            if standing.is_released(node, router):
                continue
            found.append(_node_status(node, router.family, router.priority, said.get(router.family), snapshot))
    return found


def _node_status(
    node: str, family: Family, priority: int, said: VirtualRouterStatus | None, snapshot: Snapshot
) -> NodeStatus:
    if not snapshot.is_fresh(node):
        last = f", last seen {said.state}" if said else ""
        return NodeStatus(
            name=node,
            family=family,
            state="Unknown",
            priority=priority,
            reason=f"the agent has not been heard of for {UNKNOWN_AFTER:.0f} s{last}",
        )
    if said is None:
        return NodeStatus(
            name=node, family=family, state="Initialize", priority=priority, reason="not yet taken up by the agent"
        )
    return NodeStatus(
        name=node,
        family=family,
        state=said.state,
        priority=priority,
        effective_priority=said.effective_priority,
        interface=said.interface,
        since=said.since,
        transitions=said.transitions,
        reason=said.reason,
        warnings=[w.model_copy(update={"message": w.message[:_WARNING_LENGTH]}) for w in said.warnings],
    )


def _claims(standing: Standing, families: set[Family], snapshot: Snapshot) -> list[str]:
    """Fresh nodes that say Active in every family the object has."""
    found = []
    for node, routers in standing.reported.items():
        active = {router.family for router in routers if router.state == "Active"}
        if snapshot.is_fresh(node) and families <= active:
            found.append(node)
    return sorted(found)


def _grace(standing: Standing) -> float:
    """Seconds that two claims may overlap without being a sign: max(2 s, 2 periods)."""
    return max(2.0, 2 * standing.floating_ip.spec.vrrp.advertisement_period_milliseconds / 1000)


def _holders(standing: Standing, families: set[Family], snapshot: Snapshot) -> list[str]:
    """api.md: "A dead node's last word is no sign: its Active counts only until another candidate is Active". The youngest claim counts; an
    older one only when its agent was heard again, still claiming, after the youngest had stood for the grace time. A Lease that was there
    when this operator began may be a dead agent's: its claim counts when it is renewed."""
    claims = _claims(standing, families, snapshot)
    if len(claims) < 2:
        return claims
    claims = [node for node in claims if node in snapshot.heard] or claims
    ages = {node: snapshot.claim_ages.get((standing.name, node), 0.0) for node in claims}
    youngest = min(claims, key=lambda node: (ages[node], node))
    settled = ages[youngest] - _grace(standing)
    also = {n for n in claims if n in snapshot.heard and snapshot.lease_age(n) < settled}
    return sorted(also | {youngest})


def _accepted(standing: Standing, verdict: Verdict) -> Said:
    if verdict.refusal is not None:
        return False, *verdict.refusal
    if verdict.waits is not None:
        return True, Reason.ACCEPTED, verdict.waits.text
    if found := warnings_of(standing.floating_ip.spec.to_manifest()):
        text = "; ".join(f"spec.{field}: {warning}" for field, warning in found)
        return True, Reason.ACCEPTED_WITH_WARNINGS, text
    return True, Reason.ACCEPTED, "the object can be served"


def _allocated(standing: Standing, verdict: Verdict) -> Said:
    if verdict.unallocated is not None:
        return False, *verdict.unallocated
    virtual_router_id = verdict.virtual_router_id or standing.virtual_router_id
    if virtual_router_id is None:
        return False, Reason.NO_MATCHING_NODES, "not accepted, so nothing is allocated"
    count = len(standing.present)
    return True, Reason.ALLOCATED, f"virtual router ID {virtual_router_id} on {count} node{'' if count == 1 else 's'}"


def _ready(
    standing: Standing, verdict: Verdict, nodes: list[NodeStatus], holders: list[str], snapshot: Snapshot
) -> Said:
    if len(holders) == 1:
        return True, Reason.HELD, f"held by {holders[0]}"
    if len(holders) > 1:
        return False, Reason.TWO_HOLDERS, f"{' and '.join(holders)} both claim it"
    if verdict.is_suspended:
        waiting = ", ".join(standing.unconfirmed())
        return (
            False,
            Reason.SUSPENDED,
            f"suspended: waiting for {waiting} to let go" if waiting else "suspended, as asked",
        )
    if verdict.is_deleting:
        waiting = ", ".join(standing.unconfirmed())
        return False, Reason.DELETING, f"being deleted: waiting for {waiting} to let go" if waiting else "being deleted"
    if moving := handover.under_way(standing, snapshot):
        return False, Reason.HANDING_OVER, moving
    unknown = sorted({n.name for n in nodes if n.state == "Unknown" and n.name in standing.active})
    if unknown:
        return False, Reason.HOLDER_UNKNOWN, f"last held by {', '.join(unknown)}, whose agent has not been heard of"
    states = ", ".join(dict.fromkeys(map(_standing, nodes))) or "no node takes part"
    return False, Reason.NO_HOLDER, f"no node holds it: {states}"


def _standing(node: NodeStatus) -> str:
    because = f" ({node.reason})" if node.state == "Fault" and node.reason else ""
    return f"{node.name} {node.state}{because}"


def _single_holder(standing: Standing, holders: list[str], snapshot: Snapshot) -> Said:
    if len(holders) > 1:
        return False, Reason.TWO_HOLDERS, f"{' and '.join(holders)} both claim it and are both alive"
    for node in holders:
        for router in standing.reported[node]:
            for warning in router.warnings:
                if warning.reason == Reason.RIVAL_HEARD:
                    return False, Reason.RIVAL_HEARD, f"{node} holds it and hears another: {warning.message}"
    return True, Reason.ONE_HOLDER, "no sign of a second holder"


def _degraded(
    standing: Standing, verdict: Verdict, nodes: list[NodeStatus], holders: list[str], snapshot: Snapshot
) -> Said:
    if verdict.is_suspended or verdict.is_deleting:
        return False, Reason.AS_ASKED, "nothing is to be held"
    if verdict.waits is not None and verdict.waits.is_stuck:
        return True, Reason.CHANGE_WAITS, verdict.waits.text
    if verdict.rollout_stopped is not None:
        return True, Reason.ROLLOUT_STOPPED, f"the roll-out of new agents stopped at {verdict.rollout_stopped}"
    faults = [f"{node.name}: {node.reason}" for node in nodes if node.state == "Fault"]
    if faults:
        return True, Reason.NODE_FAULT, "; ".join(dict.fromkeys(faults))
    unknown = sorted({node.name for node in nodes if node.state == "Unknown"})
    if unknown:
        return (
            True,
            Reason.NODE_UNKNOWN,
            f"the agent of {', '.join(unknown)} has not been heard of for {UNKNOWN_AFTER:.0f} s",
        )
    for reason in _DEGRADING:
        if found := _warned(standing, reason):
            return True, reason, found
    backups = {node.name for node in nodes if node.state == "Backup"} - set(holders)
    if holders and not backups:
        return True, Reason.NO_BACKUP, f"no node stands by to take over from {holders[0]}"
    slow = sorted(node for node in standing.present if _scheduling(node, snapshot) not in {None, "RealTime"})
    if slow:
        return True, Reason.REAL_TIME_UNAVAILABLE, f"no real-time scheduling on {', '.join(slow)}"
    return False, Reason.AS_ASKED, "all works as asked"


def _warned(standing: Standing, reason: Reason) -> str | None:
    for node, routers in sorted(standing.reported.items()):
        for router in routers:
            for warning in router.warnings:
                if warning.reason == reason:
                    return f"{node}: {warning.message}"
    return None


def _scheduling(node: str, snapshot: Snapshot) -> str | None:
    document = snapshot.document_of.get(node)
    agent = document.status.agent if document and document.status else None
    return agent.scheduling if agent else None


def _display(standing: Standing, nodes: list[NodeStatus]) -> Display:
    """kubectl's columns: JSONPath cannot join lists."""
    addresses = ",".join(str(address) for address in links.addresses_of(standing.floating_ip))
    texts = []
    for node in sorted(nodes, key=lambda node: (-(node.effective_priority or node.priority or 0), node.name)):
        priority = node.effective_priority if node.effective_priority is not None else node.priority
        texts.append(f"{node.name} {node.state} {priority}")
    return Display(addresses=addresses, nodes=", ".join(dict.fromkeys(texts))[:_DISPLAY_LENGTH])


def _condition(standing: Standing, kind: ConditionType, said: Said, snapshot: Snapshot) -> Condition:
    is_true, reason, message = said
    status: Literal["True", "False"] = "True" if is_true else "False"
    before = standing.floating_ip.status.conditions if standing.floating_ip.status else []
    old = next((condition for condition in before if condition.type == kind), None)
    since = old.last_transition_time if old is not None and old.status == status else snapshot.now
    return Condition(
        type=kind.value,
        status=status,
        reason=reason.value,
        message=message[:_MESSAGE_LENGTH],
        last_transition_time=since,
        observed_generation=standing.floating_ip.metadata.generation,
    )
