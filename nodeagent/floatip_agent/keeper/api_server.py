"""A bare client of the API server: what one node's agent needs of it, over aiohttp."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from floatip_agent.keeper.access import Access

FIELD_MANAGER = "floatip-agent"
REQUEST_TIMEOUT = 10.0
CERTIFICATES_FOR = 60.0
SILENCE = 90.0
"""Seconds without a byte after which a watch is dead: bookmarks come about once a minute."""
WATCH_FOR = (240, 300)
"""Seconds that one watch lasts; spread, so that a cluster's agents do not come back together."""

AWAY = (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError)
"""What it looks like when the API server cannot be reached."""


def describe(error: Exception) -> str:
    """One line for people, without what changes from one time to the next."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection was closed in the middle of an answer"
    return str(error) or type(error).__name__


class Refusal(Exception):
    """The API server answered with an error. `code` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Backoff:
    """0.2 s, then twice as long each time up to `longest`, each with jitter; `reset` when something worked."""

    def __init__(self, longest: float = 30.0) -> None:
        self._longest = longest
        self._next = 0.2

    def reset(self) -> None:
        self._next = 0.2

    async def wait(self) -> None:
        delay = self._next
        self._next = min(self._longest, delay * 2)
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))


class ApiServer:
    """`async with ApiServer(access) as server:`. Every call raises `Refusal`, or one of `AWAY`."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._context: tuple[float, ssl.SSLContext | None] | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(json_serialize=json.dumps)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._request("GET", path, parameters)

    async def apply(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply: the fields of the document, all of them, are ours from now on."""
        parameters = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._request("PATCH", path, parameters, document)

    async def watch(self, path: str, parameters: Mapping[str, str]) -> AsyncGenerator[dict[str, Any], None]:
        """The events of one watch, until the server ends it."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_TIMEOUT, sock_read=SILENCE)
        lasting = str(random.randint(*WATCH_FOR))
        query = {**parameters, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": lasting}
        async with self._session.get(self._url(path), params=query, timeout=timeout, **self._security()) as response:
            await _raise_for(response)
            try:
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line:
                            yield json.loads(line)
            finally:
                response.close()  # who stops in the middle must not wait for the server to end the watch

    async def _request(
        self, method: str, path: str, parameters: Mapping[str, str] | None, document: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body = None if document is None else json.dumps(document).encode()
        headers = {} if document is None else {"Content-Type": "application/apply-patch+yaml"}
        security = self._security()
        headers |= security.pop("headers")
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
        async with self._session.request(
            method, self._url(path), params=parameters, data=body, headers=headers, timeout=timeout, **security
        ) as response:
            await _raise_for(response)
            answer: dict[str, Any] = await response.json()
            return answer

    def _url(self, path: str) -> str:
        return self.access.server + path

    def _security(self) -> dict[str, Any]:
        """The token is read anew each time, certificates each minute: both are replaced while we run."""
        token = self.access.token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        now = asyncio.get_running_loop().time()
        if self._context is None or now - self._context[0] > CERTIFICATES_FOR:
            self._context = now, self.access.context()
        context = self._context[1]
        return {"headers": headers, "ssl": True if context is None else context}


async def _raise_for(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    text = await response.text()
    try:
        message = json.loads(text)["message"]
    except (ValueError, KeyError, TypeError):
        message = text[:200] or response.reason or "no reason given"
    raise Refusal(response.status, str(message))
