"""Values of a JSON document, each with its place in it for the error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ConfigurationError(ValueError):
    """The JSON is not a configuration that this version can run; the text names the field."""


def mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where}: an object is required, not {type(value).__name__}")
    return value


def items(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigurationError(f"{where}: a list is required, not {type(value).__name__}")
    return value


def integer(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigurationError(f"{where}: an integer is required, not {value!r}")
    return value


def not_negative(value: object, where: str) -> int:
    number = integer(value, where)
    if number < 0:
        raise ConfigurationError(f"{where}: not negative is required, not {number}")
    return number


def octet(value: object, where: str) -> int:
    number = integer(value, where)
    if not 1 <= number <= 255:
        raise ConfigurationError(f"{where}: 1 to 255, not {number}")
    return number


def octet_or_zero(value: object, where: str) -> int:
    number = integer(value, where)
    if not 0 <= number <= 255:
        raise ConfigurationError(f"{where}: 0 to 255, not {number}")
    return number


def boolean(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{where}: true or false is required, not {value!r}")
    return value


def text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}: a string is required, not {value!r}")
    return value


def name(value: object, where: str) -> str:
    if not value:
        raise ConfigurationError(f"{where}: required")
    return text(value, where)


def text_or_none(value: object, where: str) -> str | None:
    return None if value is None else text(value, where)


def texts(value: object, where: str) -> tuple[str, ...]:
    return tuple(text(entry, where) for entry in items(value, where))


def one_of(*allowed: object) -> Callable[[object, str], Any]:
    def check(value: object, where: str) -> Any:
        if not any(type(value) is type(known) and value == known for known in allowed):
            raise ConfigurationError(f"{where}: {' or '.join(map(str, allowed))}, not {value!r}")
        return value

    return check
