"""The Secrets that the document names, each followed by its name: the agent may read exactly those."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from floatip_agent.keeper.api_server import ApiServer
from floatip_agent.keeper.credentials import SecretName
from floatip_agent.keeper.document import Secrets
from floatip_agent.keeper.object_watch import Absent, Present, Sighting, Unreachable, follow


class SecretStore:
    """What is known of the Secrets: pure. A Secret that vanished or cannot be read keeps its last known values."""

    def __init__(self, known: Mapping[SecretName, str]) -> None:
        self._values = dict(known)
        self._problems: dict[str, str] = {}
        self._read: set[str] = set()

    @property
    def secrets(self) -> Secrets:
        return Secrets(dict(self._values), dict(self._problems), frozenset(self._read))

    @property
    def problems(self) -> Mapping[str, str]:
        return self._problems

    def take(self, name: str, sighting: Sighting) -> bool:
        """True when something changed."""
        before = self.secrets
        match sighting:
            case Present(document=document):
                self._problems.pop(name, None)
                self._read.add(name)
                self._values = {known: value for known, value in self._values.items() if known.name != name}
                self._values |= {SecretName(name, key): value for key, value in _data(document).items()}
            case Absent():
                self._problems[name] = "does not exist"
            case Unreachable(reason=reason, code=code):
                if code:  # an API server that is away is told once, by the document's source
                    self._problems[name] = f"cannot be read: {reason}"
        return self.secrets != before

    def forget(self, wanted: frozenset[str]) -> None:
        self._values = {known: value for known, value in self._values.items() if known.name in wanted}
        self._problems = {name: problem for name, problem in self._problems.items() if name in wanted}
        self._read &= wanted


class SecretWatch:
    """One watch for each Secret that is named; a refusal (403, while the Role is on its way) is tried again."""

    def __init__(self, server: ApiServer, namespace: str, store: SecretStore, on_change: Callable[[], None]) -> None:
        self._server = server
        self._collection = f"/api/v1/namespaces/{namespace}/secrets"
        self._store = store
        self._on_change = on_change
        self._following: dict[str, asyncio.Task[None]] = {}

    def reconfigure(self, names: frozenset[str]) -> None:
        for name in self._following.keys() - names:
            self._following.pop(name).cancel()
        self._store.forget(names)
        for name in names - self._following.keys():
            self._following[name] = asyncio.create_task(self._follow(name))

    def stop(self) -> None:
        for task in self._following.values():
            task.cancel()
        self._following.clear()

    async def _follow(self, name: str) -> None:
        async for sighting in follow(self._server, self._collection, name):
            if self._store.take(name, sighting):
                self._on_change()


def _data(document: Mapping[str, Any]) -> dict[str, str]:
    """Text of each key; a line end that `kubectl create secret --from-file` brought along is no part of a password."""
    values = {}
    for key, encoded in (document.get("data") or {}).items():
        try:
            values[str(key)] = base64.b64decode(encoded).decode().rstrip("\r\n")
        except (binascii.Error, ValueError, TypeError):
            continue  # not text: no password
    return values
