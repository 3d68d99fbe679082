"""Routes and rules that are there only while Active, as the keeper orders them. Addresses and prefixes are text."""

from __future__ import annotations

import dataclasses
import socket

from floatip_agent import reading
from floatip_agent.reading import ConfigurationError

DEFAULT = "default"


@dataclasses.dataclass(frozen=True, slots=True)
class RouteConfiguration:
    """`interface` None: the router's own; `table` 254 is main; `metric` 0: what the kernel takes by itself."""

    to: str
    via: str | None = None
    interface: str | None = None
    source: str | None = None
    table: int = 254
    metric: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class RuleConfiguration:
    """At least one side is given."""

    table: int
    priority: int
    origin: str | None = None
    to: str | None = None


def read_routes(value: object, where: str) -> tuple[RouteConfiguration, ...]:
    """Raises `ConfigurationError` naming the field below `where`."""
    return tuple(_route(entry, f"{where}[{index}]") for index, entry in enumerate(reading.items(value, where)))


def read_rules(value: object, where: str) -> tuple[RuleConfiguration, ...]:
    """Raises `ConfigurationError` naming the field below `where`."""
    return tuple(_rule(entry, f"{where}[{index}]") for index, entry in enumerate(reading.items(value, where)))


def _route(entry: object, where: str) -> RouteConfiguration:
    fields = reading.mapping(entry, where)
    route = RouteConfiguration(
        to=reading.name(fields.get("to"), f"{where}.to"),
        via=reading.text_or_none(fields.get("via"), f"{where}.via"),
        interface=reading.text_or_none(fields.get("interface"), f"{where}.interface"),
        source=reading.text_or_none(fields.get("source"), f"{where}.source"),
        table=_number(fields.get("table", 254), f"{where}.table"),
        metric=_number(fields.get("metric", 0), f"{where}.metric"),
    )
    if route.to == DEFAULT and route.via is None:
        raise ConfigurationError(f"{where}.via: required with {DEFAULT}")
    for field in ("to", "via", "source"):
        text = getattr(route, field)
        if text not in {None, DEFAULT}:
            _address(text, f"{where}.{field}")
    return route


def _rule(entry: object, where: str) -> RuleConfiguration:
    fields = reading.mapping(entry, where)
    rule = RuleConfiguration(
        table=_number(fields.get("table"), f"{where}.table"),
        priority=_number(fields.get("priority"), f"{where}.priority"),
        origin=reading.text_or_none(fields.get("origin"), f"{where}.origin"),
        to=reading.text_or_none(fields.get("to"), f"{where}.to"),
    )
    if rule.origin is None and rule.to is None:
        raise ConfigurationError(f"{where}: origin or to is required")
    for field in ("origin", "to"):
        if (text := getattr(rule, field)) is not None:
            _address(text, f"{where}.{field}")
    return rule


def _number(value: object, where: str) -> int:
    number = reading.not_negative(value, where)
    if number >= 1 << 32:
        raise ConfigurationError(f"{where}: {number}: at most 4294967295")
    return number


def _address(text: str, where: str) -> None:
    """With or without prefix length."""
    address, _, length = text.partition("/")
    family, most = (socket.AF_INET6, 128) if ":" in address else (socket.AF_INET, 32)
    try:
        socket.inet_pton(family, address)
        is_good = not length or 0 <= int(length) <= most
    except (OSError, ValueError):
        is_good = False
    if not is_good:
        raise ConfigurationError(f"{where}: {text!r} is no address or prefix")
