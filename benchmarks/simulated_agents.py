"""The agents of many nodes, played by one process: they watch their FloatingIPNodes, obey, confirm, and renew their Leases.

Who is Active is settled at once by priority, as if every LAN worked. What they write has the form of the keeper's own status.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import aiohttp
from floatip_api import names, wire
from floatip_api.v1alpha1 import VirtualRouter

Object = dict[str, Any]
DOCUMENTS = f"/apis/{names.API_VERSION}/{names.FLOATING_IP_NODES}"
FLOATING_IPS = f"/apis/{names.API_VERSION}/{names.FLOATING_IPS}"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{names.DEFAULT_NAMESPACE}/leases"
RENEW_EVERY = 10.0
"""Seconds, as the keeper does it."""
_WRITERS = 8
"""Status writes under way together: the rest waits, and is written once with its last word."""
_RENEWERS = 16


class Api:
    """JSON in and out, as the administrator."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def call(self, method: str, path: str, body: Object | None = None, kind: str = "application/json") -> Object:
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, path, data=data, headers={"Content-Type": kind}) as response:
            answer: Object = await response.json(content_type=None)
            if response.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.get('message')}")
            return answer

    async def apply(self, path: str, body: Object) -> Object:
        return await self.call("PATCH", f"{path}?fieldManager=agent&force=true", body, "application/apply-patch+yaml")

    async def merge(self, path: str, body: Object) -> Object:
        return await self.call("PATCH", path, body, "application/merge-patch+json")

    async def metrics(self) -> str:
        async with self._session.get("/metrics") as response:
            return await response.text()

    async def follow(self, path: str, take: Any) -> None:
        """Hand every object to `take(type, object)`, first all there are, then each change; for ever. A watch that the API server
        ends, because its reader was slow, begins anew."""
        while True:
            listed = await self.call("GET", path)
            for entry in listed["items"]:
                take("ADDED", entry)
            query = f"{path}?watch=true&resourceVersion={listed['metadata']['resourceVersion']}"
            async with self._session.get(query, timeout=aiohttp.ClientTimeout(total=None)) as response:
                async for line in response.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    take(event["type"], event["object"])


class _Dirty:
    """Nodes whose status is to be written, the first first."""

    def __init__(self) -> None:
        self.nodes: dict[str, None] = {}
        self.is_some = asyncio.Event()


class Agents:
    """`addresses` are the nodes' own, with prefix length. `documents` is every FloatingIPNode as it was seen last, `seen_at` when its
    spec changed last (monotonic seconds), `spec_writes` how often since somebody cleared it."""

    def __init__(self, api: Api, addresses: Mapping[str, str]) -> None:
        self._api = api
        self._addresses = addresses
        self.documents: dict[str, Object] = {}
        self.seen_at: dict[str, float] = {}
        self.spec_writes: Counter[str] = Counter()
        self._running: dict[tuple[str, str], dict[str, VirtualRouter]] = {}
        self._written: dict[str, Object] = {}
        # Each node has its writer: two writes of one status under way together could arrive in the wrong order.
        self._writers = [_Dirty() for _ in range(_WRITERS)]
        self._writer_of = {node: self._writers[place % _WRITERS] for place, node in enumerate(addresses)}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._api.follow(DOCUMENTS, self._take))
            for turn in range(_RENEWERS):
                group.create_task(self._renew(list(self._addresses)[turn::_RENEWERS]))
            for dirty in self._writers:
                group.create_task(self._write(dirty))

    @property
    def is_idle(self) -> bool:
        return not any(dirty.nodes for dirty in self._writers)

    def entries(self, name: str) -> dict[str, Object]:
        """By node, what stands in the documents for the FloatingIP."""
        return {
            node: router
            for node, document in self.documents.items()
            for router in document.get("spec", {}).get("virtualRouters", [])
            if router["name"] == name
        }

    def _take(self, kind: str, document: Object) -> None:
        node = document["metadata"]["name"]
        known = self.documents.get(node)
        self.documents[node] = document
        if known is not None and known["metadata"]["generation"] == document["metadata"]["generation"]:
            return
        self.seen_at[node] = time.monotonic()
        self.spec_writes[node] += known is not None
        listed = [VirtualRouter.from_manifest(r) for r in document.get("spec", {}).get("virtualRouters", [])]
        wanted = {(router.name, router.family): router for router in listed if router.release is None}
        known_keys = [key for key, routers in self._running.items() if node in routers]
        for key in {*known_keys, *wanted}:
            routers = self._running.setdefault(key, {})
            if key in wanted:
                routers[node] = wanted[key]
            else:
                routers.pop(node, None)
            self._mark(routers)
        self._mark([node])

    def _mark(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            self._writer_of[node].nodes[node] = None
            self._writer_of[node].is_some.set()

    async def _write(self, dirty: _Dirty) -> None:
        while True:
            while not dirty.nodes:
                dirty.is_some.clear()
                await dirty.is_some.wait()
            node = next(iter(dirty.nodes))
            del dirty.nodes[node]
            status = self._status(node)
            if self._written.get(node) == status:
                continue
            self._written[node] = status
            head = {"apiVersion": names.API_VERSION, "kind": names.FLOATING_IP_NODE, "metadata": {"name": node}}
            await self._api.apply(f"{DOCUMENTS}/{node}/status", {**head, "status": status})

    def _status(self, node: str) -> Object:
        document = self.documents[node]
        address = self._addresses[node]
        said = []
        for entry in document.get("spec", {}).get("virtualRouters", []):
            key = entry["name"], entry["family"]
            whole = {"name": entry["name"], "family": entry["family"], "priority": entry["priority"]}
            if "release" in entry:
                said.append({**whole, "state": "Initialize", "releasedRequestID": entry["release"]["requestID"]})
                continue
            routers = self._running[key]
            is_active = max(routers, key=lambda other: routers[other].priority) == node
            said.append(
                {
                    **whole,
                    "virtualRouterID": entry["virtualRouterID"],
                    "state": "Active" if is_active else "Backup",
                    "effectivePriority": entry["priority"],
                    "interface": "eth0",
                    "sourceAddress": address.partition("/")[0],
                    "addresses": entry["addresses"],
                    "digest": wire.digest(routers[node]),
                }
            )
        return {
            "observedGeneration": document["metadata"]["generation"],
            "agent": {"version": "0.1.0", "scheduling": "RealTime", "fence": "Nftables"},
            "interfaces": [{"name": "eth0", "up": True, "addresses": [address]}],
            "virtualRouters": said,
        }

    async def _renew(self, nodes: list[str]) -> None:
        """Spread over the ten seconds, as agents that started at different times."""
        head = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        due = time.monotonic()
        while True:
            for node in nodes:
                now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1000 % 1000000:06}Z"
                body = {**head, "metadata": {"name": names.agent_lease(node)}}
                spec = {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now}
                await self._api.apply(f"{LEASES}/{names.agent_lease(node)}", {**body, "spec": spec})
                due += RENEW_EVERY / len(nodes)
                await asyncio.sleep(due - time.monotonic())
