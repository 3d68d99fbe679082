"""The keeper's log: text or JSON lines on standard error, and at most one line a minute about the same thing."""

from __future__ import annotations

import datetime
import json
import logging
import sys
import time
from collections.abc import Callable, Hashable
from typing import Literal

REPEAT_AFTER = 60.0
"""Seconds between two lines about the same reason and router."""
_REMEMBERED = 4096

LOG = logging.getLogger("floatip.keeper")


class _JSONLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(form: Literal["text", "json"], level: str) -> None:
    """Raises `ValueError` for a level that `logging` does not know."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s keeper: %(message)s")
    handler.setFormatter(_JSONLines() if form == "json" else text)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOG.setLevel(level.upper())


class Sparing:
    """Says a thing at once, its repetitions at most every `REPEAT_AFTER`, with how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[Hashable, tuple[float, int]] = {}

    def log(self, level: int, subject: Hashable, message: str) -> None:
        """`subject` is what makes two lines the same thing: the reason, and the router when it is about one."""
        now = self._clock()
        since, left_out = self._said.get(subject, (float("-inf"), 0))
        if now - since < REPEAT_AFTER:
            self._said[subject] = since, left_out + 1
            return
        if len(self._said) >= _REMEMBERED:
            self._forget(now)
        self._said[subject] = now, 0
        LOG.log(level, "%s%s", message, f" ({left_out} more of this kind since the last line)" if left_out else "")

    def info(self, subject: Hashable, message: str) -> None:
        self.log(logging.INFO, subject, message)

    def warning(self, subject: Hashable, message: str) -> None:
        self.log(logging.WARNING, subject, message)

    def _forget(self, now: float) -> None:
        self._said = {subject: said for subject, said in self._said.items() if now - said[0] < REPEAT_AFTER}
