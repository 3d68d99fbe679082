"""Where the FloatingIPNode document comes from: a file (static mode) or the API."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from floatip_api import documents, names

from floatip_agent.keeper.api_server import ApiServer
from floatip_agent.keeper.credentials import SecretName
from floatip_agent.keeper.document import Origin, Secrets
from floatip_agent.keeper.entry import secrets_named
from floatip_agent.keeper.object_watch import Absent, Present, Unreachable, follow

LOOK_EVERY = 1.0
"""Seconds between two looks at the file."""


SETTLE = 0.2
"""Seconds for which a file that changed must stand still."""

Fingerprint = list[tuple[int, int, int] | None]
"""Inode, time and size of each file; None for one that is not there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Read:
    """A document to follow. `secrets` are those that came with it (static mode)."""

    document: Mapping[str, Any]
    secrets: Secrets = dataclasses.field(default_factory=Secrets)


@dataclasses.dataclass(frozen=True, slots=True)
class Gone:
    """There is no such object in the API: never an order."""


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Nothing can be read now, or nothing usable; what is in force stays. One fault a line."""

    faults: tuple[str, ...]


Reading = Read | Gone | Problem


class Source(Protocol):
    """Says at once how things are, then what changes; never ends."""

    origin: Origin

    def readings(self) -> AsyncIterator[Reading]: ...

    def reload(self) -> None:
        """Look now, whether or not something seems to have changed."""
        ...


class FileSource:
    """The document in a file; its Secrets are files beside it."""

    origin: Origin = "File"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reload = asyncio.Event()
        self._watched: list[Path] = [path]

    def reload(self) -> None:
        self._reload.set()

    async def readings(self) -> AsyncIterator[Reading]:
        while True:
            self._reload.clear()
            reading, before = self._read_standing_still()
            yield reading
            await self._next_change(before)

    def _read_standing_still(self) -> tuple[Reading, Fingerprint]:
        """A reading, and the fingerprint of just before it: what is written meanwhile shows as a change."""
        while True:
            watched, before = self._watched, self._fingerprint()
            reading = self.read()
            if watched == self._watched:
                return reading, before

    async def _next_change(self, before: Fingerprint) -> None:
        """Until SIGHUP, or until the files have changed and stand still: half a document may be a good one, and a router
        that it lacks would be let go."""
        found = before
        while not self._reload.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reload.wait(), LOOK_EVERY if found == before else SETTLE)
            found, last = self._fingerprint(), found
            if found == last != before:
                return

    def read(self) -> Read | Problem:
        try:
            found = documents.load(self._path)
        except documents.Unreadable as error:
            return Problem((str(error.fault),))
        except OSError as error:
            return Problem((f"{self._path}: {error.strerror}",))
        if len(found) != 1 or found[0].kind not in {names.FLOATING_IP_NODE, ""}:
            kinds = ", ".join(document.kind or "something else" for document in found) or "nothing"
            return Problem((f"{self._path}: one {names.FLOATING_IP_NODE} is required, not {kinds}",))
        if faults := documents.validate(found[0]):
            return Problem(tuple(map(str, faults)))
        document = found[0].content
        wanted = secrets_named(document)
        self._watched = [self._path, *(self._path.parent / secret.name / secret.key for secret in sorted(wanted))]
        return Read(document, self._secrets(wanted))

    def _secrets(self, wanted: frozenset[SecretName]) -> Secrets:
        values, problems = {}, {}
        for secret in wanted:
            path = self._path.parent / secret.name / secret.key
            try:
                values[secret] = path.read_text().rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                problems[secret.name] = f"cannot be read: {path}: {getattr(error, 'strerror', None) or error}"
        return Secrets(values, problems, frozenset(secret.name for secret in wanted))

    def _fingerprint(self) -> Fingerprint:
        """By inode too: editors write another file and rename it."""
        found: Fingerprint = []
        for path in self._watched:
            try:
                known = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((known.st_ino, known.st_mtime_ns, known.st_size))
        return found


class ApiSource:
    """The FloatingIPNode of this node, followed in the API."""

    origin: Origin = "API"

    def __init__(self, server: ApiServer, node: str) -> None:
        self._server = server
        self._node = node

    def reload(self) -> None:
        """The watch tells of every change by itself."""

    async def readings(self) -> AsyncIterator[Reading]:
        collection = f"/apis/{names.API_VERSION}/{names.FLOATING_IP_NODES}"
        async for sighting in follow(self._server, collection, self._node):
            match sighting:
                case Present(document=document):
                    yield Read(document)
                case Absent():
                    yield Gone()
                case Unreachable(reason=reason):
                    yield Problem((f"FloatingIPNode {self._node}: the API server cannot be asked: {reason}",))
