"""The cluster in memory: filled by whole lists, kept current by watch events, read as snapshots."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import importlib.metadata
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from floatip_api import names
from floatip_api.v1alpha1 import FloatingIP, FloatingIPNode, FloatingIPNodeStatus
from pydantic import ValidationError

from floatip_operator import agents
from floatip_operator.decide import upgrade
from floatip_operator.decide.snapshot import UNKNOWN_AFTER, Node, Pod, Snapshot

log = logging.getLogger(__name__)

Object = dict[str, Any]
Kind = TypeVar("Kind", FloatingIP, FloatingIPNode)
_VERSION = importlib.metadata.version("floatip")
_LEASE_PREFIX = names.agent_lease("")


@dataclasses.dataclass(frozen=True, slots=True)
class _PodSeen:
    """In one condition, since then (the cluster's clock). What the kubelet first said of its trouble stays: between two tries it says
    nothing, or something else."""

    condition: tuple[str, bool, bool]
    since: float
    trouble: str | None


class Cluster:
    """One writer, the operator's loop. `changed` is set by every event that may matter."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.changed = asyncio.Event()
        self._touched: set[str] = set()
        self._may_concern_all = True
        self._objects: dict[str, dict[str, Object]] = {}
        self._renewals: dict[str, tuple[str, float]] = {}
        self._heard: set[str] = set()
        self._claims: dict[tuple[str, str], float] = {}
        self._refused: set[tuple[str, str]] = set()
        self._read: dict[tuple[str, str], tuple[Object, FloatingIP | FloatingIPNode | None]] = {}
        """What was made of each object: a pass reads again only what has changed since the last one."""
        self._asked: dict[str, tuple[str, float]] = {}
        self._pods: dict[str, _PodSeen] = {}
        self._pods_gone: dict[str, float] = {}

    def replace(self, kind: str, objects: Iterable[Object]) -> None:
        """A whole list: what is not in it is gone."""
        listed = {entry["metadata"]["name"]: entry for entry in objects}
        for name in set(self._objects.get(kind, {})) - set(listed):
            self.remove(kind, name)
        for entry in listed.values():
            self.put(kind, entry)

    def put(self, kind: str, entry: Object) -> None:
        """One object, from an event or from the answer to a write; only a newer version than the known one says anything."""
        name = entry["metadata"]["name"]
        known = self._objects.setdefault(kind, {}).get(name)
        if known is not None and not _is_newer(entry, known):
            return
        entry = _what_matters(kind, entry)
        self._objects[kind][name] = entry
        if kind == "Lease":
            self._note_renewal(name, entry)
            if known is not None:
                return  # ages are looked at on a timer: 1,000 agents renew 100 Leases a second
        if kind == "Node" and known is not None and (entry["spec"], _node(entry)) == (known["spec"], _node(known)):
            return  # a kubelet says more about its node than we need, and says it again every few minutes
        if kind == names.FLOATING_IP_NODE:
            self._note_claims(name, entry)
            self._note_asked(name, entry)
        elif kind == "Pod":
            self._note_pod(name, entry)
        self._note_change(kind, entry, known)

    def remove(self, kind: str, name: str) -> None:
        gone = self._objects.get(kind, {}).pop(name, None)
        self._read.pop((kind, name), None)
        if kind == "Lease":
            node = name.removeprefix(_LEASE_PREFIX)
            self._renewals.pop(node, None)
            self._heard.discard(node)
        elif kind == names.FLOATING_IP_NODE:
            self._note_claims(name, {})
            self._note_asked(name, {})
        elif kind == "Pod" and gone is not None:
            self._pods.pop(name, None)
            self._pods_gone[gone["spec"]["nodeName"]] = self._clock()
        self._may_concern_all = True
        self.changed.set()

    def take_changes(self) -> frozenset[str] | None:
        """The FloatingIPs that the changes since the last call are about; None: they may concern any."""
        touched = None if self._may_concern_all else frozenset(self._touched)
        self._touched, self._may_concern_all = set(), False
        self.changed.clear()
        return touched

    def turns_in(self) -> float:
        """Seconds until the next agent counts as Unknown by its Lease; infinite when none will."""
        left = [at + UNKNOWN_AFTER - self._clock() for _, at in self._renewals.values()]
        return min((seconds for seconds in left if seconds > 0), default=float("inf"))

    def count(self, kind: str) -> int:
        return len(self._objects.get(kind, {}))

    def objects(self, kind: str) -> Iterable[Object]:
        return self._objects.get(kind, {}).values()

    def agent_ages(self) -> dict[str, float]:
        """Seconds since its Lease was last seen to change, of every agent that has reported itself once."""
        now = self._clock()
        known = (
            d["metadata"]["name"] for d in self.objects(names.FLOATING_IP_NODE) if d.get("status", {}).get("agent")
        )
        return {node: now - self._renewals[node][1] if node in self._renewals else float("inf") for node in known}

    def snapshot(
        self,
        *,
        cluster_uid: str,
        cluster_ranges: Iterable[str],
        virtual_router_ids: tuple[int, int],
        node_selector: dict[str, str],
        tolerations: Sequence[Mapping[str, Any]] = ({"operator": "Exists"},),
        agent_digest: str | None = None,
        ignores_exclusion: bool = False,
    ) -> Snapshot:
        now = self._clock()
        documents = tuple(self._parsed(FloatingIPNode, names.FLOATING_IP_NODE))
        read = {document.metadata.name for document in documents}
        unreadable = {n: entry for n, entry in self._objects.get(names.FLOATING_IP_NODE, {}).items() if n not in read}
        nodes = list(self._objects.get("Node", {}).values())
        pod_ranges = {text for node in nodes for text in node["spec"].get("podCIDRs", [])}
        return Snapshot(
            cluster_uid=cluster_uid,
            now=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            floating_ips=tuple(self._parsed(FloatingIP, names.FLOATING_IP)),
            documents=documents,
            nodes=tuple(map(_node, nodes)),
            lease_ages={node: now - at for node, (_, at) in self._renewals.items()},
            heard=frozenset(self._heard),
            unreadable=frozenset(unreadable),
            unread=frozenset(name for entry in unreadable.values() for name in _listed(entry)),
            claim_ages={key: now - at for key, at in self._claims.items()},
            pods=tuple(self._pod(name, now) for name in sorted(self._objects.get("Pod", {}))),
            asked_ages={node: now - at for node, (_, at) in self._asked.items()},
            pod_gone_ages={node: now - at for node, at in self._pods_gone.items()},
            version=_VERSION,
            agent_digest=agent_digest,
            cluster_ranges=tuple(sorted({*cluster_ranges, *pod_ranges})),
            virtual_router_ids=virtual_router_ids,
            node_selector=node_selector,
            tolerations=tuple(tolerations),
            ignores_exclusion=ignores_exclusion,
        )

    def _parsed(self, model: type[Kind], kind: str) -> Iterable[Kind]:
        """The objects as models, without those that this version cannot read."""
        for name, entry in sorted(self._objects.get(kind, {}).items()):
            known, read = self._read.get((kind, name), (None, None))
            if known is not entry:
                read = self._parse(model, kind, entry)
                self._read[kind, name] = entry, read
            if isinstance(read, model):
                yield read

    def _parse(self, model: type[Kind], kind: str, entry: Object) -> Kind | None:
        """None for one that was written past the schema: it is said once, and left alone."""
        name = entry["metadata"]["name"]
        try:
            return _document(entry) if model is FloatingIPNode else model.from_manifest(entry)
        except ValidationError as error:
            if (kind, name) not in self._refused:
                self._refused.add((kind, name))
                log.error("%s %s is left alone, it cannot be read: %s", kind, name, error)
            return None

    def _note_change(self, kind: str, entry: Object, known: Object | None) -> None:
        if kind == names.FLOATING_IP:
            self._touched.add(entry["metadata"]["name"])
        elif kind == names.FLOATING_IP_NODE and known is not None:
            self._touched |= _floating_ips_on(entry) | _floating_ips_on(known)
            self._may_concern_all |= _node_itself(entry) != _node_itself(known)
        else:
            self._may_concern_all = True
        self.changed.set()

    def _note_renewal(self, name: str, lease: Object) -> None:
        if not name.startswith(_LEASE_PREFIX):
            return
        node, renewed = name.removeprefix(_LEASE_PREFIX), lease["spec"].get("renewTime", "")
        known = self._renewals.get(node)
        if known is None or known[0] != renewed:
            self._renewals[node] = (renewed, self._clock())
        if known is not None and known[0] != renewed:
            self._heard.add(node)

    def _note_claims(self, node: str, document: Object) -> None:
        routers = document.get("status", {}).get("virtualRouters", [])
        claimed = {router["name"] for router in routers if router["state"] == "Active"}
        for key in [key for key in self._claims if key[1] == node and key[0] not in claimed]:
            del self._claims[key]
        for name in claimed:
            self._claims.setdefault((name, node), self._clock())

    def _note_asked(self, node: str, document: Object) -> None:
        """The request by which a roll-out asked the node to hand over, and since when it stands."""
        routers = document.get("spec", {}).get("virtualRouters", [])
        requests = sorted(router.get("leave", {}).get("requestID", "") for router in routers)
        request = next((text for text in requests if text.startswith(upgrade.REQUEST)), None)
        if request is None:
            self._asked.pop(node, None)
        elif node not in self._asked or self._asked[node][0] != request:
            self._asked[node] = (request, self._clock())

    def _note_pod(self, name: str, pod: Object) -> None:
        read = agents.read_pod(pod, 0.0)
        condition = (read.uid, read.is_ready, read.is_leaving)
        known = self._pods.get(name)
        if known is None or known.condition != condition:
            self._pods[name] = _PodSeen(condition, self._clock(), read.trouble)
        elif known.trouble is None:
            self._pods[name] = dataclasses.replace(known, trouble=read.trouble)

    def _pod(self, name: str, now: float) -> Pod:
        seen = self._pods[name]
        return dataclasses.replace(agents.read_pod(self._objects["Pod"][name], now - seen.since), trouble=seen.trouble)


def _document(entry: Object) -> Any:
    """A FloatingIPNode. What a newer agent says in fields that are not known here is passed over; a spec is ours and read strictly."""
    document = FloatingIPNode.from_manifest({**entry, "status": None})
    if "status" not in entry:
        return document
    return document.model_copy(update={"status": FloatingIPNodeStatus.from_newer(entry["status"], [])})


def _listed(document: Object) -> Iterable[str]:
    """The FloatingIPs of its entries, also of a document that cannot be read as a whole."""
    return (str(router.get("name")) for router in document.get("spec", {}).get("virtualRouters", []))


def _floating_ips_on(document: Object) -> set[str]:
    """Those that stand in the document, and those that its agent speaks of."""
    routers = [part.get("virtualRouters", []) for part in (document.get("spec", {}), document.get("status", {}))]
    return {router["name"] for listed in routers for router in listed}


def _node_itself(document: Object) -> Object:
    """What its agent says beside its virtual routers."""
    own = {"virtualRouters", "observedGeneration"}
    return {key: value for key, value in document.get("status", {}).items() if key not in own}


def _node(entry: Object) -> Node:
    conditions = {c["type"]: c["status"] for c in entry.get("status", {}).get("conditions", [])}
    metadata = entry["metadata"]
    taints = tuple(entry.get("spec", {}).get("taints", []))
    return Node(metadata["name"], metadata.get("labels", {}), taints, is_ready=conditions.get("Ready") == "True")


def _what_matters(kind: str, entry: Object) -> Object:
    """Without what nobody here reads: of 1,000 Nodes, each with its images, and of who wrote which field, that is most of the memory."""
    metadata = {key: value for key, value in entry["metadata"].items() if key != "managedFields"}
    if kind != "Node":
        return {**entry, "metadata": metadata}
    metadata.pop("annotations", None)
    spec = {key: value for key, value in entry.get("spec", {}).items() if key in {"taints", "podCIDRs"}}
    ready = [c for c in entry.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
    return {"metadata": metadata, "spec": spec, "status": {"conditions": ready}}


def _is_newer(entry: Object, known: Object) -> bool:
    """Resource versions of one object grow (Kubernetes compares them as numbers itself)."""
    new, old = entry["metadata"], known["metadata"]
    return new["uid"] != old["uid"] or int(new["resourceVersion"]) > int(old["resourceVersion"])
