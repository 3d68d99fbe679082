"""What keeper and engine say to each other over `engine.sock`: one JSON object a line, `type` first.

Keeper to engine: `Configure`, `HealthChanged`. Engine to keeper: `Applied`, `RouterState`, `RouterGone`, `EngineState`. Engine to guard:
each order that it accepted, and `MarksRaised`.
On every new connection the engine sends the whole picture: `Applied` (if it runs a configuration), one `RouterState` per
router, and `EngineState` last, which so says that the picture is whole; then what changes, and each router's counters about
once a second. The engine drops telemetry when the keeper does not read; it never waits. Times named `since` are Unix seconds
(wall clock, for people only).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from floatip_agent.configuration import Configuration, Family, Health, read_health
from floatip_agent.reading import ConfigurationError

Scheduling = Literal["RealTime", "Nice", "Normal"]
State = Literal["Initialize", "Backup", "Active", "Fault"]

MAXIMUM_LINE = 16 * 1024 * 1024
"""Bytes; 1,024 routers with 64 addresses each fit several times."""


@dataclasses.dataclass(frozen=True, slots=True)
class Configure:
    """Run this from now on. `serial` comes back in `Applied`."""

    serial: int
    configuration: Configuration


@dataclasses.dataclass(frozen=True, slots=True)
class HealthChanged:
    name: str
    health: Health


@dataclasses.dataclass(frozen=True, slots=True)
class Applied:
    """The configuration runs."""

    serial: int
    generation: int


@dataclasses.dataclass(frozen=True, slots=True)
class RouterState:
    """One virtual router as it stands. `warnings` maps a reason (RivalHeard, WireMismatch, LoopedBack, AddressLost) to a sentence;
    `noted` counts what was odd in accepted advertisements (OtherAddresses, OtherInterval, NoLinkLocalFirst)."""

    name: str
    family: Family
    virtual_router_id: int
    state: State
    reason: str
    priority: int
    effective_priority: int
    interface: str | None
    source_address: str | None
    active_router: str | None
    since: float
    transitions: int
    sent: int
    received: int
    dropped: Mapping[str, int]
    warnings: Mapping[str, str]
    noted: Mapping[str, int] = dataclasses.field(default_factory=dict)
    mismatches: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)
    """Who goes on sending what is refused or noted: addresses by reason."""
    rival: str | None = None
    """Whom this Active hears as another one."""
    addresses: Sequence[str] = dataclasses.field(default_factory=list)
    """As configured, excluded ones too; `digest` likewise."""
    digest: str = ""
    left: str | None = None
    """The requestID of a leave that is done: this router stands by, and another one is Active."""
    released: str | None = None
    """The requestID of a release that is done: the addresses are out of the kernel."""
    stale: bool = False
    """The health in force is older than the engine's connection to a keeper."""
    marks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """High-water marks of signed advertisements."""


@dataclasses.dataclass(frozen=True, slots=True)
class RouterGone:
    """The router is not run any more (static mode: the accepted file lacks it)."""

    name: str
    family: Family


@dataclasses.dataclass(frozen=True, slots=True)
class MarksRaised:
    """High-water marks of one router that rose."""

    name: str
    family: Family
    marks: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class EngineState:
    """The process as a whole. `lateness` counts sent advertisements by how late they were (bucket bound in seconds, "+Inf" last;
    not cumulative), `lateness_sum` in seconds."""

    pid: int
    scheduling: Scheduling
    fence: Literal["AddressLifetime"]
    lateness: Mapping[str, int]
    lateness_sum: float


Message = Configure | HealthChanged | Applied | RouterState | RouterGone | MarksRaised | EngineState

_TYPES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Configure, HealthChanged, Applied, RouterState, RouterGone, MarksRaised, EngineState)
}


def encode(message: Message) -> bytes:
    """One line of JSON, newline included."""
    body: dict[str, Any] = {"type": type(message).__name__}
    if isinstance(message, Configure):
        body |= {"serial": message.serial, "configuration": message.configuration.to_json()}
    else:
        body |= dataclasses.asdict(message)
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line. Raises `ConfigurationError` when it is none."""
    try:
        body = json.loads(line)
        kind = _TYPES[body.pop("type")]
        if kind is Configure:
            return Configure(int(body["serial"]), Configuration.from_json(body["configuration"]))
        if kind is HealthChanged:
            return HealthChanged(str(body["name"]), read_health(body["health"], "health"))
        message: Message = kind(**body)
    except ConfigurationError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"not a message: {error!r}") from error
    return message
