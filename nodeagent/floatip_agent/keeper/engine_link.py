"""The keeper's end of `engine.sock`: the newest configuration and health go out, the engine's picture comes in."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from pathlib import Path

from floatip_agent import messages
from floatip_agent.configuration import Configuration, Health
from floatip_agent.keeper.logs import LOG, Sparing
from floatip_agent.keeper.picture import Picture
from floatip_agent.reading import ConfigurationError

RECONNECT_AFTER = 0.2
"""Seconds. A fresh engine is there within milliseconds; until then there is nothing to tell anybody."""
SILENCE = 10.0
"""Seconds without a word after which an engine that runs routers, and so speaks each second, counts as hung."""


class EngineLink:
    """Keeps trying for ever; whatever is handed over before a connection, or between two, goes out with the next."""

    def __init__(self, path: Path, picture: Picture) -> None:
        self._path = path
        self._picture = picture
        self._sparing = Sparing()
        self._serial = time.time_ns()  # an engine that outlived another keeper must not confirm that one's serial to us
        self._configuration: Configuration | None = None
        self._unsent: dict[str, Health] = {}
        self._is_configuration_sent = False
        self._wanted = asyncio.Event()
        self._is_leaving = False

    def configure(self, configuration: Configuration) -> None:
        """Run this from now on; it carries the health of every FloatingIP."""
        self._configuration = configuration
        self._is_configuration_sent = False
        self._picture.expected = None
        self._unsent.clear()
        self._wanted.set()

    def change_health(self, name: str, health: Health) -> None:
        if self._configuration is None:
            return
        self._configuration = dataclasses.replace(
            self._configuration, health={**self._configuration.health, name: health}
        )
        self._unsent[name] = health
        self._wanted.set()

    def leave(self) -> None:
        """The agent ends: when this connection closes, no other is opened."""
        self._is_leaving = True

    async def run(self) -> None:
        """Until the connection ends after `leave`."""
        while not self._is_leaving:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=messages.MAXIMUM_LINE)
            except OSError as error:
                self._sparing.warning("connect", f"the engine is not there yet: {self._path}: {error.strerror}")
                await asyncio.sleep(RECONNECT_AFTER)
                continue
            await self._talk(reader, writer)
            if not self._is_leaving:
                self._sparing.warning("closed", "the engine closed the connection; waiting for the next one")
                await asyncio.sleep(RECONNECT_AFTER)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._is_configuration_sent = False
        self._wanted.set()
        sending = asyncio.create_task(self._send(writer))
        try:
            with contextlib.suppress(OSError):
                while line := await self._next_line(reader):
                    self._receive(line)
        except ValueError as error:  # a line above the limit
            self._sparing.warning("line", f"the engine sent what cannot be read: {error}")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()
            self._picture.engine_left()

    async def _next_line(self, reader: asyncio.StreamReader) -> bytes:
        """A hung engine keeps its connection: what it said last must not pass for what is."""
        try:
            async with asyncio.timeout(SILENCE if self._picture.routers else None):
                return await reader.readline()
        except TimeoutError:
            self._sparing.warning("silent", f"the engine has said nothing for {SILENCE:g} s")
            self._picture.engine_is_silent()
            return await reader.readline()

    def _receive(self, line: bytes) -> None:
        try:
            self._picture.take(messages.decode(line))
        except ConfigurationError as error:
            self._sparing.warning("message", f"the engine sent what cannot be read: {error}")

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                for message in self._outgoing():
                    writer.write(messages.encode(message))
                await writer.drain()

    def _outgoing(self) -> list[messages.Message]:
        if self._configuration is None:
            return []
        unsent, self._unsent = self._unsent, {}
        if self._is_configuration_sent:
            return [messages.HealthChanged(name, health) for name, health in unsent.items()]
        self._serial += 1
        self._is_configuration_sent = True
        self._picture.expected = self._serial, self._configuration.uid
        LOG.debug("configuration %d goes to the engine: %d routers", self._serial, len(self._configuration.routers))
        return [messages.Configure(self._serial, self._configuration)]
