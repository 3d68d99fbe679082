"""YAML as kubectl reads it, with the line of everything in it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""Field names and list indexes: ("spec", "nodes", 0, "priority")."""

_MOST_NODES = 100_000
"""Aliases can make a small file very large."""


class Unreadable(Exception):
    """Not YAML, or not what JSON can say: what, and on which line (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclasses.dataclass(frozen=True, slots=True)
class Tree:
    """One document."""

    content: Any
    lines: Mapping[Path, int]
    """From 1; of a field the line of its name."""

    def line(self, path: Path) -> int:
        """Of the value, or of the nearest thing that stands there and would hold it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


class _Loader(yaml.SafeLoader):
    """Times and base 60 are text, as in Kubernetes: 1:2:3:4:5:6:7:8 is an IPv6 address."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(0b[01_]+|0[0-7_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+0123456789."),
)


def read(text: str) -> list[Tree]:
    """Every document that is not empty. Raises Unreadable."""
    try:
        loader = _Loader(text)
        return [_Reading(loader).tree(node) for node in _nodes(loader) if node.tag != "tag:yaml.org,2002:null"]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise Unreadable(line, f"not YAML: {error.reason}: {error.character!r}") from None
    except RecursionError:
        raise Unreadable(1, "nested too deeply") from None


def _nodes(loader: _Loader) -> Iterator[yaml.Node]:
    while loader.check_node():
        if (node := loader.get_node()) is not None:
            yield node


class _Reading:
    def __init__(self, loader: _Loader) -> None:
        self._loader = loader
        self._lines: dict[Path, int] = {}
        self._open: list[yaml.Node] = []
        self._read = 0

    def tree(self, node: yaml.Node) -> Tree:
        self._lines[()] = _line(node)
        return Tree(self._value(node, ()), self._lines)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._read += 1
        if node in self._open or self._read > _MOST_NODES:
            raise Unreadable(_line(node), "aliases make it endless or too large")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.append(node)
        value = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        self._open.pop()
        return value

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            value = self._loader.construct_object(node)
        except ValueError:  # 0x_, or thousands of digits
            raise Unreadable(_line(node), f"{node.value[:60]}: not a number") from None
        if isinstance(value, float) and value.is_integer():
            return int(value)  # 5.0 is 5, as in JSON
        if value is not None and not isinstance(value, str | int | float | bool):
            raise Unreadable(_line(node), f"{node.value}: of a type that JSON does not have")
        return value

    def _sequence(self, node: yaml.Node, path: Path) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self._lines[(*path, index)] = _line(item)
            values.append(self._value(item, (*path, index)))
        return values

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        self._refuse_duplicates(node)
        self._loader.flatten_mapping(node)
        values: dict[str, Any] = {}
        for key, value in node.value:
            self._lines[(*path, key.value)] = _line(key)
            values[key.value] = self._value(value, (*path, key.value))
        return values

    def _refuse_duplicates(self, node: yaml.MappingNode) -> None:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable(_line(key), "a field's name must be text")
            if key.value in seen:
                raise Unreadable(_line(key), f"{key.value}: given twice")
            seen.add(key.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
