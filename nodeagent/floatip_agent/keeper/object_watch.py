"""One object by name, followed for ever: LIST, then WATCH with bookmarks, LIST again after 410 or a lost connection."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from floatip_agent.keeper.api_server import AWAY, ApiServer, Backoff, Refusal, describe

GONE = 410
STEADY = 60.0
"""Seconds that a watch has worked for when its end is no sign of trouble."""


@dataclasses.dataclass(frozen=True, slots=True)
class Present:
    """The object as it stands."""

    document: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Absent:
    """The API server answered: there is no such object."""


@dataclasses.dataclass(frozen=True, slots=True)
class Unreachable:
    """Nobody answered, or with a refusal; what was known last still stands. `code` is the HTTP status, 0 for none."""

    reason: str
    code: int = 0


Sighting = Present | Absent | Unreachable


@dataclasses.dataclass
class _Position:
    version: str


async def follow(server: ApiServer, collection: str, name: str) -> AsyncIterator[Sighting]:
    """Every sighting of `collection`/`name` until the caller stops. Unreachable comes before each wait for another try."""
    parameters = {"fieldSelector": f"metadata.name={name}"}
    backoff = Backoff(longest=10.0)
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            listed = await server.get(collection, parameters)
            items, position = listed["items"], _Position(str(listed["metadata"]["resourceVersion"]))
            yield Present(_with_kind(items[0], listed)) if items else Absent()
            async with contextlib.aclosing(_watch(server, collection, parameters, position)) as events:
                async for sighting in events:
                    yield sighting
        except Refusal as refusal:
            if refusal.code != GONE:
                yield Unreachable(str(refusal), refusal.code)
        except AWAY as error:
            yield Unreachable(describe(error))
        except (ValueError, KeyError, TypeError) as error:
            yield Unreachable(f"not an answer of an API server: {error!r}")
        if loop.time() - started > STEADY:
            backoff.reset()
        await backoff.wait()


async def _watch(
    server: ApiServer, collection: str, parameters: dict[str, str], position: _Position
) -> AsyncGenerator[Sighting, None]:
    """Watches one after the other from one resource version to the next. Ends with an exception only."""
    while True:
        query = {**parameters, "resourceVersion": position.version}
        async with contextlib.aclosing(server.watch(collection, query)) as events:
            async for event in events:
                document = event["object"]
                if event["type"] == "ERROR":
                    raise Refusal(int(document.get("code", 0)), str(document.get("message", "watch failed")))
                position.version = str(document["metadata"]["resourceVersion"])
                if event["type"] in {"ADDED", "MODIFIED"}:
                    yield Present(document)
                elif event["type"] == "DELETED":
                    yield Absent()


def _with_kind(item: dict[str, Any], listed: dict[str, Any]) -> dict[str, Any]:
    """Items of a list of Secrets carry neither kind nor version."""
    return {"apiVersion": listed.get("apiVersion"), "kind": str(listed.get("kind", "")).removesuffix("List"), **item}
