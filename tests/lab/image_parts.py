"""What a build of the images takes from outside, fetched once: a stand-in for the official Python image, and wheels.

The stand-in is made from Debian packages, for machines that reach no image registry. It has what the Dockerfile counts
on, python3 in PATH with pip, and otherwise less than the official one: no shell, no package manager.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pip
from lab import cache, debian

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("build", "agent", "operator")
TOOLS = ("buildah", "mmdebstrap", "catatonit")

SUITE = "bookworm"
# An interpreter and the libraries it loads. Packages are unpacked, not installed: there is no shell to configure them.
PACKAGES = (
    *("base-files", "netbase", "libc-bin", "libc6", "zlib1g", "libexpat1", "libssl3", "libffi8", "libsqlite3-0"),
    *("python3.11-minimal", "libpython3.11-stdlib", "ca-certificates", "tzdata"),
)
UNUSED = tuple(f"/usr/share/{name}/*" for name in ("doc", "man", "locale"))


class ImageError(Exception):
    """An image cannot be built here; the text says why."""


def fetch(source: Path = ROOT) -> None:
    """What is missing of `base` and `wheels`. Raises `ImageError`."""
    check_tools()
    if not base().exists():
        with cache.complete(base()) as new:
            _make_base(new)
    if not wheels(source).exists():
        with cache.complete(wheels(source)) as new:
            new.mkdir()
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            for lock in _locks(source):
                run([*download, "--require-hashes", f"--requirement={lock}", f"--dest={new}"])


def check_tools() -> None:
    """Raises `ImageError` where no image can be built."""
    if os.geteuid() != 0:
        raise ImageError("building images without a container engine needs root")
    if missing := [program for program in TOOLS if not shutil.which(program)]:
        raise ImageError(f"not installed: {', '.join(missing)}")


def folder() -> Path:
    return cache.folder() / "images"


def base() -> Path:
    """The stand-in's file system, a tar archive."""
    return folder() / f"base-{hashlib.sha256(' '.join((SUITE, *PACKAGES)).encode()).hexdigest()[:16]}.tar"


def wheels(source: Path = ROOT) -> Path:
    """A folder with every wheel that the locks of these sources name."""
    return folder() / f"wheels-{digest(_locks(source), source)}"


def digest(files: Iterable[Path], source: Path) -> str:
    """Of files of the sources, their names and their contents."""
    found = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        found.update(f"{file.relative_to(source)}\0{len(content)}\0".encode() + content)
    return found.hexdigest()[:16]


def _locks(source: Path) -> list[Path]:
    return [source / "requirements" / f"{name}.txt" for name in LOCKS]


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Raises `ImageError` with the command's last words."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | (environment or {}), cwd=ROOT
    )
    if done.returncode:
        last = " / ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise ImageError(f"{' '.join(command[:3])} ...: {last}")


def _make_base(archive: Path) -> None:
    try:
        debian.extract(SUITE, PACKAGES, archive, unused=UNUSED)
    except debian.DebianError as error:
        raise ImageError(str(error)) from error
    with tarfile.open(archive, "a") as tar:
        link = tarfile.TarInfo("./usr/local/bin/python3")
        link.type, link.linkname, link.mode = tarfile.SYMTYPE, "/usr/bin/python3.11", 0o777
        tar.addfile(link)
        tar.add(Path(pip.__file__).parent, "./usr/local/lib/python3.11/dist-packages/pip")
