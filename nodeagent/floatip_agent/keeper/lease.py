"""The node's Lease: says that this agent lives, and that what its status says is current."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from floatip_api import names

from floatip_agent.keeper.api_server import AWAY, ApiServer, Refusal, describe
from floatip_agent.keeper.logs import Sparing
from floatip_agent.keeper.picture import Picture

RENEW_EVERY = 10.0
RETRY_AFTER = 2.0
LOOK_EVERY = 0.2
DURATION = 40
"""Seconds after which the operator calls the node Unknown, by its own clock."""


class Lease:
    """Renewed only while the engine speaks to us and the status says what it said last: what stands there of a former life, or of before
    the API server was away, is nothing to vouch for."""

    def __init__(
        self, server: ApiServer, namespace: str, node: str, picture: Picture, is_status_current: Callable[[], bool]
    ) -> None:
        self._server = server
        self._name = names.agent_lease(node)
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{self._name}"
        self._node = node
        self._picture = picture
        self._is_status_current = is_status_current
        self._sparing = Sparing()

    async def run(self) -> None:
        while True:
            if not (self._picture.is_engine_connected and self._is_status_current()):
                await asyncio.sleep(LOOK_EVERY)
            else:
                await asyncio.sleep(RENEW_EVERY if await self._renew() else RETRY_AFTER)

    async def _renew(self) -> bool:
        renewed = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        document = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {"holderIdentity": self._node, "leaseDurationSeconds": DURATION, "renewTime": renewed},
        }
        try:
            await self._server.apply(self._path, document)
        except (Refusal, *AWAY) as error:
            self._sparing.warning("lease", f"the Lease {self._name} could not be renewed: {describe(error)}")
            return False
        return True
