"""The end of an installation: every node is asked to let go of everything; the FloatingIPs stay, free of finalizers."""

from __future__ import annotations

from floatip_api import names
from floatip_api.conditions import Reason
from floatip_api.v1alpha1 import FloatingIPStatus, Request, VirtualRouter

from floatip_operator.decide import plan, rollout
from floatip_operator.decide.plan import Plan
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.decide.standing import Standing
from floatip_operator.decide.status import Verdict, fold


def decide(snapshot: Snapshot) -> Plan:
    """The next step. An empty plan, and no `holders` left: it is done."""
    standings = [Standing(floating_ip, snapshot) for floating_ip in snapshot.by_age]
    entries: dict[str, list[VirtualRouter]] = _orphans(snapshot)
    statuses, finished = [], []
    for standing in standings:
        for node, routers in rollout.let_go(standing, snapshot).items():
            entries.setdefault(node, []).extend(routers)
        floating_ip = standing.floating_ip
        if names.FINALIZER in floating_ip.metadata.finalizers and plan.is_gone(standing, snapshot):
            finished.append(floating_ip)
        elif (status := _status(standing, snapshot)) != floating_ip.status:
            statuses.append((floating_ip, status))
    return Plan(
        specs=plan.changed_specs(entries, snapshot.documents, snapshot),
        remove_finalizer=tuple(finished),
        statuses=tuple(statuses),
        secrets=frozenset(plan.secrets(entries)),
    )


def holders(snapshot: Snapshot) -> dict[str, list[str]]:
    """By node: the floating IPs that it has not confirmed to have let go, and that no human wrote off there."""
    found = {node: ["its FloatingIPNode cannot be read"] for node in snapshot.unreadable}
    for standing in (Standing(floating_ip, snapshot) for floating_ip in snapshot.floating_ips):
        unreleased = {n for n, rs in standing.entries.items() if any(not standing.is_released(n, r) for r in rs)}
        for node in (unreleased | standing.unlisted.keys()) - standing.abandoned:
            found.setdefault(node, []).append(standing.name)
    for node, routers in _orphans(snapshot).items():
        found.setdefault(node, []).extend(router.name for router in routers)
    return {node: sorted(set(texts)) for node, texts in sorted(found.items())}


def _orphans(snapshot: Snapshot) -> dict[str, list[VirtualRouter]]:
    """Entries without a FloatingIP, which else would stay for ever, on their way out."""
    known = {floating_ip.metadata.name for floating_ip in snapshot.floating_ips}
    found: dict[str, list[VirtualRouter]] = {}
    for node, routers in plan.orphans(snapshot, known).items():
        request = Request(request_id=f"uninstall-{snapshot.document_of[node].metadata.generation}")
        found[node] = [router.model_copy(update={"release": router.release or request}) for router in routers]
    return found


def _status(standing: Standing, snapshot: Snapshot) -> FloatingIPStatus:
    status = fold(standing, Verdict(is_suspended=True), snapshot)
    told = {"reason": Reason.UNINSTALLED.value, "message": "floatip is being uninstalled: held by nobody"}
    conditions = [
        condition.model_copy(update=told) if condition.reason == Reason.SUSPENDED else condition
        for condition in status.conditions
    ]
    return status.model_copy(update={"conditions": conditions})
