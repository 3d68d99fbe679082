"""The files in the state folder: `node.json` (the document as accepted), `engine.json` (what the engine runs) and `marks.json` (which
signed advertisements are old).

Readable by root alone, replaced by rename, so that a reader sees the old or the new one and nothing between. Secrets stand
in `engine.json` and nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from floatip_agent import marks
from floatip_agent.configuration import Configuration
from floatip_agent.keeper.logs import LOG
from floatip_agent.marks import Marks
from floatip_agent.reading import ConfigurationError

FORMAT = 1


class SavedCopies:
    """What an agent needs to serve on after a restart with the API away."""

    def __init__(self, folder: Path) -> None:
        self._node = folder / "node.json"
        self._engine = folder / "engine.json"
        self._marks = folder / marks.FILE_NAME
        self._written: dict[Path, bytes] = {}

    def read_node(self) -> dict[str, Any] | None:
        """What `write_node` wrote; None when there is none, or a broken one, which is said and set aside."""
        text = _read(self._node)
        if text is None:
            return None
        try:
            document = json.loads(text)
            if not isinstance(document, dict) or document.get("format") != FORMAT:
                raise ValueError(f"not an object of format {FORMAT}")
        except ValueError as error:
            self._set_aside(self._node, str(error))
            return None
        return document

    def read_configuration(self) -> Configuration | None:
        """The engine's last configuration; None when there is none, or a broken one, which is said and set aside."""
        text = _read(self._engine)
        if text is None:
            return None
        try:
            return Configuration.loads(text)
        except ConfigurationError as error:
            self._set_aside(self._engine, str(error))
            return None

    def set_node_aside(self, reason: str) -> None:
        """The caller could not make sense of what `read_node` gave."""
        self._set_aside(self._node, reason)

    def write_node(self, document: Mapping[str, Any]) -> None:
        """Raises OSError."""
        self._write(self._node, json.dumps({"format": FORMAT, **document}, separators=(",", ":")).encode())

    def write_configuration(self, configuration: Configuration) -> None:
        """Raises OSError."""
        self._write(self._engine, configuration.dumps())

    def write_marks(self, known: Marks) -> None:
        """About once a second while advertisements are signed, hence not forced onto the disk. Raises OSError."""
        if known or self._marks.exists():
            self._write(self._marks, marks.dumps(known), is_forced=False)

    def _write(self, path: Path, text: bytes, *, is_forced: bool = True) -> None:
        if self._written.get(path) == text and path.exists():
            return
        write_atomically(path, text, is_forced=is_forced)
        self._written[path] = text

    def _set_aside(self, path: Path, reason: str) -> None:
        aside = path.with_name(f"{path.name}.broken")
        LOG.error("%s: broken saved copy, set aside as %s: %s", path, aside.name, reason)
        with contextlib.suppress(OSError):
            path.replace(aside)


def write_atomically(path: Path, text: bytes, *, is_forced: bool = True) -> None:
    """Mode 0600; `is_forced`: on the disk before it gets its name. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text)
            file.flush()
            if is_forced:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if not is_forced:
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        LOG.error("%s: cannot be read: %s", path, error.strerror)
        return None
