"""What the operator's watch of Leases and its Events do while the API server is away: it is killed, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from floatip_api import names
from floatip_operator import kube, renewals
from floatip_operator.cluster import Cluster
from floatip_operator.recording import Recorder
from kubernetes.aio import client, config
from lab import binaries
from lab.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

NAMESPACE = names.DEFAULT_NAMESPACE
ABOUT = {"apiVersion": names.API_VERSION, "kind": names.FLOATING_IP, "name": "elk", "uid": "u1"}
WITHIN = 20.0

Object = dict[str, Any]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    try:
        server = ControlPlane(binaries.NEWEST)
    except binaries.MissingBinary as missing:
        pytest.skip(str(missing))
    with server:
        server.kubectl("create", "namespace", NAMESPACE)
        yield server


@contextlib.asynccontextmanager
async def _api(plane: ControlPlane) -> AsyncIterator[kube.Kube]:
    configuration = client.Configuration()
    await config.load_kube_config(str(plane.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with client.ApiClient(configuration) as api_client:
        yield kube.Kube(api_client, NAMESPACE)


@contextlib.asynccontextmanager
async def _beside(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
        assert not task.done(), "it goes on for ever"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(condition: Any, what: str) -> None:
    end = time.monotonic() + WITHIN
    while not await condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.1)


async def test_leases_are_followed_through_an_outage(plane: ControlPlane) -> None:
    cluster = Cluster()

    async def renewed(second: str) -> None:
        spec = {"holderIdentity": "n1", "renewTime": f"2026-01-01T00:00:{second}.000000Z"}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": names.agent_lease("n1")}}
        path = f"{kube.leases(NAMESPACE)}/{names.agent_lease('n1')}"
        await api._apply(path, {**lease, "spec": spec})
        await _until(lambda: _is_known(cluster, second), f"renewed at {second}")

    async with _api(plane) as api, _beside(renewals.follow(api, cluster)):
        await renewed("00")
        await renewed("10")
        plane.stop_api_server()
        await asyncio.sleep(1)
        plane.start_api_server()
        await renewed("20")
        await api.delete(f"{kube.leases(NAMESPACE)}/{names.agent_lease('n1')}")
        await _until(lambda: _is_gone(cluster), "a Lease that is deleted is no Lease any more")


async def _is_known(cluster: Cluster, second: str) -> bool:
    return any(f":{second}." in lease["spec"]["renewTime"] for lease in cluster.objects("Lease"))


async def _is_gone(cluster: Cluster) -> bool:
    return not cluster.count("Lease")


async def test_events_wait_for_the_api_server(plane: ControlPlane) -> None:
    """Each has the time at which it happened, and one that is refused keeps back no other."""
    async with _api(plane) as api:
        recorder = Recorder(api)
        async with _beside(recorder.run()):
            recorder.record(ABOUT, "Normal", "Before", "the server is there")
            await _until(lambda: _are(api, {"Before"}), "the first one")
            plane.stop_api_server()
            recorder.record(ABOUT, "Warning", "Meanwhile", "nobody takes it")
            recorder.record({**ABOUT, "name": "a/b"}, "Normal", "Refused", "a name with a slash")
            await asyncio.sleep(2)
            plane.start_api_server()
            recorder.record(ABOUT, "Normal", "After", "it is back")
            await _until(lambda: _are(api, {"Before", "Meanwhile", "After"}), "all but the refused one")
            recorder.record(ABOUT, "Normal", "Before", "the server is there")
            await _until(lambda: _is_counted(api, "Before", 2), "the same again is counted")
        times = {event["reason"]: event["firstTimestamp"] for event in await _events(api)}
        assert times["Before"] <= times["Meanwhile"] < times["After"]


async def _events(api: kube.Kube) -> list[Object]:
    found = await api.list_all("/api/v1/namespaces/default/events")
    return [event for event in found if event["involvedObject"]["kind"] == names.FLOATING_IP]


async def _are(api: kube.Kube, reasons: set[str]) -> bool:
    return {event["reason"] for event in await _events(api)} == reasons


async def _is_counted(api: kube.Kube, reason: str, count: int) -> bool:
    return any(event["reason"] == reason and event["count"] == count for event in await _events(api))
