"""What the keeper knows at this moment. One loop owns it: plain fields, and a signal that something changed."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from floatip_agent.configuration import Family
from floatip_agent.keeper.document import Accepted, RouterKey
from floatip_agent.keeper.logs import Sparing
from floatip_agent.messages import (
    Applied,
    Configure,
    EngineState,
    HealthChanged,
    MarksRaised,
    Message,
    RouterGone,
    RouterState,
)


@dataclasses.dataclass(frozen=True, slots=True)
class ReportedInterface:
    """An interface as the operator sees it; `addresses` are the node's own, with prefix length, in the kernel's order."""

    name: str
    is_up: bool
    addresses: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Stranger:
    """A virtual router heard on an interface in use that is none of ours."""

    virtual_router_id: int
    interface: str
    address: str
    last_seen: datetime


@dataclasses.dataclass(frozen=True, slots=True)
class AddressClaim:
    """A stranger says again and again that an address is its own while this node holds it."""

    router: RouterKey
    address: str
    mac: str
    interface: str

    def __str__(self) -> str:
        return f"{self.address} is claimed by {self.mac} on {self.interface}, too"


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeResult:
    """The last attempt of one probe, for metrics. `duration` in seconds."""

    is_success: bool
    duration: float


class Picture:
    """Filled by the parts, read by status, metrics and web."""

    def __init__(self) -> None:
        self.accepted: Accepted | None = None
        self.source_problem = ""
        """Why the document cannot be read now; the one in force stays."""
        self.object_uid: str | None = None
        """Of the FloatingIPNode in the API as seen last; None before the first look, empty while there is none and in static mode."""
        self.secret_problems: Mapping[str, str] = {}
        self.disk_problem = ""
        """Why the saved copies could not be written."""
        self.is_engine_connected = False
        self.engine: EngineState | None = None
        self.applied: Applied | None = None
        self.expected: tuple[int, str] | None = None
        """Serial and uid of the newest configuration; None until it has been sent on this connection."""
        self.confirmed: tuple[str, int] = "", 0
        """uid and generation that the engine confirmed last, to this keeper."""
        self.held: frozenset[RouterKey] = frozenset()
        """Routers that the engine runs although the document does not have them: nothing is changed meanwhile."""
        self.routers: dict[RouterKey, RouterState] = {}
        self.transitions: Counter[tuple[str, Family, str]] = Counter()
        self.interfaces: tuple[ReportedInterface, ...] = ()
        self.strangers: tuple[Stranger, ...] = ()
        self.claims: tuple[AddressClaim, ...] = ()
        self.probes: dict[tuple[str, str], ProbeResult] = {}
        self._watchers: list[asyncio.Event] = []
        self._sparing = Sparing()

    @property
    def is_confirmed(self) -> bool:
        """The engine runs what this keeper sent last."""
        return self.is_engine_connected and self._is_expected(self.applied)

    def watch(self) -> asyncio.Event:
        """An event that is set at each change, for its one owner to clear."""
        event = asyncio.Event()
        event.set()
        self._watchers.append(event)
        return event

    def changed(self) -> None:
        for event in self._watchers:
            event.set()

    def refused(self) -> Mapping[RouterKey, str]:
        """Routers of the document that do not run as asked."""
        return self.accepted.refused if self.accepted else {}

    def take(self, message: Message) -> None:
        """Fold in what the engine said."""
        match message:
            case EngineState():
                self.engine = message
                self.is_engine_connected = True
            case Applied():
                self._take_applied(message)
            case RouterState():
                self._take_router(message)
            case RouterGone():
                self.routers.pop((message.name, message.family), None)
            case Configure() | HealthChanged() | MarksRaised():
                return  # ours to say, or the guard's to hear
        self.changed()

    def engine_left(self) -> None:
        """The connection closed. What was known last stays until the next engine speaks."""
        self.expected = None
        self.engine_is_silent()

    def engine_is_silent(self) -> None:
        """Nothing is known of it now; its next `EngineState` says that it is back."""
        self.is_engine_connected = False
        self.changed()

    def _is_expected(self, applied: Applied | None) -> bool:
        return applied is not None and self.expected is not None and applied.serial == self.expected[0]

    def _take_applied(self, applied: Applied) -> None:
        self.applied = applied
        if self._is_expected(applied) and self.expected and self.accepted:
            self.confirmed = self.expected[1], applied.generation
            running = set(self.accepted.routers)
            self.routers = {key: state for key, state in self.routers.items() if key in running}

    def _take_router(self, state: RouterState) -> None:
        key = (state.name, state.family)
        before = self.routers.get(key)
        self.routers[key] = state
        for reason, text in state.warnings.items():
            if before is None or before.warnings.get(reason) != text:
                self._sparing.warning((key, reason), f"{state.name}/{state.family}: {reason}: {text}")
        if before is None or before.state == state.state:
            return
        self.transitions[state.name, state.family, state.state] += 1
        because = f" ({state.reason})" if state.reason else ""
        self._sparing.info((key, state.state), f"{state.name}/{state.family}: {before.state} -> {state.state}{because}")
