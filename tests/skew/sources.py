"""The project's sources at another git revision, outside of this clone."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.image_parts import ROOT


class UnknownRevisionError(Exception):
    """git does not know the revision; the text says what to do."""


@contextlib.contextmanager
def at(revision: str) -> Iterator[Path]:
    """A folder with them. Raises `UnknownRevisionError`."""
    archive = ["git", "-C", str(ROOT), "archive", "--format=tar", revision]
    with tempfile.TemporaryDirectory(prefix="floatip-sources-") as folder:
        packed = subprocess.run(archive, capture_output=True, check=False)
        if packed.returncode:
            said = packed.stderr.decode().strip()
            raise UnknownRevisionError(f"{said}; a shallow clone does not have it: git fetch --unshallow")
        subprocess.run(["tar", "--extract", f"--directory={folder}"], input=packed.stdout, check=True)
        yield Path(folder)
