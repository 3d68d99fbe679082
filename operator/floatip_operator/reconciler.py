"""Turns snapshots into writes, one pass after the other: nothing here runs twice at the same time."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Sequence, Set
from typing import Any

from floatip_api import names
from floatip_api.v1alpha1 import FloatingIP, FloatingIPNode, FloatingIPStatus

from floatip_operator import agents, kube, rollout
from floatip_operator.cluster import Cluster
from floatip_operator.decide.events import Event
from floatip_operator.decide.plan import Plan, decide
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.metrics import Metrics
from floatip_operator.recording import Recorder
from floatip_operator.rollout import Rollout

log = logging.getLogger(__name__)

RESYNC = 300.0
"""Seconds between whole lists: a watch that went silent cannot hide a change for longer."""
TICK = 5.0
"""Seconds after which ages (Leases, claims) of all are looked at again although nothing happened."""
WHOLE_AFTER = 1.0
"""Seconds after a decision for a few floating IPs in which one for all follows."""
_FEW = 50
_SETTLE = 0.05
"""Seconds that a burst of events gets to end before a decision is made from it."""
POD_SECURITY_LEVEL = "privileged"
"""The agents use the host's network and a folder of the node."""
_AT_ONCE = 16
"""Writes under way together."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    namespace: str
    virtual_router_ids: tuple[int, int] = (20, 250)
    agents: agents.AgentSettings | None = None
    """None: the agents' DaemonSet is somebody else's."""
    labels_namespace: bool = False
    """Keep the Pod Security level that the agents need on floatip's namespace."""
    ignores_exclusion: bool = False
    """Nodes that are excluded from external load balancers take part like the others."""


class Reconciler:
    """`turned_at` is the loop time of the last pass that ended well, for the health endpoint; `listed` is set once every kind was there
    to list."""

    def __init__(
        self,
        api: kube.Kube,
        cluster: Cluster,
        settings: Settings,
        metrics: Metrics,
        decision: Callable[[Snapshot, Set[str] | None], Plan] = decide,
    ) -> None:
        self._api = api
        self._cluster = cluster
        self._settings = settings
        self._metrics = metrics
        self._decide = decision
        self._cluster_uid = ""
        self._service_ranges: list[str] = []
        self._granted: frozenset[str] | None = None
        self._daemon_set = agents.daemon_set(settings.agents, settings.namespace) if settings.agents else None
        self._events = Recorder(api)
        self._rollout = Rollout(api, cluster, self._events)
        self._told: frozenset[Event] = frozenset()
        """Of strays, since the last whole list: Events end after an hour, what they tell of may last."""
        self._whole_at = 0.0
        self.turned_at = 0.0
        self.listed = asyncio.Event()

    async def observe(self) -> None:
        """What a replica that waits for the lead does: see everything once, so that the watches can begin. It counts the ages of Leases
        from then on, and when it leads it need not begin anew."""
        delay = 0.5
        while not self.listed.is_set():
            try:
                await self._list()
            except (TimeoutError, kube.ApiError, OSError) as error:
                log.info("not everything can be listed yet, again in %.1f s: %s", delay, error or type(error).__name__)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 15.0)

    async def run(self) -> None:
        """For ever. An API server that is away costs time, never state."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(self._passes())

    async def _passes(self) -> None:
        loop = asyncio.get_running_loop()
        self.turned_at = loop.time()
        resync_at, delay = 0.0, 0.5
        while True:
            try:
                if loop.time() >= resync_at:
                    await self._resync()
                    resync_at = loop.time() + RESYNC
                with self._metrics.duration.time():
                    await self._pass()
                delay = 0.5
            except (TimeoutError, kube.ApiError, OSError) as error:
                self._metrics.errors.inc()
                log.warning("reconciling failed, again in %.1f s: %s", delay, error or type(error).__name__)
            except Exception:
                # A decision that fails on one odd object must not end the watch of all others: said, and tried again.
                self._metrics.errors.inc()
                log.exception("reconciling failed by a fault of its own, again in %.1f s", delay)
            else:
                self.turned_at = loop.time()
                self._metrics.passed_at.set_to_current_time()
                await self._wait()
                continue
            resync_at = self._whole_at = 0.0
            await asyncio.sleep(delay)
            delay = min(delay * 2, 15.0)

    async def _wait(self) -> None:
        """Until something happened, or a decision for all is due."""
        within = min(self._whole_at - asyncio.get_running_loop().time(), self._cluster.turns_in())
        try:
            await asyncio.wait_for(self._cluster.changed.wait(), max(0.0, within))
        except TimeoutError:
            self._whole_at = 0.0
            return
        await asyncio.sleep(_SETTLE)

    def _to_be_decided(self) -> frozenset[str] | None:
        """The few floating IPs that something was heard of, at once; None: all. A decision for 500 on 1,000 nodes takes ten times as long
        as one for a few, so it is made when the few have had theirs."""
        now, touched = asyncio.get_running_loop().time(), self._cluster.take_changes()
        if not touched or len(touched) > _FEW or now >= self._whole_at:
            self._whole_at = now + TICK
            return None
        self._whole_at = min(self._whole_at, now + WHOLE_AFTER)
        return touched

    async def _resync(self) -> None:
        await self._list()
        if self._settings.labels_namespace:
            await self._label_namespace()
        if self._daemon_set is not None:
            present = await self._api.ensure_daemon_set(self._daemon_set, agents.SETTINGS_DIGEST)
            self._rollout.take(present)
            await self._look_for_policy(present)
        self._granted = None
        self._told = frozenset()
        self._whole_at = 0.0

    async def _look_for_policy(self, daemon_set: dict[str, Any]) -> None:
        """All works without it; said each time, until it is back."""
        if not await self._api.has_agent_policy():
            text = f"the ValidatingAdmissionPolicy {names.AGENT_POLICY} or its binding is missing: an agent could write for another node"
            log.error(text)
            self._events.record(rollout.identity(daemon_set), "Warning", "PolicyMissing", text)

    async def _list(self) -> None:
        """Whole lists first: a decision made before every list is known would take nodes for gone."""
        self._cluster_uid = await self._api.cluster_uid()
        self._service_ranges = await self._api.service_ranges()
        for kind, path in (
            ("Node", kube.NODES),
            (names.FLOATING_IP_NODE, kube.FLOATING_IP_NODES),
            (names.FLOATING_IP, kube.FLOATING_IPS),
        ):
            self._cluster.replace(kind, await self._api.list_all(path))
        leases, _ = await self._api.list_now(kube.leases(self._settings.namespace))
        self._cluster.replace("Lease", leases)
        pods = await self._api.list_all(kube.pods(self._settings.namespace))
        self._cluster.replace("Pod", filter(agents.is_agent, pods))
        self.listed.set()

    async def _label_namespace(self) -> None:
        try:
            await self._api.enforce_pod_security(POD_SECURITY_LEVEL)
        except kube.ApiError as error:
            if error.status != 409:
                raise
            log.error("the namespace's Pod Security label is somebody else's, agents may be refused: %s", error)

    async def _pass(self) -> None:
        only = self._to_be_decided()
        snapshot = self._cluster.snapshot(
            cluster_uid=self._cluster_uid,
            cluster_ranges=self._service_ranges,
            virtual_router_ids=self._settings.virtual_router_ids,
            node_selector=self._settings.agents.node_selector if self._settings.agents else {},
            tolerations=agents.tolerations(self._settings.agents),
            agent_digest=agents.digest_of(self._daemon_set) if self._daemon_set else None,
            ignores_exclusion=self._settings.ignores_exclusion,
        )
        if any(floating_ip.metadata.deletion_timestamp for floating_ip in snapshot.floating_ips):
            # Asked after the picture was taken: a CRD's deletion is older than those of its objects, so none slips through.
            is_deleted = await self._api.is_definition_deleted()
            snapshot = dataclasses.replace(snapshot, is_definition_deleted=is_deleted)
        # Not in a thread: the loop would take the interpreter from it a hundred times a second, and nothing here minds half a second.
        await self._carry_out(self._decide(snapshot, only))

    async def _carry_out(self, plan: Plan) -> None:
        """Secrets before the entries that need them, specs before the statuses that speak of them."""
        secrets = plan.secrets if plan.is_whole or self._granted is None else plan.secrets | self._granted
        if secrets != self._granted:
            await self._api.grant_secrets(sorted(secrets))
            self._granted = secrets
        api = self._api
        ours = {"annotations": {names.CLUSTER: self._cluster_uid}}
        written = [api.create_document({"name": name, **ours}) for name in plan.create_documents]
        written += [api.write_document(_version(document) | ours, spec.to_manifest()) for document, spec in plan.specs]
        documents = [self._keep(names.FLOATING_IP_NODE, write) for write in written]
        documents += [api.delete_document(_version(document)) for document in plan.delete_documents]
        await _all(documents)
        await _all([self._finalizer(floating_ip, present=True) for floating_ip in plan.add_finalizer])
        await _all([self._finalizer(floating_ip, present=False) for floating_ip in plan.remove_finalizer])
        await _all([self._annotate(floating_ip, value) for floating_ip, value in plan.heard_again])
        await _all([self._tell(floating_ip, status, plan.events) for floating_ip, status in plan.statuses])
        if plan.is_whole:
            for event in plan.strays:
                if event not in self._told:
                    self._record(event)
            self._told = frozenset(plan.strays)
            await _all([self._rollout.carry_out(plan.rollout)])

    async def _keep(self, kind: str, write: Awaitable[dict[str, Any]]) -> None:
        """Put the answer of a write into the picture, so that the next decision is not made from before it."""
        self._cluster.put(kind, await write)

    async def _tell(self, floating_ip: FloatingIP, status: FloatingIPStatus, events: Sequence[Event]) -> None:
        """The status, then its Events: of a status that could not be written the next pass speaks again."""
        written = self._api.write_status(_identity(floating_ip), status.to_manifest())
        await self._keep(names.FLOATING_IP, written)
        for event in events:
            if event.uid == floating_ip.metadata.uid:
                self._record(event)

    def _record(self, event: Event) -> None:
        log.info("%s: %s: %s", event.name, event.reason, event.message)
        about = {"apiVersion": names.API_VERSION, "kind": event.kind, "name": event.name, "uid": event.uid}
        self._events.record(about, event.type, event.reason, event.message)

    async def _finalizer(self, floating_ip: FloatingIP, *, present: bool) -> None:
        others = [name for name in floating_ip.metadata.finalizers if name != names.FINALIZER]
        change = {"finalizers": [*others, names.FINALIZER] if present else others}
        answer = await self._api.change_metadata(_version(floating_ip), change)
        if present or others:
            self._cluster.put(names.FLOATING_IP, answer)

    async def _annotate(self, floating_ip: FloatingIP, value: str | None) -> None:
        change = {"annotations": {names.ABANDON: value}}
        await self._keep(names.FLOATING_IP, self._api.change_metadata(_version(floating_ip), change))


async def _all(writes: Sequence[Awaitable[None]]) -> None:
    """A few at a time. A conflict means that somebody was faster: the next pass decides anew from what is there then. A write that the API
    server refuses for what it says must not hold up the other objects."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(write: Awaitable[None]) -> None:
        async with limit:
            try:
                await write
            except kube.ApiError as error:
                if error.status in {400, 413, 422}:
                    log.error("refused by the API server: %s", error)
                elif error.status in {404, 409}:
                    log.info("decided from an older picture, again with the next: %s", error)
                else:
                    raise

    await asyncio.gather(*(one(write) for write in writes))


def _identity(entry: FloatingIP | FloatingIPNode) -> dict[str, str]:
    return {"name": entry.metadata.name, "uid": entry.metadata.uid}


def _version(entry: FloatingIP | FloatingIPNode) -> dict[str, str]:
    return {**_identity(entry), "resourceVersion": entry.metadata.resource_version}
