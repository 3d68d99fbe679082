"""Runs the probes of this node's floating IPs: once per FloatingIP, not per family; the first at once, then on a fixed grid."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping

from floatip_agent.configuration import Family, Health
from floatip_agent.keeper import probe_state
from floatip_agent.keeper.logs import LOG, Sparing
from floatip_agent.keeper.picture import Picture, ProbeResult
from floatip_agent.keeper.probe_state import Probe, ProbeSet, ProbeState, Results, health_of

LOOK_EVERY = 0.1
"""Seconds between two looks for an address of the node to probe."""


class Probes:
    """`saved` are the last known results: after a restart they count until there are new ones."""

    def __init__(self, picture: Picture, saved: Results, on_health: Callable[[str, Health], None]) -> None:
        self._picture = picture
        self._on_health = on_health
        self._sets: dict[str, ProbeSet] = {}
        self._states: dict[str, dict[str, ProbeState]] = {name: dict(states) for name, states in saved.items()}
        self._running: dict[tuple[str, str], tuple[Probe, asyncio.Task[None]]] = {}
        self._sparing = Sparing()

    @property
    def results(self) -> Results:
        return self._states

    def health(self) -> dict[str, Health]:
        return {name: health_of(wanted.probes, self._states[name]) for name, wanted in self._sets.items()}

    def reconfigure(self, sets: Mapping[str, ProbeSet]) -> None:
        """Run these. A probe that did not change keeps running; a changed one keeps its verdict until results turn it:
        otherwise a new timeout would put a serving node back to Initialize."""
        wanted = {(name, probe.name): probe for name, entry in sets.items() for probe in entry.probes}
        for key in [key for key, (probe, _) in self._running.items() if wanted.get(key) != probe]:
            self._running.pop(key)[1].cancel()
        self._sets = dict(sets)
        self._states = {
            name: {probe.name: self._known(name, probe) for probe in entry.probes} for name, entry in sets.items()
        }
        for key in [key for key in self._picture.probes if key not in wanted]:
            del self._picture.probes[key]
        for key, probe in wanted.items():
            if key not in self._running:
                self._running[key] = probe, asyncio.create_task(self._run(key[0], probe))

    def stop(self) -> None:
        for _, task in self._running.values():
            task.cancel()
        self._running.clear()

    def _known(self, name: str, probe: Probe) -> ProbeState:
        known = self._states.get(name, {}).get(probe.name)
        return known or probe_state.start(probe.initially)

    async def _run(self, name: str, probe: Probe) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            host = probe.host or await self._own_address_when_known(name)
            started = loop.time()
            failure = await attempt(host, probe.port, probe.timeout)
            self._picture.probes[name, probe.name] = ProbeResult(failure is None, loop.time() - started)
            self._fold(name, probe, failure)
            while due <= loop.time():
                due += probe.period
            await asyncio.sleep(due - loop.time())

    def _fold(self, name: str, probe: Probe, failure: str | None) -> None:
        states = self._states[name]
        before = states[probe.name]
        states[probe.name] = state = probe_state.after(before, probe.thresholds, failure)
        if state.verdict == before.verdict:
            return
        because = f": {state.detail}" if state.detail else ""
        self._sparing.info((name, probe.name, state.verdict), f"{name}: probe {probe.name} is {state.verdict}{because}")
        self._on_health(name, health_of(self._sets[name].probes, states))

    async def _own_address_when_known(self, name: str) -> str:
        """An interface that is not known or has no address is the engine's fault to report, not the probe's."""
        while True:
            if address := self._own_address(name):
                return address
            await asyncio.sleep(LOOK_EVERY)

    def _own_address(self, name: str) -> str | None:
        """The node's own first address of the family on the router's interface."""
        wanted = self._sets[name]
        router = self._picture.routers.get((name, wanted.family))
        interface = wanted.interface or (router.interface if router else None)
        if wanted.family == "IPv4" and router and router.source_address:
            return router.source_address
        return next(self._addresses(interface, wanted.family), None)

    def _addresses(self, interface: str | None, family: Family) -> Iterator[str]:
        for reported in self._picture.interfaces:
            if reported.name == interface:
                for address in reported.addresses:
                    if (":" in address) == (family == "IPv6"):
                        yield address.partition("/")[0]


async def attempt(host: str, port: int, timeout: float) -> str | None:  # noqa: ASYNC109 (the timeout is part of the result's text)
    """Open a TCP connection and close it again. None when that worked, else a sentence that says what did not."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"{where} did not answer within {timeout:g} s"
    except ConnectionRefusedError:
        return f"{where} refused the connection"
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
        return f"{host} is no address that can be found: {getattr(error, 'strerror', None) or error}"
    except OSError as error:
        return f"{where}: {(error.strerror or str(error)).lower()}"
    LOG.debug("probe of %s passed", where)
    writer.close()
    return None
