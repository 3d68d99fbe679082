"""An image as an archive, as `docker save` makes it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
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

    def with_files(self, name: str, archive: Path, files: Mapping[str, bytes]) -> Image:
        """Another image, in `archive`: this one and a layer with these programs, by path."""
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            for path, content in files.items():
                add(tar, path, content, mode=0o755)
        with tarfile.open(self.archive) as before, tarfile.open(archive, "w") as after:
            manifest = _manifest(before)
            configuration = _document(before, manifest["Config"])
            configuration["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}")
            configuration["history"] = []
            for path in manifest["Layers"]:
                after.addfile(before.getmember(path), before.extractfile(path))
            add(after, "more.tar", layer.getvalue())
            add(after, "configuration.json", json.dumps(configuration).encode())
            layers = [*manifest["Layers"], "more.tar"]
            whole = [{"Config": "configuration.json", "RepoTags": [name], "Layers": layers}]
            add(after, "manifest.json", json.dumps(whole).encode())
        return Image(name, archive)

    def _members(self) -> Iterator[tarfile.TarInfo]:
        with tarfile.open(self.archive) as archive:
            for layer in _manifest(archive)["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(layer)) as unpacked:
                    yield from unpacked


def add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """A regular file."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    (manifest,) = _document(archive, "manifest.json")
    found: dict[str, Any] = manifest
    return found


def _document(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.load(file)
