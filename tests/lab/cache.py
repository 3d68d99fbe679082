"""The folder outside the clone for what is fetched or built once: a thing is there whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "floatip"


@contextlib.contextmanager
def complete(place: Path) -> Iterator[Path]:
    """A path to write a file or a folder to; at the block's end it is at `place`, whole, or nowhere."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{os.getpid()}.{place.name}")
    try:
        yield new
        if not place.exists():  # another run may have been faster
            new.rename(place)
    finally:
        if new.is_dir():
            shutil.rmtree(new)
        new.unlink(missing_ok=True)
