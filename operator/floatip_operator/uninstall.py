"""`floatip-operator uninstall`: what must be done before an installation may be deleted.

It takes the lead from the running operator, so that nobody undoes it, has every node let go, and removes what no manifest of the release
lists: DaemonSet, FloatingIPNodes, Leases, finalizers. Nobody is asked to let go while a node that may hold something is not heard of. When
it cannot be done it gives the lead back, and the operator serves everything again.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Set

from floatip_api import names

from floatip_operator import handlers, kube, renewals
from floatip_operator.cluster import Cluster
from floatip_operator.decide import leaving
from floatip_operator.decide.plan import Plan
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.leadership import RENEW_DEADLINE, RETRY, Leadership
from floatip_operator.metrics import Metrics
from floatip_operator.reconciler import Reconciler, Settings

log = logging.getLogger(__name__)

FORMER_LEADER_ENDS = RENEW_DEADLINE + RETRY
"""Seconds after which no other operator writes any more; every living agent has renewed its Lease by then, too."""
PODS_END_WITHIN = 45.0
"""Seconds, their grace time and some; the Pods of a node that is off never end, and are not waited for."""
OPERATORS_END_WITHIN = 20.0
"""Seconds; one on a node that is off would not have led again."""
_LOOK_EVERY = 0.5


class Unfinished(Exception):
    """Something is still there; the text says what, and what to do."""


async def run(api: kube.Kube, settings: Settings, timeout: float) -> int:  # noqa: ASYNC109 - of the command line
    """Exit status: 0 nothing is left, 1 not everybody let go within `timeout` seconds."""
    cluster, progress = Cluster(), _Progress()
    reconciler = Reconciler(api, cluster, Settings(settings.namespace), Metrics(cluster), progress.decide)
    leadership = Leadership(api, f"{socket.gethostname()}_uninstall")

    async def let_go() -> None:
        await asyncio.sleep(FORMER_LEADER_ENDS)
        await progress.all_heard.wait()
        progress.begin()
        cluster.changed.set()
        await progress.settled.wait()

    async def work() -> None:
        watches = handlers.watch(cluster, settings.namespace, reconciler.listed), renewals.follow(api, cluster)
        await _beside(let_go(), reconciler.run(), *watches)
        await _again_until_done(lambda: _remove(api, settings, progress.living))

    try:
        async with asyncio.timeout(timeout):
            await leadership.seize()
            await _beside(work(), leadership.keep())
            await _again_until_done(leadership.end)
    except TimeoutError:
        sys.stderr.write(f"not uninstalled within {timeout:.0f} s: {progress.obstacle()}\n")
    except Unfinished as error:
        sys.stderr.write(f"not uninstalled: {error}\n")
    else:
        log.info("nothing is left but the release itself")
        return 0
    await leadership.give_up()
    return 1


class _Progress:
    """Looks on until `begin`; then has everybody let go. What the latest decision left open."""

    def __init__(self) -> None:
        self.all_heard, self.settled = asyncio.Event(), asyncio.Event()
        self.living: set[str] = set()
        """Nodes whose agent was heard while this looked on: a Lease that was there before may be a dead agent's."""
        self._has_begun = False
        self._holders: dict[str, list[str]] | None = None

    def begin(self) -> None:
        self._has_begun = True

    def decide(self, snapshot: Snapshot, _: Set[str] | None) -> Plan:
        """Always for all."""
        self.living = {name for name in snapshot.heard if snapshot.is_fresh(name)}
        self._holders = leaving.holders(snapshot)
        _turn(self.all_heard, self._holders.keys() <= self.living)
        plan = leaving.decide(snapshot)
        if not self._has_begun:
            return Plan(secrets=plan.secrets)  # the agents go on reading them
        _turn(self.settled, plan == Plan() and not self._holders)
        return plan

    def obstacle(self) -> str:
        if self._holders is None:
            return "the cluster could not be read"
        if not self._holders:
            return "every node has let go, but not all could be removed; try again"
        if self._has_begun:
            said, nodes = "these nodes have not confirmed that they let go", set(self._holders)
        else:
            said, nodes = (
                "nobody was asked to let go, as these nodes are not heard of",
                self._holders.keys() - self.living,
            )
        return "\n".join(
            [
                f"{said}:",
                *(f"  {node}: {', '.join(self._holders[node])}" for node in sorted(nodes)),
                "The operator leads again and serves everything. Bring their agents back, or, if a node is off, say so by",
                "`floatip forget NODE`; then uninstall again.",
            ]
        )


def _turn(event: asyncio.Event, to: bool) -> None:
    if to:
        event.set()
    else:
        event.clear()


async def _beside(work: Awaitable[None], *parts: Awaitable[object]) -> None:
    """Until the work is done. Raises `Unfinished` when one of the parts, which go on for ever, ends before it."""
    working, *going_on = [asyncio.ensure_future(step) for step in (work, *parts)]
    try:
        await asyncio.wait({working, *going_on}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Unfinished("the lead is lost, or the API server refuses to be watched; see the lines above")
        working.result()
    finally:
        for task in (working, *going_on):
            task.cancel()
        await asyncio.gather(working, *going_on, return_exceptions=True)


async def _again_until_done(step: Callable[[], Awaitable[None]]) -> None:
    """An API server that is away for a moment costs time only. Every step can be taken twice."""
    while True:
        try:
            return await step()
        except (TimeoutError, kube.ApiError, OSError) as error:
            log.warning("again in %.0f s: %s", RETRY, error)
            await asyncio.sleep(RETRY)


async def _remove(api: kube.Kube, settings: Settings, living: set[str]) -> None:
    """Agents before their documents, the Deployment last: as long as it is there, an interrupted removal is taken back by the operator."""
    namespace = settings.namespace
    await api.delete(kube.daemon_set(namespace))
    await _ended(PODS_END_WITHIN, lambda: _agents(api, living))
    for document in await api.list_all(kube.FLOATING_IP_NODES):
        await api.delete_document(document["metadata"])
    if settings.labels_namespace:
        await api.enforce_pod_security(None)
    await api.delete(kube.deployment(namespace))
    await _ended(OPERATORS_END_WITHIN, lambda: api.nodes_with(names.OPERATOR_DEPLOYMENT))


async def _agents(api: kube.Kube, living: set[str]) -> set[str]:
    return living & await api.nodes_with(names.AGENT_DAEMON_SET)


async def _ended(within: float, running_on: Callable[[], Awaitable[set[str]]]) -> None:
    until = asyncio.get_running_loop().time() + within
    while left := await running_on():
        if asyncio.get_running_loop().time() > until:
            log.warning("Pods on %s are still ending after %.0f s; they hold nothing", ", ".join(sorted(left)), within)
            return
        await asyncio.sleep(_LOOK_EVERY)
