"""What the engine runs: the contract between keeper, guard and engine, and the format of `engine.json`.

The keeper makes a `Configuration` from the FloatingIPNode document; guard and engine only read it. Durations are integer
nanoseconds, addresses are text with prefix length in canonical form. No pydantic: the engine process stays small.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal

FORMAT = 1

Family = Literal["IPv4", "IPv6"]


class ConfigurationError(ValueError):
    """The JSON is not a configuration that this version can run; the text names the field."""


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """What the probes of one FloatingIP say on this node.

    `lower_by` is taken off the priority (the result is at least 1); `faults` are sentences, any of which keeps the node
    out (state Fault); `waiting` names probes without a first result, which keep the router in Initialize.
    """

    lower_by: int = 0
    faults: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class RouterConfiguration:
    """One virtual router of this node. `name` (the FloatingIP's) and `family` together are unique."""

    name: str
    family: Family
    virtual_router_id: int
    addresses: tuple[str, ...]
    priority: int
    version: int = 3
    advertisement_interval: int = 1_000_000_000
    interface: str | None = None
    """None: the interface whose subnet holds the first address (longest prefix, then lowest name)."""
    source_address: str | None = None
    """None: IPv4, the first address of the interface that is not ours; IPv6, its link-local address."""
    ipv4_checksum: Literal["PseudoHeader", "MessageOnly"] = "PseudoHeader"
    link_local: Literal["Derived", "None"] = "Derived"
    password: str | None = None
    """Version 2 simple text authentication (RFC 2338), at most 8 bytes in UTF-8."""
    preempt: bool = True
    preempt_delay: int = 0
    group: str = ""
    """Routers with one group move together; empty: the FloatingIP's name."""
    release: str | None = None
    """A requestID: let go for good and confirm. An explicit order, never implied by an absent entry."""

    @property
    def key(self) -> tuple[str, Family]:
        return self.name, self.family


@dataclasses.dataclass(frozen=True, slots=True)
class Configuration:
    """Everything one engine runs. `generation` and `uid` are the FloatingIPNode's; 0 and "" in static mode."""

    routers: tuple[RouterConfiguration, ...] = ()
    health: Mapping[str, Health] = dataclasses.field(default_factory=dict)
    generation: int = 0
    uid: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "generation": self.generation,
            "uid": self.uid,
            "routers": [dataclasses.asdict(router) for router in self.routers],
            "health": {name: dataclasses.asdict(health) for name, health in self.health.items()},
        }

    @classmethod
    def from_json(cls, document: object) -> Configuration:
        """Read what `to_json` wrote. Raises `ConfigurationError` naming the field."""
        fields = _mapping(document, "configuration")
        if fields.get("format") != FORMAT:
            raise ConfigurationError(f"format: {fields.get('format')!r}: this version reads format {FORMAT}")
        routers = tuple(
            _router(entry, f"routers[{index}]") for index, entry in enumerate(_list(fields.get("routers"), "routers"))
        )
        health = {
            name: _health(entry, f"health[{name}]") for name, entry in _mapping(fields.get("health"), "health").items()
        }
        return cls(
            routers=routers,
            health=health,
            generation=_integer(fields.get("generation"), "generation"),
            uid=str(fields.get("uid", "")),
        )

    def dumps(self) -> bytes:
        return json.dumps(self.to_json(), separators=(",", ":")).encode()

    @classmethod
    def loads(cls, text: bytes) -> Configuration:
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ConfigurationError(f"not JSON: {error}") from error
        return cls.from_json(document)


def _router(entry: object, where: str) -> RouterConfiguration:
    fields = dict(_mapping(entry, where))
    known = {field.name for field in dataclasses.fields(RouterConfiguration)}
    if unknown := sorted(set(fields) - known):
        raise ConfigurationError(f"{where}.{unknown[0]}: unknown field")
    fields["addresses"] = tuple(str(address) for address in _list(fields.get("addresses"), f"{where}.addresses"))
    for name in ("virtual_router_id", "priority", "version", "advertisement_interval", "preempt_delay"):
        if name in fields:
            _integer(fields[name], f"{where}.{name}")
    if not fields.get("name") or fields.get("family") not in {"IPv4", "IPv6"}:
        raise ConfigurationError(f"{where}: name and family (IPv4 or IPv6) are required")
    try:
        return RouterConfiguration(**fields)
    except TypeError as error:
        raise ConfigurationError(f"{where}: {error}") from error


def _health(entry: object, where: str) -> Health:
    fields = _mapping(entry, where)
    return Health(
        lower_by=_integer(fields.get("lower_by", 0), f"{where}.lower_by"),
        faults=tuple(str(text) for text in _list(fields.get("faults", []), f"{where}.faults")),
        waiting=tuple(str(text) for text in _list(fields.get("waiting", []), f"{where}.waiting")),
    )


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where}: an object is required, not {type(value).__name__}")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigurationError(f"{where}: a list is required, not {type(value).__name__}")
    return value


def _integer(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigurationError(f"{where}: an integer is required, not {value!r}")
    return value
