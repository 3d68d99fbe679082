"""What the engine runs: the contract between keeper, guard and engine, and the format of `engine.json`.

The keeper makes a `Configuration` from the FloatingIPNode document; guard and engine only read it. Durations are integer
nanoseconds, addresses are text with prefix length in canonical form. No pydantic: the engine process stays small.
"""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, Literal

from floatip_agent import reading
from floatip_agent.reading import ConfigurationError
from floatip_agent.routing import RouteConfiguration, RuleConfiguration, read_routes, read_rules

FORMAT = 1
"""Of `engine.json`. A new one is needed only for a field that a reader must not pass over: one without which a router would hold what it
must not, or speak so that its peers do not hear it."""
_BESIDE = ("leave", "digest")
"""Fields of a router that are written beside the routers: 0.1.0 refuses a copy with a field in a router that it does not know, and these,
which it may pass over, are nearly always there."""
_MOST_ADDRESSES = 254
"""The count is one octet (RFC 9568 5.2.5), and a derived link-local address may come first."""

_SECOND = 1_000_000_000
_CENTISECOND = 10_000_000

Family = Literal["IPv4", "IPv6"]


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
    excluded_addresses: tuple[str, ...] = ()
    """Held with the others, not advertised; of either family."""
    tracked_interfaces: tuple[tuple[str, int], ...] = ()
    """Each with what its loss takes off the priority; 0: the router takes no part without it."""
    link_down_delay: int = 0
    """How long a link, the own one or a tracked one, is down before that counts; `link_up_delay` likewise."""
    link_up_delay: int = 0
    announcement_count: int = 5
    announcement_repeat: int = 5_000_000_000
    """After a takeover, 0 for none; `announcement_refresh` likewise, again and again."""
    announcement_refresh: int = 0
    transport: Literal["Multicast", "Unicast"] = "Multicast"
    peers: tuple[str, ...] = ()
    """Unicast: where advertisements go and from whom they are taken; without any the router is silent."""
    password: str | None = None
    """Version 2 simple text authentication (RFC 2338), at most 8 bytes in UTF-8."""
    hmac_keys: tuple[tuple[int, str], ...] = ()
    """Version 3: by ID and in hexadecimal; `hmac_active_key_id` signs what is sent."""
    hmac_active_key_id: int = 0
    hmac_mode: Literal["ReceiveOnly", "Permissive", "Enforce"] = "Enforce"
    preempt: bool = True
    preempt_delay: int = 0
    virtual_mac: bool = False
    """The Active answers with 00-00-5E-00-01-{VRID} (IPv6: 02) instead of the interface's MAC."""
    routes: tuple[RouteConfiguration, ...] = ()
    rules: tuple[RuleConfiguration, ...] = ()
    group: str = ""
    """Routers with one group move together; empty: the FloatingIP's name."""
    leave: str | None = None
    """A requestID: hand the role over once; while it stands the router comes last."""
    release: str | None = None
    """A requestID: let go for good and confirm. An explicit order, never implied by an absent entry."""
    digest: str = ""
    """Of the entry's wire, for the operator: the engine only says which one it runs."""

    @property
    def key(self) -> tuple[str, Family]:
        return self.name, self.family


@dataclasses.dataclass(frozen=True, slots=True)
class Configuration:
    """Everything one engine runs. `generation` and `uid` are the FloatingIPNode's, `cluster_uid` its cluster's; 0 and "" in static mode."""

    routers: tuple[RouterConfiguration, ...] = ()
    health: Mapping[str, Health] = dataclasses.field(default_factory=dict)
    generation: int = 0
    uid: str = ""
    cluster_uid: str = ""
    passed_over: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    """What could not be read of a saved copy, a sentence each."""

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "generation": self.generation,
            "uid": self.uid,
            "cluster_uid": self.cluster_uid,
            "routers": [_changed(router, besides=False) for router in self.routers],
            "beside": {"/".join(r.key): more for r in self.routers if (more := _changed(r, besides=True))},
            "health": {name: dataclasses.asdict(health) for name, health in self.health.items()},
        }

    @classmethod
    def from_json(cls, document: object) -> Configuration:
        """Read what `to_json` wrote. Raises `ConfigurationError` naming the field."""
        fields = reading.mapping(document, "configuration")
        if fields.get("format") != FORMAT:
            raise ConfigurationError(f"format: {fields.get('format')!r}: this version reads format {FORMAT}")
        beside = reading.mapping(fields.get("beside", {}), "beside")
        routers = tuple(
            _router(_whole(entry, beside), f"routers[{index}]")
            for index, entry in enumerate(reading.items(fields.get("routers"), "routers"))
        )
        first: dict[tuple[str, Family], int] = {}
        for index, router in enumerate(routers):
            if first.setdefault(router.key, index) != index:
                raise ConfigurationError(f"routers[{index}]: {'/'.join(router.key)} is there already")
        health = {
            name: read_health(entry, f"health[{name}]")
            for name, entry in reading.mapping(fields.get("health"), "health").items()
        }
        return cls(
            routers=routers,
            health=health,
            generation=reading.integer(fields.get("generation"), "generation"),
            uid=str(fields.get("uid", "")),
            cluster_uid=str(fields.get("cluster_uid", "")),
        )

    def dumps(self) -> bytes:
        return json.dumps(self.to_json(), separators=(",", ":")).encode()

    @classmethod
    def loads(cls, text: bytes) -> Configuration:
        """Read a saved copy, which another version may have written. Raises `ConfigurationError` when there is nothing to be made of it."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ConfigurationError(f"not JSON: {error}") from error
        known, passed_over = _without_news(document)
        return dataclasses.replace(cls.from_json(known), passed_over=tuple(passed_over))


def _changed(router: RouterConfiguration, *, besides: bool) -> dict[str, Any]:
    """Without what is as by default: an older version reads it unless something is used that it does not know."""
    values = dataclasses.asdict(router)
    fields = (field for field in dataclasses.fields(router) if (field.name in _BESIDE) is besides)
    return {field.name: values[field.name] for field in fields if values[field.name] != field.default}


def _whole(entry: Any, beside: Any) -> Any:
    """A router with what is written of it beside."""
    if not isinstance(entry, dict) or not isinstance(beside, dict):
        return entry
    more = beside.get(f"{entry.get('name')}/{entry.get('family')}")
    return {**entry, **more} if isinstance(more, dict) else entry


def _without_news(document: Any) -> tuple[Any, list[str]]:
    """A saved copy without what only another version knows, and what that was: a router of which a known field cannot be read is left out,
    so that the others serve on."""
    if not isinstance(document, dict) or not isinstance(document.get("routers"), list):
        return document, []
    routers, passed_over = [], []
    for index, written in enumerate(document["routers"]):
        where = f"routers[{index}]"
        known = entry = _whole(written, document.get("beside"))
        if isinstance(entry, dict):
            known = {name: value for name, value in entry.items() if name in _CHECKS}
            passed_over += [f"{where}.{name} is not known and ignored" for name in sorted(entry.keys() - known.keys())]
            try:
                _router(known, where)
            except ConfigurationError as error:
                passed_over.append(f"{error}: this router is left out")
                continue
        routers.append(known)
    return {**document, "routers": routers, "beside": {}}, passed_over


def _router(entry: object, where: str) -> RouterConfiguration:
    fields = reading.mapping(entry, where)
    if unknown := sorted(set(fields) - set(_CHECKS)):
        raise ConfigurationError(f"{where}.{unknown[0]}: unknown field")
    values = {name: _CHECKS[name](value, f"{where}.{name}") for name, value in fields.items()}
    try:
        router = RouterConfiguration(**values)
    except TypeError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    _check_addresses(router, where)
    _check_interval(router, where)
    if router.hmac_keys and router.hmac_active_key_id not in dict(router.hmac_keys):
        raise ConfigurationError(f"{where}.hmac_active_key_id: {router.hmac_active_key_id}: none of hmac_keys")
    return router


def _check_addresses(router: RouterConfiguration, where: str) -> None:
    family = socket.AF_INET if router.family == "IPv4" else socket.AF_INET6
    named = [(address, f"{where}.addresses") for address in router.addresses]
    if router.source_address is not None:
        named.append((router.source_address, f"{where}.source_address"))
    named += [(peer, f"{where}.peers") for peer in router.peers]
    for address, field in named:
        try:
            socket.inet_pton(family, address.partition("/")[0])
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{field}: {address!r} is not an {router.family} address") from error


def _check_interval(router: RouterConfiguration, where: str) -> None:
    """What the wire can carry (RFC 9568 5.2.7, RFC 3768 5.3.7)."""
    unit, most, text = (_SECOND, 255, "whole seconds") if router.version == 2 else (_CENTISECOND, 4095, "centiseconds")
    count, rest = divmod(router.advertisement_interval, unit)
    if rest or not 1 <= count <= most:
        field = f"{where}.advertisement_interval"
        raise ConfigurationError(
            f"{field}: {router.advertisement_interval} ns: version {router.version} takes 1 to {most} {text}"
        )


def read_health(entry: object, where: str) -> Health:
    """Raises `ConfigurationError` naming the field below `where`."""
    fields = reading.mapping(entry, where)
    return Health(
        lower_by=reading.not_negative(fields.get("lower_by", 0), f"{where}.lower_by"),
        faults=reading.texts(fields.get("faults", []), f"{where}.faults"),
        waiting=reading.texts(fields.get("waiting", []), f"{where}.waiting"),
    )


def _addresses(value: object, where: str) -> tuple[str, ...]:
    if not (addresses := reading.texts(value, where)):
        raise ConfigurationError(f"{where}: at least one is required")
    if len(addresses) > _MOST_ADDRESSES:
        raise ConfigurationError(f"{where}: {len(addresses)}: an advertisement carries at most {_MOST_ADDRESSES}")
    return addresses


def _password(value: object, where: str) -> str | None:
    text = reading.text_or_none(value, where)
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{where}: not Unicode text") from error
    return text


def _hmac_keys(value: object, where: str) -> tuple[tuple[int, str], ...]:
    found = []
    for entry in reading.items(value, where):
        key_id, key = reading.items(entry, where) if isinstance(entry, list) and len(entry) == 2 else (None, None)
        try:
            bytes.fromhex(reading.name(key, where))
        except ValueError as error:
            raise ConfigurationError(f"{where}: a key is in hexadecimal") from error
        found.append((reading.octet_or_zero(key_id, where), reading.text(key, where)))
    return tuple(found)


def _tracked(value: object, where: str) -> tuple[tuple[str, int], ...]:
    found = []
    for entry in reading.items(value, where):
        name, lower_by = reading.items(entry, where) if isinstance(entry, list) and len(entry) == 2 else (None, None)
        found.append((reading.text(name, where), reading.not_negative(lower_by, where)))
    return tuple(found)


_CHECKS: Mapping[str, Callable[[object, str], Any]] = {
    "name": reading.name,
    "family": reading.one_of("IPv4", "IPv6"),
    "virtual_router_id": reading.octet,
    "addresses": _addresses,
    "excluded_addresses": reading.texts,
    "tracked_interfaces": _tracked,
    "link_down_delay": reading.not_negative,
    "link_up_delay": reading.not_negative,
    "announcement_count": reading.octet,
    "announcement_repeat": reading.not_negative,
    "announcement_refresh": reading.not_negative,
    "transport": reading.one_of("Multicast", "Unicast"),
    "peers": reading.texts,
    "priority": reading.octet,
    "version": reading.one_of(2, 3),
    "advertisement_interval": reading.integer,
    "interface": reading.text_or_none,
    "source_address": reading.text_or_none,
    "ipv4_checksum": reading.one_of("PseudoHeader", "MessageOnly"),
    "link_local": reading.one_of("Derived", "None"),
    "password": _password,
    "hmac_keys": _hmac_keys,
    "hmac_active_key_id": reading.octet_or_zero,
    "hmac_mode": reading.one_of("ReceiveOnly", "Permissive", "Enforce"),
    "preempt": reading.boolean,
    "preempt_delay": reading.not_negative,
    "virtual_mac": reading.boolean,
    "routes": read_routes,
    "rules": read_rules,
    "group": reading.text,
    "leave": reading.text_or_none,
    "release": reading.text_or_none,
    "digest": reading.text,
}
"""One for each field of `RouterConfiguration`: the value and its place in the document in, the value out."""
