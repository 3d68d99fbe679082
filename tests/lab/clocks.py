"""A wall clock of a program's own, which a test can set: what the machine's cannot be, since everything on it shares that."""

from __future__ import annotations

from pathlib import Path

# Read anew each time: the program has a clock that jumps. Its monotonic clock is the machine's.
_SITECUSTOMIZE = """
import datetime, pathlib, time
_offset = pathlib.Path(__file__).with_name("offset")
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + float(_offset.read_text())
time.time_ns = lambda: _time_ns() + int(float(_offset.read_text()) * 1e9)

class _DateTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

datetime.datetime = _DateTime
"""


class Clock:
    """`environment` gives a Python program this clock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        self.set(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self._folder)}

    def set(self, offset: float) -> None:
        """Seconds before (negative) or after the machine's clock."""
        new = self._folder / "offset.new"
        new.write_text(str(offset))
        new.rename(self._folder / "offset")
