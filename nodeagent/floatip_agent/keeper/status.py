"""What the node says about itself: the FloatingIPNode's status from the picture (pure), and its writing."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from floatip_api import names, v1alpha1

from floatip_agent.keeper import declared
from floatip_agent.keeper.api_server import AWAY, ApiServer, Backoff, Refusal, describe
from floatip_agent.keeper.document import NOT_IN_DOCUMENT, Accepted, RouterKey, Running
from floatip_agent.keeper.logs import Sparing
from floatip_agent.keeper.picture import Picture
from floatip_agent.messages import RouterState

WRITE_AT_MOST_EVERY = 1.0
"""Seconds: a trailing edge follows, so that the last word is always written."""
SCHEMA_FOR = 60.0
"""Seconds for which a CRD that is older than this agent is taken to be so."""
NOT_FOUND, CONFLICT = 404, 409

_VERSION = importlib.metadata.version("floatip")
_REASON_LENGTH = 1024
SECRET_MISSING = "SecretMissing"  # noqa: S105 - a reason
_MOST_WARNINGS = 16
_MOST_IGNORED = 64
_MOST_ROUTERS = 1024


def build(picture: Picture) -> v1alpha1.FloatingIPNodeStatus:
    """The status document. Counters are never in it."""
    accepted = picture.accepted or Accepted()
    refused = picture.refused()
    routers = [_router(picture, accepted, refused.get(key), key) for key in accepted.routers]
    routers += [_reported(picture.routers[key], [_HELD]) for key in sorted(picture.held & picture.routers.keys())]
    idle = refused.keys() - accepted.routers.keys() - picture.held
    routers += [_idle(picture, accepted, refused[key], key) for key in sorted(idle)]
    return v1alpha1.FloatingIPNodeStatus(
        observed_generation=_observed_generation(picture, accepted),
        agent=_agent(picture),
        interfaces=[
            v1alpha1.Interface(name=known.name, up=known.is_up, addresses=list(known.addresses))
            for known in picture.interfaces
        ],
        virtual_routers=routers[:_MOST_ROUTERS],
        foreign_routers=[
            v1alpha1.ForeignRouter(
                virtual_router_id=stranger.virtual_router_id,
                interface=stranger.interface,
                address=stranger.address,
                last_seen=_text(stranger.last_seen.replace(second=0, microsecond=0)),
            )
            for stranger in picture.strangers
        ],
        ignored_fields=[*accepted.ignored_fields, *accepted.unreadable][:_MOST_IGNORED],
    )


def is_news(status: v1alpha1.FloatingIPNodeStatus, written: v1alpha1.FloatingIPNodeStatus | None) -> bool:
    """Whether it is worth a write: that a stranger was heard once more is not."""
    return written is None or _without_times(status) != _without_times(written)


def _without_times(status: v1alpha1.FloatingIPNodeStatus) -> v1alpha1.FloatingIPNodeStatus:
    silent = [stranger.model_copy(update={"last_seen": None}) for stranger in status.foreign_routers]
    return status.model_copy(update={"foreign_routers": silent})


def _observed_generation(picture: Picture, accepted: Accepted) -> int | None:
    """The generation of this very object that the engine runs; None in static mode, and of a store that was restored: there a
    later document has the number of the one that runs."""
    uid, generation = picture.confirmed
    return generation if uid and uid == accepted.uid and accepted.rewound_to is None else None


def _agent(picture: Picture) -> v1alpha1.AgentInfo | None:
    if picture.engine is None:
        return None
    return v1alpha1.AgentInfo(version=_VERSION, scheduling=picture.engine.scheduling, fence=picture.engine.fence)


def _router(picture: Picture, accepted: Accepted, refused: str | None, key: RouterKey) -> v1alpha1.VirtualRouterStatus:
    running = accepted.routers[key]
    warnings = list(_warnings(picture, accepted, refused, key))[:_MOST_WARNINGS]
    state = picture.routers.get(key)
    return _unreported(running, refused, key, warnings) if state is None else _reported(state, warnings)


def _reported(state: RouterState, warnings: list[v1alpha1.Warning]) -> v1alpha1.VirtualRouterStatus:
    return v1alpha1.VirtualRouterStatus(
        name=state.name,
        family=state.family,
        virtual_router_id=state.virtual_router_id,
        state=state.state,
        priority=state.priority,
        effective_priority=state.effective_priority,
        interface=state.interface,
        source_address=state.source_address,
        active_router=state.active_router,
        since=_text(datetime.fromtimestamp(state.since, UTC)),
        transitions=state.transitions,
        reason=state.reason[:_REASON_LENGTH],
        addresses=list(state.addresses),
        digest=state.digest or None,
        left_request_id=state.left,
        released_request_id=state.released,
        warnings=warnings,
    )


def _unreported(
    running: Running, refused: str | None, key: RouterKey, warnings: list[v1alpha1.Warning]
) -> v1alpha1.VirtualRouterStatus:
    """The engine has not spoken about it: it was refused, or the engine is not there (yet)."""
    return v1alpha1.VirtualRouterStatus(
        name=key[0],
        family=key[1],
        virtual_router_id=running.configuration.virtual_router_id,
        state="Fault" if refused else "Initialize",
        priority=running.configuration.priority,
        reason=(refused or "the engine has not reported it yet")[:_REASON_LENGTH],
        warnings=warnings,
    )


def _idle(picture: Picture, accepted: Accepted, reason: str, key: RouterKey) -> v1alpha1.VirtualRouterStatus:
    """Refused, and nothing of it is to run: a request to release it is done when the engine says that it has nothing of it either."""
    is_done = picture.is_confirmed and key not in picture.routers
    return v1alpha1.VirtualRouterStatus(
        name=key[0],
        family=key[1],
        state="Fault",
        reason=f"refused: {reason}"[:_REASON_LENGTH],
        warnings=[_warning(SECRET_MISSING, reason)] if key in accepted.without_secret else [],
        released_request_id=accepted.releases.get(key) if is_done else None,
    )


def _warnings(picture: Picture, accepted: Accepted, refused: str | None, key: RouterKey) -> Iterator[v1alpha1.Warning]:
    state = picture.routers.get(key)
    if key in accepted.missing:
        yield _warning(*accepted.why_missing(key))
    if accepted.rewound_to is not None:
        older = f"generation {accepted.rewound_to} is older than {accepted.generation}"
        yield _warning(NOT_IN_DOCUMENT, f"{older}, which is in force: a restored store is no order")
    if refused:
        reason = SECRET_MISSING if key in accepted.without_secret else "Refused"
        yield _warning(reason, f"an earlier form runs on: {refused}")
    if state:
        for reason, message in sorted(state.warnings.items()):
            yield _warning(reason, message)
    if claims := [str(claim) for claim in picture.claims if claim.router == key]:
        yield _warning("AddressClaimed", "; ".join(claims))
    if picture.disk_problem:
        yield _warning("NotSaved", picture.disk_problem)
    yield from _secret_and_probes(picture, accepted, key, state)


def _secret_and_probes(
    picture: Picture, accepted: Accepted, key: RouterKey, state: RouterState | None
) -> Iterator[v1alpha1.Warning]:
    running = accepted.routers[key]
    for name in dict.fromkeys(secret.name for secret in running.secrets):
        if problem := picture.secret_problems.get(name):
            yield _warning(SECRET_MISSING, f"Secret {name} {problem}; its last known value is in force")
    if state and state.stale and running.probes.probes:
        yield _warning("ProbesStale", "the last known results of the probes are in force")


def _warning(reason: str, message: str) -> v1alpha1.Warning:
    return v1alpha1.Warning(reason=reason, message=message[:_REASON_LENGTH])


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_HELD = _warning(
    NOT_IN_DOCUMENT, "the document lacks it and nothing told it to let go: nothing is changed on this node"
)


class StatusWriter:
    """Server-side apply on the status subresource, on change only. `uid` guards against an object made anew meanwhile."""

    def __init__(self, server: ApiServer, node: str, picture: Picture) -> None:
        self._server = server
        self._node = node
        self._path = f"/apis/{names.API_VERSION}/{names.FLOATING_IP_NODES}/{node}/status"
        self._picture = picture
        self._changed = picture.watch()
        self._written: v1alpha1.FloatingIPNodeStatus | None = None
        self._written_to = ""
        self._sparing = Sparing()
        self._schema: dict[str, Any] = {}
        self._schema_until = 0.0
        self.is_current = False
        """The last write went through, or there is no object: the API has no older word of ours."""

    async def run(self) -> None:
        backoff = Backoff(longest=5.0)
        while True:
            await self._changed.wait()
            self._changed.clear()
            while not await self.write():
                await backoff.wait()
            backoff.reset()
            await asyncio.sleep(WRITE_AT_MOST_EVERY)

    async def write(self) -> bool:
        """Write the status when there is something new. False: it has to be tried again."""
        uid = self._picture.object_uid
        if uid is None:
            return True  # nobody has looked yet; when somebody has, the picture changes
        status = build(self._picture)
        has_news = bool(uid) and (uid != self._written_to or is_news(status, self._written))
        self.is_current = not has_news or await self._send(uid, status)
        return self.is_current

    async def _send(self, uid: str, status: v1alpha1.FloatingIPNodeStatus) -> bool:
        document: dict[str, Any] = {
            "apiVersion": names.API_VERSION,
            "kind": names.FLOATING_IP_NODE,
            "metadata": {"name": self._node, "uid": uid},
            "status": status.to_manifest(),
        }
        try:
            await self._apply(document)
        except (Refusal, *AWAY) as error:
            self._sparing.warning("status", f"the status could not be written: {describe(error)}")
            # An object that is gone, or made anew, is the document's source's to notice; then there is a new uid.
            return isinstance(error, Refusal) and error.code in {NOT_FOUND, CONFLICT}
        self._written, self._written_to = status, uid
        return True

    async def _apply(self, document: dict[str, Any]) -> None:
        """While the CRDs are older than this agent, without what they do not know."""
        now = asyncio.get_running_loop().time()
        if now < self._schema_until:
            document = {**document, "status": declared.declared(document["status"], self._schema)}
        try:
            await self._server.apply(self._path, document)
        except Refusal as error:
            if now < self._schema_until or not declared.is_too_new(str(error)):
                raise
            why = " ".join(str(error).split())
            self._sparing.warning("CRDs", f"the CRDs are older than this agent, whose status lacks what is new: {why}")
            if not await self._learn_schema():
                raise
            await self._apply(document)

    async def _learn_schema(self) -> bool:
        """False: the API server does not tell it. One that has just started publishes what its CRDs declare a little later."""
        try:
            schema = declared.status_schema(await self._server.get(declared.PATH))
        except Refusal:
            return False
        if schema:
            self._schema, self._schema_until = schema, asyncio.get_running_loop().time() + SCHEMA_FOR
        return bool(schema)
