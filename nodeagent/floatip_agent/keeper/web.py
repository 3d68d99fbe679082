"""What the agent answers over HTTP: metrics and health on an address, and the same with `/status` on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from floatip_agent.keeper.logs import LOG, Sparing
from floatip_agent.keeper.picture import Picture

ALIVE_WITHIN = 10.0
"""Seconds: /healthz is 200 when the loop turned within."""
RETRY_AFTER = 10.0


class Web:
    """`status` gives the FloatingIPNode's status document."""

    def __init__(self, picture: Picture, registry: CollectorRegistry, status: Callable[[], Mapping[str, Any]]) -> None:
        self._picture = picture
        self._registry = registry
        self._status = status
        self._turned_at = 0.0
        self._sparing = Sparing()

    async def run(self, socket_path: Path, address: str) -> None:
        """Serve until cancelled. `address` is HOST:PORT, [HOST]:PORT or empty; one that is taken is tried again."""
        public = [
            web.get("/metrics", self._metrics),
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
        ]
        async with contextlib.AsyncExitStack() as stack:
            local = await stack.enter_async_context(_runner([*public, web.get("/status", self._show)]))
            await web.SockSite(local, _local_socket(socket_path)).start()
            if address:
                runner = await stack.enter_async_context(_runner(public))
                listening = asyncio.create_task(self._listen(runner, address))
                stack.callback(listening.cancel)
            await self._turn()

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._turned_at = loop.time()
            await asyncio.sleep(1.0)

    async def _listen(self, runner: web.AppRunner, address: str) -> None:
        host, _, port = address.rpartition(":")
        while True:
            try:
                await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
            except OSError as error:
                self._sparing.warning("listen", f"metrics and health: {address} cannot be had: {error.strerror}")
                await asyncio.sleep(RETRY_AFTER)
            else:
                LOG.info("metrics and health on %s", address)
                return

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, _: web.Request) -> web.Response:
        silent_for = asyncio.get_running_loop().time() - self._turned_at
        if silent_for > ALIVE_WITHIN:
            return web.Response(status=503, text=f"the loop stood still for {silent_for:.1f} s\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._picture.accepted is None:
            return web.Response(status=503, text=f"no document yet. {self._picture.source_problem}".rstrip() + "\n")
        if not self._picture.is_confirmed:
            return web.Response(status=503, text="the engine has not confirmed the latest document\n")
        return web.Response(text="ok\n")

    async def _show(self, _: web.Request) -> web.Response:
        return web.json_response(self._status())


def _local_socket(path: Path) -> socket.socket:
    """For root alone. One that is there already is a dead agent's: the guard lets only one live."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    path.chmod(0o600)
    return made


@contextlib.asynccontextmanager
async def _runner(routes: list[web.RouteDef]) -> AsyncGenerator[web.AppRunner, None]:
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


def is_address(text: str) -> bool:
    """HOST:PORT, [HOST]:PORT or :PORT; or empty, which switches it off."""
    _, colon, port = text.rpartition(":")
    return not text or (bool(colon) and port.isascii() and port.isdigit() and int(port) < 65536)
