"""The Leases of the agents, which tell who lives: a watch without kopf.

1,000 agents renew 100 Leases a second. kopf gives each event a task of the object's own and several steps, which is much for one
timestamp that nobody decides anything on at once.
"""

from __future__ import annotations

import asyncio
import logging

from floatip_operator import kube
from floatip_operator.cluster import Cluster

log = logging.getLogger(__name__)

_RETRY = 1.0


async def follow(api: kube.Kube, cluster: Cluster) -> None:
    """For ever. While the API server is away nobody is seen to renew."""
    path = kube.leases(api.namespace)
    while True:
        try:
            leases, version = await api.list_now(path)
            cluster.replace("Lease", leases)
            async for change, lease in api.changes(path, version):
                if change == "DELETED":
                    cluster.remove("Lease", lease["metadata"]["name"])
                else:
                    cluster.put("Lease", lease)
        except (TimeoutError, kube.ApiError, OSError) as error:
            log.info("the agents' Leases cannot be watched, again in %.0f s: %s", _RETRY, error or type(error).__name__)
            await asyncio.sleep(_RETRY)
