"""kopf's part: events of the watched kinds go into the picture, nothing is decided here."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import Any

import kopf
from floatip_api import names

from floatip_operator import agents
from floatip_operator.cluster import Cluster

_KINDS = (
    ((names.GROUP, names.VERSION, names.FLOATING_IPS), names.FLOATING_IP),
    ((names.GROUP, names.VERSION, names.FLOATING_IP_NODES), names.FLOATING_IP_NODE),
    (("", "v1", "nodes"), "Node"),
    (("coordination.k8s.io", "v1", "leases"), "Lease"),
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
    return made


async def watch(cluster: Cluster, namespace: str, listed: asyncio.Event, stop: asyncio.Event | None = None) -> None:
    """kopf looks once for the kinds that it is to watch: when the CRDs came later than that, it would never see an event. So it waits
    until each could be listed."""
    await listed.wait()
    await kopf.operator(
        registry=registry(cluster), settings=settings(), namespaces=[namespace], standalone=True, stop_flag=stop
    )


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
