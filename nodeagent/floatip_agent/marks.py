"""The high-water marks of signed advertisements (`vrrp.authentication.HighWaterMarks`) of all routers, and their saved form.

The guard keeps them for the next engine, the keeper saves them in `marks.json` for the next guard: without them a recorded
advertisement could be replayed after a restart, and a clock that went back would make this node's own ones look like replays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from floatip_agent.configuration import Family
from floatip_agent.reading import ConfigurationError

FILE_NAME = "marks.json"
FORMAT = 1

Key = tuple[str, Family]
Marks = Mapping[Key, Mapping[str, int]]


def dumps(marks: Marks) -> bytes:
    entries = [{"name": name, "family": family, "marks": dict(own)} for (name, family), own in sorted(marks.items())]
    return json.dumps({"format": FORMAT, "routers": entries}, separators=(",", ":")).encode()


def loads(text: bytes) -> dict[Key, dict[str, int]]:
    """Raises `ConfigurationError`."""
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ConfigurationError(f"format: {document['format']!r}: this version reads format {FORMAT}")
        return {
            (str(entry["name"]), _family(entry["family"])): _numbers(entry["marks"]) for entry in document["routers"]
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"no saved marks: {error!r}") from error


def _family(value: Any) -> Family:
    if value not in {"IPv4", "IPv6"}:
        raise ValueError(value)
    return "IPv4" if value == "IPv4" else "IPv6"


def _numbers(value: Any) -> dict[str, int]:
    return {str(name): int(mark) for name, mark in value.items()}
