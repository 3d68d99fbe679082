"""An image as an archive, as `docker save` makes it."""

from __future__ import annotations

import dataclasses
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """`archive` is what `docker load` and `ctr images import` take."""

    name: str
    archive: Path

    def files(self) -> dict[str, int]:
        """Bytes of every regular file by its path. No layer of ours deletes a file of another."""
        return {member.name: member.size for member in self._members() if member.isreg()}

    def configuration(self) -> dict[str, Any]:
        """User, Env, Entrypoint and so on."""
        with tarfile.open(self.archive) as archive:
            document: dict[str, Any] = _document(archive, _manifest(archive)["Config"])["config"]
        return document

    def _members(self) -> Iterator[tarfile.TarInfo]:
        with tarfile.open(self.archive) as archive:
            for layer in _manifest(archive)["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(layer)) as unpacked:
                    yield from unpacked


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    (manifest,) = _document(archive, "manifest.json")
    found: dict[str, Any] = manifest
    return found


def _document(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.load(file)
