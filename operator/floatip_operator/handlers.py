"""kopf's part: events of the watched kinds go into the picture, nothing is decided here."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
from typing import Any

import aiohttp
import kopf
from floatip_api import names

from floatip_operator import agents
from floatip_operator.cluster import Cluster

log = logging.getLogger(__name__)

_KINDS = (
    ((names.GROUP, names.VERSION, names.FLOATING_IPS), names.FLOATING_IP),
    ((names.GROUP, names.VERSION, names.FLOATING_IP_NODES), names.FLOATING_IP_NODE),
    (("", "v1", "nodes"), "Node"),
    (("", "v1", "pods"), "Pod"),
)


def registry(cluster: Cluster) -> kopf.OperatorRegistry:
    """`on.event` only: no annotations, finalizers or indices of kopf's own on anybody's objects."""
    made = kopf.OperatorRegistry()
    kopf.on.login(registry=made)(_login)
    for (group, version, plural), kind in _KINDS:
        kopf.on.event(group, version, plural, registry=made, id=f"event-{plural}")(_handler(cluster, kind))
    return made


def settings() -> kopf.OperatorSettings:
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True  # one namespace and kinds that are known: no listing of namespaces and CRDs
    made.watching.server_timeout = 240
    made.watching.client_timeout = 300
    made.process.ultimate_exiting_timeout = None  # no SIGKILL of its own
    return made


async def watch(cluster: Cluster, namespace: str, listed: asyncio.Event) -> bool:
    """Until cancelled, or a signal comes (True: kopf takes SIGTERM and SIGINT for itself), or a watch ends for good (False, and said).

    kopf looks once for the kinds that it is to watch: when the CRDs came later than that, it would never see an event. So it waits
    until each could be listed. Not by `kopf.operator`: that waits at its end for every task of the loop, ours too, for 5 s.
    """
    await listed.wait()
    for name in ("orchestration", "running"):  # of what ends a watch they print the traceback, twice
        logging.getLogger(f"kopf._core.reactor.{name}").setLevel(logging.CRITICAL)
    tasks = await kopf.spawn_tasks(
        registry=registry(cluster), settings=settings(), namespaces=[namespace], standalone=True
    )
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    errors = [error for task in ended if (error := task.exception())]
    for error in errors:
        log.error("a watch ended: %s", _words(error))
    return not errors


def _words(error: BaseException) -> str:
    refused = error.__cause__
    if not isinstance(refused, aiohttp.ClientResponseError):
        return repr(error)
    return f"{refused.request_info.url.path}: {error}{' (is its CRD gone?)' if refused.status == 404 else ''}"


def _handler(cluster: Cluster, kind: str) -> Any:
    async def take(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's word
        entry = dict(body)
        if kind == "Pod" and not agents.is_agent(entry):
            return
        if type == "DELETED":
            cluster.remove(kind, entry["metadata"]["name"])
        else:
            cluster.put(kind, entry)

    return take


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """The same choice as `kube.load_configuration`."""
    if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
        found = kopf.login_with_service_account(**kwargs)
        return found and dataclasses.replace(found, server=_server())
    return kopf.login_with_kubeconfig(**kwargs)


def _server() -> str:
    """Where the kubelet says that the API server is. kopf would ask DNS for its name, which may be away or not there."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"
