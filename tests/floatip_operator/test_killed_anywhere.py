"""The operator ends in the middle of anything: after each single write to a real API server, with nothing but the store to go on from.

Its parts run here in the test's own process; a life ends at its n-th write: that one is carried out, its answer and all that was to
follow is lost, as by SIGKILL. The agents are played.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from floatip_api import names
from floatip_operator import kube
from floatip_operator.cluster import Cluster
from floatip_operator.metrics import Metrics
from floatip_operator.reconciler import Reconciler, Settings
from kubernetes.aio import client, config
from lab.control_plane import ControlPlane, OwnControlPlane
from lab.played import lay_out

pytestmark = pytest.mark.cluster

NAMESPACE = names.DEFAULT_NAMESPACE
NODES = ("n1", "n2", "n3")
FOR_EVER = 10**6
WITHIN = 60.0
ADDRESS, OTHER = "10.9.0.100/24", "10.9.0.101/24"

Object = dict[str, Any]


@pytest.fixture(scope="module")
def plane(control_plane_of_ones_own: OwnControlPlane) -> Iterator[ControlPlane]:
    with control_plane_of_ones_own() as server:
        lay_out(server, *NODES)
        server.define_kinds()
        yield server


class Killed(BaseException):
    """Nothing catches it."""


class Mortal(kube.Kube):
    """Dead from the n-th write on."""

    def __init__(self, api: client.ApiClient, writes: int) -> None:
        super().__init__(api, NAMESPACE)
        self._left = writes

    async def _request(self, method: str, path: str, *arguments: Any, **options: Any) -> Object:
        if self._left <= 0:
            raise Killed
        if method != "GET":
            self._left -= 1
        answer = await super()._request(method, path, *arguments, **options)
        if self._left <= 0:
            raise Killed
        return answer


class World:
    """The cluster, and what must be true of it at any time."""

    def __init__(self, api: kube.Kube) -> None:
        self.api = api
        self._serial = 0

    async def renew_leases(self) -> None:
        self._serial += 1
        for node in NODES:
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": names.agent_lease(node)},
            }
            spec = {"holderIdentity": node, "renewTime": f"2026-01-01T00:00:00.{self._serial:06d}Z"}
            path = f"{kube.leases(NAMESPACE)}/{names.agent_lease(node)}"
            await self.api._apply(path, {**body, "spec": spec})

    async def documents(self) -> dict[str, Object]:
        return {entry["metadata"]["name"]: entry for entry in await self.api.list_all(kube.FLOATING_IP_NODES)}

    async def floating_ip(self) -> Object | None:
        return await self.api.get(f"{kube.FLOATING_IPS}/elk")

    async def obey(self) -> None:
        """Every agent takes up its document: of those with an entry the first is Active. What it runs goes only by a release."""
        documents = await self.documents()
        self.check(documents)
        active = next((n for n, d in sorted(documents.items()) if any("release" not in r for r in _entries(d))), "")
        for node, document in documents.items():
            said = [_obeyed(router, "Active" if node == active else "Backup") for router in _entries(document)]
            kept = {router["name"] for router in said}
            running = document.get("status", {}).get("virtualRouters", [])
            said += [r for r in running if r["name"] not in kept and "releasedRequestID" not in r]
            status = {
                "observedGeneration": document["metadata"]["generation"],
                "agent": {"version": "0.1.0", "scheduling": "RealTime", "fence": "AddressLifetime"},
                "interfaces": [{"name": "eth0", "up": True, "addresses": [f"10.9.0.{node[1:]}/24"]}],
                "virtualRouters": said,
            }
            if status != document.get("status"):
                body = {"apiVersion": names.API_VERSION, "kind": names.FLOATING_IP_NODE, "metadata": {"name": node}}
                await self.api._apply(f"{kube.FLOATING_IP_NODES}/{node}/status", {**body, "status": status})

    @staticmethod
    def check(documents: dict[str, Object]) -> None:
        """api.md: a virtual router ID is one floating IP's, a priority one node's, and an entry goes only once its release is confirmed."""
        ids: dict[int, set[str]] = {}
        priorities: list[tuple[str, int]] = []
        for document in documents.values():
            listed = {router["name"] for router in _entries(document)}
            for router in document.get("status", {}).get("virtualRouters", []):
                assert router["name"] in listed or "releasedRequestID" in router, "let go without a confirmed release"
            for router in _entries(document):
                ids.setdefault(router["virtualRouterID"], set()).add(router["name"])
                priorities.append((router["name"], router["priority"]))
        assert all(len(owners) == 1 for owners in ids.values()), ids
        assert len(set(priorities)) == len(priorities), priorities

    async def change(self, spec: Object) -> None:
        head = {"apiVersion": names.API_VERSION, "kind": names.FLOATING_IP, "metadata": {"name": "elk"}}
        query = {"fieldManager": "user", "force": "true"}
        body = {**head, "spec": spec}
        await self.api._request("PATCH", f"{kube.FLOATING_IPS}/elk", query, body, "application/apply-patch+yaml")


def _entries(document: Object) -> list[Object]:
    return list(document.get("spec", {}).get("virtualRouters", []))


def _obeyed(router: Object, state: str) -> Object:
    known = {"name": router["name"], "family": "IPv4", "virtualRouterID": router["virtualRouterID"]}
    if request := router.get("release"):
        return {**known, "state": "Initialize", "releasedRequestID": request["requestID"]}
    addresses = {"priority": router["priority"], "interface": "eth0", "addresses": router["addresses"]}
    return {**known, "state": state, **addresses}


class Operators:
    """One after the other, or several at once; each ends at its n-th write, and another begins from nothing."""

    def __init__(self, api: client.ApiClient, writes: int, at_once: int = 1) -> None:
        self._api = api
        self._writes = writes
        self._at_once = at_once
        self.lives = 0

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        tasks = [asyncio.create_task(self._live()) for _ in range(self._at_once)]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self) -> None:
        while True:
            self.lives += 1
            cluster = Cluster()
            mortal = Mortal(self._api, self._writes)
            reconciler = Reconciler(mortal, cluster, Settings(NAMESPACE), Metrics(cluster))
            tasks = [
                asyncio.create_task(_until_killed(reconciler.run())),
                asyncio.create_task(self._watch(mortal, cluster)),
            ]
            _, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in others:
                task.cancel()

    @staticmethod
    async def _watch(mortal: kube.Kube, cluster: Cluster) -> None:
        """What kopf does, by lists."""
        while True:
            await asyncio.sleep(0.1)
            with contextlib.suppress(Killed):
                for kind, path in (
                    (names.FLOATING_IP_NODE, kube.FLOATING_IP_NODES),
                    (names.FLOATING_IP, kube.FLOATING_IPS),
                    ("Lease", kube.leases(NAMESPACE)),
                ):
                    for entry in await mortal.list_all(path):
                        cluster.put(kind, entry)


async def _until_killed(run: Any) -> None:
    try:
        await run
    except* Killed:
        pass


@pytest.mark.parametrize(("writes", "at_once"), [(1, 1), (2, 1), (3, 1), (5, 1), (FOR_EVER, 2)])
async def test_a_floating_ips_life(plane: ControlPlane, writes: int, at_once: int) -> None:
    """Issue: "operator SIGKILLed in the middle of any reconcile (fault points tested), two operators at once". A life does so many
    writes; each still comes nearer to what was asked, and none does harm. Nor do two that both believe to lead."""
    configuration = client.Configuration()
    await config.load_kube_config(str(plane.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with client.ApiClient(configuration) as api:
        world = World(kube.Kube(api, NAMESPACE))
        async with Operators(api, writes, at_once).running() as operators:

            async def becomes(what: str, is_so: Any) -> None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WITHIN):
                        while not await is_so():
                            await world.renew_leases()
                            await world.obey()
                            await asyncio.sleep(0.05)
                        return
                pytest.fail(
                    f"not {what}: {json.dumps(await world.floating_ip())} {json.dumps(await world.documents())}"
                )

            async def is_held_with(address: str) -> bool:
                entries = [router for document in (await world.documents()).values() for router in _entries(document)]
                status = (await world.floating_ip() or {}).get("status", {})
                conditions = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
                everywhere = [router["addresses"] for router in entries] == [[address]] * len(NODES)
                return everywhere and conditions.get("Ready") == "True" and conditions.get("Degraded") == "False"

            async def is_gone() -> bool:
                documents = await world.documents()
                return await world.floating_ip() is None and not any(map(_entries, documents.values()))

            await world.change({"addresses": [ADDRESS]})
            await becomes("held", lambda: is_held_with(ADDRESS))
            await world.change({"addresses": [OTHER], "vrrp": {"advertisementPeriodMilliseconds": 500}})
            await becomes("changed", lambda: is_held_with(OTHER))
            await world.api.delete(f"{kube.FLOATING_IPS}/elk")
            await becomes("gone", is_gone)
        assert operators.lives > 20 // writes or writes == FOR_EVER
