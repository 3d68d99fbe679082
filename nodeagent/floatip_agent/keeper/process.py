"""The keeper's process: options in, parts put together, signals, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import urllib.parse

from floatip_agent.keeper import logs, web
from floatip_agent.keeper.access import AccessError, find
from floatip_agent.keeper.api_server import ApiServer
from floatip_agent.keeper.keeper import Keeper
from floatip_agent.keeper.options import KeeperOptions
from floatip_agent.keeper.sources import ApiSource, FileSource

METRICS_PORT = 9405

__all__ = ["KeeperOptions", "main"]


def main(options: KeeperOptions) -> int:
    """Run until SIGTERM. Exit status: 0 ended as told, 2 unusable arguments or documents, 1 anything else."""
    if options.metrics_address and not web.is_address(options.metrics_address):
        return _unusable(f"--metrics-address {options.metrics_address}: HOST:PORT is required")
    if (options.node is None) == (options.config is None):
        return _unusable("exactly one of --node and --config is required")
    try:
        logs.set_up(options.log_format, options.log_level)
        return asyncio.run(_run(options))
    except (AccessError, ValueError) as error:
        return _unusable(str(error))


def _unusable(reason: str) -> int:
    sys.stderr.write(f"floatip-agent: {reason}\n")
    return 2


async def _run(options: KeeperOptions) -> int:
    async with contextlib.AsyncExitStack() as stack:
        if options.config is not None:
            keeper = Keeper(options, FileSource(options.config), None)
            address = options.metrics_address
            usual = f"127.0.0.1:{METRICS_PORT}"
        else:
            assert options.node is not None
            server = await stack.enter_async_context(ApiServer(find()))
            keeper = Keeper(options, ApiSource(server, options.node), server)
            address = options.metrics_address
            usual = _address_towards(server.access.server)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, keeper.stop)
        loop.add_signal_handler(signal.SIGHUP, keeper.reload)
        return await keeper.run(usual if address is None else address)


def _address_towards(server: str) -> str:
    """Port 9405 of the address that the kernel would use to reach the API server; no packet is sent."""
    found = urllib.parse.urlsplit(server)
    try:
        family, kind, _, _, address = socket.getaddrinfo(found.hostname, found.port or 443, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as towards:
            towards.connect(address)
            host = towards.getsockname()[0]
    except OSError:
        host = "127.0.0.1"
    return f"[{host}]:{METRICS_PORT}" if ":" in host else f"{host}:{METRICS_PORT}"
