"""The writing of the status where the API server has just started, under CRDs that are older than the agent."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_agent.keeper.api_server import Refusal
from floatip_agent.keeper.picture import Picture
from floatip_agent.keeper.status import StatusWriter

OLDER = {"properties": {"status": {"properties": {"observedGeneration": {"type": "integer"}}}}}
PUBLISHED = {"components": {"schemas": {"dev.floatip.v1alpha1.FloatingIPNode": OLDER}}}


class Server:
    """Takes a status of `observedGeneration` alone, and publishes what the test says next: a document, or a refusal's code."""

    def __init__(self, *published: dict[str, Any] | int) -> None:
        self._published = list(published)
        self.taken: list[dict[str, Any]] = []

    async def apply(self, _: str, document: dict[str, Any]) -> None:
        if document["status"].keys() - {"observedGeneration"}:
            raise Refusal(500, ".status.interfaces: field not declared in schema")
        self.taken.append(document["status"])

    async def get(self, _: str) -> dict[str, Any]:
        answer = self._published.pop(0)
        if isinstance(answer, int):
            raise Refusal(answer, "the server could not find the requested resource")
        return answer


@pytest.mark.parametrize("not_yet", [{}, {"components": {"schemas": {}}}, 404, 503])
async def test_what_is_not_published_yet_is_asked_for_again(not_yet: dict[str, Any] | int) -> None:
    """Until then the status is not written, and so nobody vouches for it with the Lease; the next try succeeds."""
    picture = Picture()
    picture.object_uid = "u1"
    server = Server(not_yet, PUBLISHED)
    writer = StatusWriter(server, "n1", picture)  # type: ignore[arg-type]
    assert not await writer.write()
    assert not writer.is_current
    assert await writer.write()
    assert writer.is_current
    assert len(server.taken) == 1
