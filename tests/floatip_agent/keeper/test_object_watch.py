"""Following one object when the API server misbehaves in ways that a real one cannot be asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web
from floatip_agent.keeper.access import Access
from floatip_agent.keeper.api_server import ApiServer
from floatip_agent.keeper.object_watch import Absent, Present, Sighting, Unreachable, follow

Eventually = Callable[[Callable[[], object]], Awaitable[None]]


def thing(version: int, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n", "resourceVersion": str(version)}, **fields}


def event(kind: str, document: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": document}).encode() + b"\n"


class Server:
    """Answers each LIST and WATCH with what the test lined up; a WATCH without an answer stays open."""

    def __init__(self) -> None:
        self.lists: list[dict[str, Any] | int] = []
        self.watches: list[list[bytes]] = []
        self.asked: list[str] = []
        self._over = asyncio.Event()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[list[Sighting]]:
        application = web.Application()
        application.router.add_get("/things", self._answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        sightings: list[Sighting] = []

        async def collect() -> None:
            access = Access(f"http://{host}:{port}", lambda: "token", lambda: None)
            async with ApiServer(access) as server:
                async for sighting in follow(server, "/things", "n"):
                    sightings.append(sighting)

        task = asyncio.create_task(collect())
        try:
            yield sightings
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._over.set()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        assert request.query["fieldSelector"] == "metadata.name=n"
        assert request.headers["Authorization"] == "Bearer token"
        if request.query.get("watch") != "true":
            self.asked.append("list")
            answer = self.lists.pop(0)
            if isinstance(answer, int):
                return web.json_response({"message": "not now"}, status=answer)
            return web.json_response(answer)
        self.asked.append(f"watch {request.query['resourceVersion']}")
        response = web.StreamResponse()
        await response.prepare(request)
        if not self.watches:
            await self._over.wait()
            return response
        for chunk in self.watches.pop(0):
            await response.write(chunk)
            await asyncio.sleep(0.01)
        return response


def listed(version: int, *items: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "ThingList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": str(version)},
        "items": list(items),
    }


async def test_a_watch_that_ends_goes_on_where_it_was_bookmarks_included(eventually: Eventually) -> None:
    server = Server()
    server.lists = [listed(5, thing(3))]
    server.watches = [[event("MODIFIED", thing(6)), event("BOOKMARK", thing(9))], [event("DELETED", thing(10))]]
    async with server.following() as sightings:
        await eventually(lambda: len(server.asked) == 4)
    assert server.asked == ["list", "watch 5", "watch 9", "watch 10"]
    assert [type(sighting) for sighting in sightings] == [Present, Present, Absent]
    assert isinstance(sightings[0], Present)
    assert sightings[0].document["kind"] == "Thing"


async def test_410_means_a_new_list_and_nothing_is_lost(eventually: Eventually) -> None:
    server = Server()
    server.lists = [listed(5), listed(20, thing(20))]
    server.watches = [[event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})]]
    async with server.following() as sightings:
        await eventually(lambda: len(server.asked) == 4)
    assert server.asked == ["list", "watch 5", "list", "watch 20"]
    assert sightings == [Absent(), Present(listed_document(20))]


def listed_document(version: int) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", **thing(version)}


async def test_refusals_garbage_and_halves_are_unreachable_and_tried_again(eventually: Eventually) -> None:
    """api.md: "a lost connection" is never an order: it must not look like an absent object."""
    server = Server()
    server.lists = [403, {"nonsense": True}, listed(5, thing(5)), listed(6, thing(6))]
    server.watches = [[b'{"type":"MODIFIED","obj', b"\n"]]
    async with server.following() as sightings:
        await eventually(lambda: server.asked[-1:] == ["watch 6"])
    assert [type(sighting) for sighting in sightings] == [Unreachable, Unreachable, Present, Unreachable, Present]
    assert sightings[0] == Unreachable("403: not now", 403)


async def test_an_object_of_a_megabyte_in_small_pieces(eventually: Eventually) -> None:
    server = Server()
    server.lists = [listed(5)]
    large = event("ADDED", thing(6, text="x" * 1_000_000))
    server.watches = [[large[start : start + 100_000] for start in range(0, len(large), 100_000)]]
    async with server.following() as sightings:
        await eventually(lambda: len(sightings) == 2)
    assert isinstance(sightings[1], Present)
    assert len(sightings[1].document["text"]) == 1_000_000
