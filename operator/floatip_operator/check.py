"""`floatip-operator check`, which `helm test` runs: does the installation work, as the API server tells it?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from floatip_api import names
from floatip_api.conditions import ConditionType, Reason

from floatip_operator import kube
from floatip_operator.leadership import DURATION

Object = Mapping[str, Any]
_LOOK_EVERY = 2.0


async def run(api: kube.Kube, timeout: float) -> int:  # noqa: ASYNC109 - of the command line
    """Exit status: 0 when all is well within `timeout` seconds, else 1, and what is not on standard error."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    renewals: set[str] = set()
    while True:
        found = await _look(api, renewals)
        if not found:
            print("the operator leads, every agent is Ready, every floating IP is held")
            return 0
        if loop.time() > until:
            sys.stderr.writelines(f"{line}\n" for line in found)
            return 1
        await asyncio.sleep(_LOOK_EVERY)


async def _look(api: kube.Kube, renewals: set[str]) -> list[str]:
    """`renewals` is what the operator's Lease said so far: two different ones show that somebody leads, whatever the clocks say."""
    try:
        lease = await api.get(f"{kube.leases(api.namespace)}/{names.OPERATOR_LEASE}")
        renewals.add((lease or {}).get("spec", {}).get("renewTime", ""))
        agents = await api.get(kube.daemon_set(api.namespace))
        floating_ips = await api.list_all(kube.FLOATING_IPS)
    except (TimeoutError, kube.ApiError, OSError) as error:
        return [f"the API server could not be asked: {error or type(error).__name__}"]
    return [*_leader(renewals - {""}), *_agents(agents), *_unheld(floating_ips)]


def _leader(renewals: set[str]) -> list[str]:
    if len(renewals) > 1:
        return []
    return [
        f"nobody leads: the Lease {names.OPERATOR_LEASE} is not renewed (every few seconds; it ends after {DURATION:.0f} s)"
    ]


def _agents(daemon_set: Object | None) -> list[str]:
    if daemon_set is None:
        return [f"there is no DaemonSet {names.AGENT_DAEMON_SET}: the operator makes it"]
    status = daemon_set.get("status", {})
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    if wanted and ready == wanted:
        return []
    return [
        f"{ready} of {wanted} agents are Ready"
        if wanted
        else "no node runs the agent: see agent.nodeSelector and agent.tolerations"
    ]


def _unheld(floating_ips: Iterable[Object]) -> list[str]:
    found = []
    for floating_ip in floating_ips:
        conditions = {entry["type"]: entry for entry in floating_ip.get("status", {}).get("conditions", [])}
        ready = conditions.get(ConditionType.READY, {"status": "Unknown", "reason": "", "message": "no status yet"})
        if ready["status"] != "True" and ready["reason"] != Reason.SUSPENDED:
            found.append(f"FloatingIP {floating_ip['metadata']['name']}: {ready['message']}")
    return found
