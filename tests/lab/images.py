"""`python -m lab.images`: the images of the Dockerfile, and the one that holds a Pod's namespaces, without a registry.

Built by buildah, offline, from what `lab.image_parts` fetched, once for one state of the sources.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from lab import cache, image_parts, web_image
from lab.image import Image
from lab.image_parts import ROOT, ImageError

SOURCES = ("crds", "nodeagent", "operator", "cli", "image", "requirements")
PAUSE = "localhost/pause:1"
TAG = "lab"
CRASHING = b"#!/opt/floatip/bin/python3\nraise SystemExit('a new version that does not work')\n"
KEPT_FOR = 3600.0
"""Seconds: what was last used before that goes with the next build."""

# No systemd to ask for cgroups, and limits that a process without CAP_SYS_RESOURCE may set.
CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
# Debian's catatonit does exactly this: sleep until told to end.
PAUSE_DOCKERFILE = 'FROM scratch\nCOPY catatonit /pause\nENTRYPOINT ["/pause", "-P"]\n'
BASE_DOCKERFILE = "FROM scratch\nADD base.tar /\n"
OFFLINE = "[global]\nno-index = true\nfind-links = /offline-wheels\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Images:
    agent: Image
    operator: Image
    pause: Image


def main(arguments: list[str]) -> int:
    try:
        image_parts.fetch()
        web_image.fetch()
        if arguments == ["fetch"]:
            return 0
        images = built()
    except ImageError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    for image in (images.agent, images.operator):
        print(f"{image.name}: {sum(image.files().values()) / 1e6:.1f} MB unpacked, in {image.archive}")
    print("on a node: ctr -n k8s.io images import ARCHIVE")
    return 0


@functools.cache
def built(source: Path = ROOT, tag: str = TAG) -> Images:
    """Of the sources as they are now, or of others in `source`. Raises `ImageError`."""
    image_parts.check_tools()
    for part in (image_parts.base(), image_parts.wheels(source)):
        if not part.exists():
            raise ImageError(f"{part} is missing: run `make setup`")
    builds = image_parts.folder() / "built"
    digest = image_parts.digest([source / "Dockerfile", source / "pyproject.toml", *_sources(source)], source)
    builder = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    folder = builds / f"{tag}-{digest}-{builder}"
    if folder.exists():
        os.utime(folder)  # used now
    else:
        _remove_old(builds)
        with cache.complete(folder) as new, tempfile.TemporaryDirectory(prefix="lab-images-") as work:
            new.mkdir()
            _Build(source, tag, Path(work)).run(new)
    return Images(
        agent=Image(_name("agent", tag), folder / "agent.tar"),
        operator=Image(_name("operator", tag), folder / "operator.tar"),
        pause=Image(PAUSE, folder / "pause.tar"),
    )


def crashing(folder: Path) -> Image:
    """An agent's image, in this folder, whose program starts and exits."""
    name = _name("agent", "crashing")
    return built().agent.with_files(name, folder / "crashing.tar", {"opt/floatip/bin/floatip-agent": CRASHING})


class _Build:
    """buildah with a storage that lives in `work`, so that nothing of it stays."""

    def __init__(self, source: Path, tag: str, work: Path) -> None:
        self._source, self._tag, self._work = source, tag, work
        storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{work}/store"\nrunroot = "{work}/run"\n'
        (work / "storage.conf").write_text(storage)
        (work / "containers.conf").write_text(CONTAINERS_CONF)
        (work / "pip.conf").write_text(OFFLINE)
        self._environment = {
            "CONTAINERS_CONF": f"{work}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{work}/storage.conf",
            "TMPDIR": str(work),
        }

    def run(self, archives: Path) -> None:
        try:
            self._from_parts(archives)
        finally:
            self._buildah("rmi", "--all", "--force")

    def _from_parts(self, archives: Path) -> None:
        parts = self._work / "parts"
        parts.mkdir()
        shutil.copy(image_parts.base(), parts / "base.tar")
        shutil.copy(shutil.which("catatonit") or "", parts)
        match = re.search(r"^ARG PYTHON=(\S+)$", (self._source / "Dockerfile").read_text(), re.MULTILINE)
        assert match
        for tag, text in ((match[1], BASE_DOCKERFILE), (PAUSE, PAUSE_DOCKERFILE)):
            (self._work / "Dockerfile").write_text(text)
            self._build(tag, f"--file={self._work}/Dockerfile", str(parts))
        wheels = f"{image_parts.wheels(self._source)}:/offline-wheels:ro"
        settings = f"{self._work}/pip.conf:/etc/pip.conf:ro"
        images = {target: _name(target, self._tag) for target in ("agent", "operator")}
        for target, image in images.items():
            offline = [f"--volume={wheels}", f"--volume={settings}", "--layers", f"--target={target}"]
            self._build(image, *offline, str(self._source))
        for name, image in {**images, "pause": PAUSE}.items():
            self._buildah("push", "--quiet", image, f"docker-archive:{archives}/{name}.tar:{image}")

    def _build(self, tag: str, *arguments: str) -> None:
        self._buildah("bud", "--quiet", "--pull-never", "--isolation=chroot", f"--tag={tag}", *arguments)

    def _buildah(self, *arguments: str) -> None:
        image_parts.run(["buildah", *arguments], self._environment)


def _name(target: str, tag: str) -> str:
    return f"localhost/floatip-{target}:{tag}"


def _sources(source: Path) -> list[Path]:
    found = (path for folder in SOURCES for path in (source / folder).rglob("*") if path.is_file())
    return sorted(path for path in found if "__pycache__" not in path.parts)


def _remove_old(builds: Path) -> None:
    for folder in builds.glob("*"):
        if time.time() - folder.stat().st_mtime > KEPT_FOR:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
