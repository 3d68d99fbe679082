"""Carries documents from their source to the engine, and keeps the parts going."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from floatip_agent.configuration import Configuration, Health
from floatip_agent.keeper import document, metrics, show, status
from floatip_agent.keeper.api_server import ApiServer
from floatip_agent.keeper.claims import ClaimWatch
from floatip_agent.keeper.credentials import SecretName
from floatip_agent.keeper.document import Accepted, RouterKey
from floatip_agent.keeper.engine_link import EngineLink
from floatip_agent.keeper.interfaces import InterfaceWatch
from floatip_agent.keeper.lease import Lease
from floatip_agent.keeper.logs import LOG, Sparing
from floatip_agent.keeper.options import KeeperOptions
from floatip_agent.keeper.picture import Picture
from floatip_agent.keeper.probe_state import ProbeState, Results
from floatip_agent.keeper.probes import Probes
from floatip_agent.keeper.saved import SavedCopies
from floatip_agent.keeper.secrets import SecretStore, SecretWatch
from floatip_agent.keeper.sources import Gone, Problem, Read, Reading, Source
from floatip_agent.keeper.status import StatusWriter
from floatip_agent.keeper.strangers import StrangerWatch
from floatip_agent.keeper.web import Web

ENGINE_SOCKET = "engine.sock"
LAST_STATUS_WITHIN = 2.0
MARKS_SAVED_EVERY = 1.0
"""Seconds."""
SAVED_AGAIN_AFTER = 5.0
"""Seconds after a failure."""
_LONGEST_PAUSE = 60.0

UNUSABLE = 2


class Keeper:
    """`server` is None in static mode."""

    def __init__(self, options: KeeperOptions, source: Source, server: ApiServer | None) -> None:
        self._options = options
        self._source = source
        self._server = server
        self._name = options.node or "static"
        self.picture = Picture()
        self._saved = SavedCopies(options.state_dir)
        self._link = EngineLink(options.run_dir / ENGINE_SOCKET, self.picture)
        self._interfaces = InterfaceWatch(self.picture, self._floating, self._in_use)
        self._strangers = StrangerWatch(self.picture, self._in_use, self._ours)
        self._reading: Reading | None = None
        self._wanted = asyncio.Event()
        self._unsaved = asyncio.Event()
        self._stopping = asyncio.Event()
        self._changed = self.picture.watch()
        self._configured_last: Configuration | None = None
        self._exit_status = 0
        self._sparing = Sparing()
        engine = self._saved.read_configuration()
        saved = self._restore(engine)
        self._must_look_first = engine is None or self.picture.accepted is None
        self._probes = Probes(self.picture, saved, self._health_changed)
        self._store = SecretStore(self._known_secrets())
        self._secrets = (
            SecretWatch(server, options.namespace, self._store, self._wanted.set) if server is not None else None
        )

    def stop(self) -> None:
        """End; the engine is ended by whoever ends us."""
        self._stopping.set()

    def reload(self) -> None:
        self._source.reload()

    async def run(self, metrics_address: str) -> int:
        """Until `stop`, or until it is clear that there is nothing to run on. Returns the exit status."""
        writer = StatusWriter(self._server, self._name, self.picture) if self._server else None
        link = asyncio.create_task(self._keep_running("line to the engine", self._link.run))
        parts = [asyncio.create_task(self._keep_running(*part)) for part in self._parts(writer, metrics_address)]
        await self._stopping.wait()
        if not self._exit_status:
            self._link.leave()
            await asyncio.wait({link}, timeout=self._options.leave_timeout + 1.0)
        for task in (link, *parts):
            task.cancel()
        self._probes.stop()
        if self._secrets:
            self._secrets.stop()
        await asyncio.gather(link, *parts, return_exceptions=True)
        await self._save_marks()
        if writer and not self._exit_status:
            await asyncio.wait({asyncio.create_task(writer.write())}, timeout=LAST_STATUS_WITHIN)
        return self._exit_status

    def status(self) -> Mapping[str, Any]:
        return status.build(self.picture).to_manifest()

    def _parts(
        self, writer: StatusWriter | None, metrics_address: str
    ) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        web = Web(self.picture, metrics.registry(self.picture), self.status)
        socket_path: Path = self._options.run_dir / show.SOCKET_NAME
        parts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("document", self._read_forever),
            ("configuration", self._apply_forever),
            ("saved copies", self._save_forever),
            ("saved marks", self._save_marks_forever),
            ("interfaces", self._interfaces.run),
            ("foreign routers", self._strangers.run),
            ("claims of addresses", ClaimWatch(self.picture).run),
            ("web", lambda: web.run(socket_path, metrics_address)),
        ]
        if self._server and writer:
            namespace = self._options.namespace
            lease = Lease(self._server, namespace, self._name, self.picture, lambda: writer.is_current)
            parts += [("status", writer.run), ("lease", lease.run)]
        return parts

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """A part that fails takes no other with it; it starts again, each time of a row after a longer pause."""
        loop = asyncio.get_running_loop()
        pause = 1.0
        while True:
            started = loop.time()
            try:
                await run()
            except Exception:
                if loop.time() - started > _LONGEST_PAUSE:
                    pause = 1.0
                LOG.exception("%s failed and starts again in %g s", name, pause)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            else:
                return

    def _restore(self, engine: Configuration | None) -> Results:
        """What was in force before the restart; the results of its probes."""
        saved = self._saved.read_node()
        if saved is None:
            return {}
        try:
            self.picture.accepted = document.restore(saved, engine)
            results = {
                str(name): {str(probe): ProbeState(*state) for probe, state in states.items()}
                for name, states in saved["probes"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._saved.set_node_aside(repr(error))
            return {}
        LOG.info("%d routers from the saved copy", len(self.picture.accepted.routers))
        self._wanted.set()
        return results

    def _known_secrets(self) -> dict[SecretName, str]:
        accepted = self.picture.accepted
        running = accepted.routers.values() if accepted else ()
        return {secret: text for router in running for secret, text in router.known_secrets.items()}

    async def _read_forever(self) -> None:
        async for reading in self._source.readings():
            if isinstance(reading, Problem):
                self._cannot_read(reading)
                continue
            is_news = self._server is None or _identity(reading) != _identity(self._reading)
            self._reading = reading
            self.picture.source_problem = ""
            self.picture.object_uid = _identity(reading)[1]
            self.picture.changed()
            if is_news:
                self._wanted.set()

    def _cannot_read(self, problem: Problem) -> None:
        self.picture.source_problem = "; ".join(problem.faults)
        self.picture.changed()
        in_force = "" if self.picture.accepted is None else "; the document in force stays"
        for fault in problem.faults:
            self._sparing.warning(("source", fault), fault + in_force)
        if self.picture.accepted is not None:
            return
        if self._server is None:
            self._exit_status = UNUSABLE
            self._stopping.set()

    async def _apply_forever(self) -> None:
        self._wanted.set()  # what a failure left undone
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            accepted = self._accept()
            if accepted is not None:
                await self._put_in_force(accepted)

    def _accept(self) -> Accepted | None:
        before = self.picture.accepted
        match self._reading:
            case Read(document=written, secrets=secrets):
                known = secrets if self._server is None else self._store.secrets
                return document.accept(written, self._source.origin, known, before)
            case Gone():
                return document.without_document(before) if before else None
        return before

    async def _put_in_force(self, accepted: Accepted) -> None:
        self.picture.accepted = accepted
        self._say(accepted)
        if self._secrets:
            self._secrets.reconfigure(frozenset(secret.name for secret in accepted.secrets))
            self.picture.secret_problems = dict(self._store.problems)
        self._probes.reconfigure(accepted.probe_sets())
        self._interfaces.look_again()
        self.picture.changed()
        if self._must_look_first and not await self._covers_what_runs(accepted):
            return
        await self._save()
        configuration = accepted.configuration(self._probes.health())
        if configuration != self._configured_last:
            self._configured_last = configuration
            self._link.configure(configuration)

    async def _covers_what_runs(self, accepted: Accepted) -> bool:
        """A saved copy is missing (or broken, which is no order) while an engine may be running: a configuration that lacks
        one of its routers without an order to let go is held back."""
        while not self.picture.is_engine_connected:
            self._changed.clear()
            await self._changed.wait()
        lacking = sorted(key for key in self.picture.routers if self._is_kept(key, accepted))
        for name, family in lacking:
            text = f"{name}/{family}: the engine runs it, the document does not, and nothing told it to let go: nothing is changed"
            self._sparing.warning((name, family, document.NOT_IN_DOCUMENT), text)
        self._must_look_first = bool(lacking)
        self.picture.held = frozenset(lacking)
        self.picture.changed()
        return not lacking

    def _is_kept(self, key: RouterKey, accepted: Accepted) -> bool:
        if key in accepted.routers or key in accepted.releases:
            return False
        return self._source.origin == "API" or key in accepted.refused

    def _say(self, accepted: Accepted) -> None:
        for (name, family), reason in accepted.refused.items():
            self._sparing.warning((name, family, reason), f"{name}/{family}: refused: {reason}")
        for reason in accepted.unreadable:
            self._sparing.warning(reason, f"refused: {reason}")
        for field in accepted.ignored_fields:
            self._sparing.info(field, f"ignored field of a newer operator: {field}")
        for key in sorted(accepted.missing):
            reason, text = accepted.why_missing(key)
            self._sparing.warning((*key, reason), f"{'/'.join(key)}: {text}")
        if accepted.rewound_to is not None:
            text = f"generation {accepted.rewound_to} is older than {accepted.generation}, which stays in force"
            self._sparing.warning("rewound", text)

    def _health_changed(self, name: str, health: Health) -> None:
        self._link.change_health(name, health)
        self._unsaved.set()

    async def _save_forever(self) -> None:
        """The last results of the probes count after a restart. A disk that could not be written to is tried again."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._unsaved.wait(), SAVED_AGAIN_AFTER if self.picture.disk_problem else None)
            self._unsaved.clear()
            if not self._must_look_first:
                await self._save()

    async def _save(self) -> None:
        """Before the engine hears of it; a disk that cannot be written to does not keep an order from being followed."""
        accepted = self.picture.accepted
        if accepted is None:
            return
        probes = {
            name: {probe: [state.verdict, state.against, state.detail] for probe, state in states.items()}
            for name, states in self._probes.results.items()
        }
        saved = {**document.save(accepted, self._source.origin, self._name), "probes": probes}
        configuration = accepted.configuration(self._probes.health())
        problem = ""
        try:
            await asyncio.to_thread(self._write, saved, configuration)
        except OSError as error:
            problem = f"the saved copy in {self._options.state_dir} could not be written: {error.strerror or error}"
            self._sparing.warning("disk", problem)
        if problem != self.picture.disk_problem:
            self.picture.disk_problem = problem
            self.picture.changed()
            self._unsaved.set()  # from now on it is tried again and again, or no longer

    async def _save_marks_forever(self) -> None:
        while True:
            await asyncio.sleep(MARKS_SAVED_EVERY)
            await self._save_marks()

    async def _save_marks(self) -> None:
        if not self.picture.is_engine_connected and not self.picture.routers:
            return
        marks = {key: router.marks for key, router in self.picture.routers.items() if router.marks}
        try:
            await asyncio.to_thread(self._saved.write_marks, marks)
        except OSError as error:
            text = f"the marks in {self._options.state_dir} could not be written: {error.strerror or error}"
            self._sparing.warning("marks", text)

    def _write(self, saved: Mapping[str, Any], configuration: Configuration) -> None:
        self._saved.write_configuration(configuration)
        self._saved.write_node(saved)

    def _floating(self) -> frozenset[str]:
        return frozenset(
            address.partition("/")[0]
            for router in self._configured()
            for address in (*router.addresses, *router.excluded_addresses)
        )

    def _in_use(self) -> frozenset[str]:
        given = {router.interface for router in self._configured()}
        found = {router.interface for router in self.picture.routers.values()}
        return frozenset(name for name in given | found if name)

    def _ours(self) -> frozenset[tuple[str, int]]:
        return frozenset(
            (router.interface, router.virtual_router_id) for router in self.picture.routers.values() if router.interface
        )

    def _configured(self) -> list[Any]:
        accepted = self.picture.accepted
        return [running.configuration for running in accepted.routers.values()] if accepted else []


def _identity(reading: Reading | None) -> tuple[str, str, int, str]:
    """Kind of reading, uid, generation and cluster: two documents that agree in these differ in their status only."""
    metadata = (reading.document.get("metadata") or {}) if isinstance(reading, Read) else {}
    uid, generation = str(metadata.get("uid", "")), int(metadata.get("generation", 0))
    return type(reading).__name__, uid, generation, document.cluster_of(metadata)
