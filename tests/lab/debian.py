"""What the lab takes from Debian's archive without installing it: packages of any release, unpacked into the cache folder.

A program of another release is started by that release's own dynamic loader, with that release's libraries.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lab import cache

UNUSED = ("/usr/share/locale/*", "/usr/share/perl/*", "/usr/lib/*/perl/*", "/usr/lib/*/perl-base/*")
"""Perl hangs on libsnmp."""


class DebianError(Exception):
    """A package cannot be had, or is not here; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Package:
    """A package with all that it depends on, in a folder of its own."""

    name: str
    release: str

    def __str__(self) -> str:
        return f"{self.name} of Debian {self.release}"

    @property
    def folder(self) -> Path:
        return cache.folder() / "debian" / self.release / self.name

    def fetch(self) -> None:
        """Where it is not there yet. Raises `DebianError`."""
        if not self.folder.exists():
            with cache.complete(self.folder) as new:
                extract(self.release, [self.name], new)

    def path(self, file: str) -> Path:
        """A file of the package, by its path in Debian without the leading slash. Raises `DebianError`."""
        path = self.folder / file
        if not path.exists():
            raise DebianError(f"{self} is not in {cache.folder()}: run `make setup`")
        return path

    def command(self, program: str, *, called: str | None = None) -> list[str]:
        """What starts a program of the package; it finds `called`, a path of the package too, as its own name.

        Raises `DebianError`.
        """
        path = self.path(program)
        places = ("lib/*", "usr/lib/*")
        loader = next(found for place in places for found in self.folder.glob(f"{place}/ld-linux-*.so.*"))
        libraries = [self.folder / parent / loader.parent.name for parent in ("lib", "usr/lib")]
        libraries.append(libraries[-1] / self.name)
        name = self.folder / (called or program)
        return [str(loader), "--library-path", ":".join(map(str, libraries)), "--argv0", str(name), str(path)]


def extract(release: str, packages: Iterable[str], place: Path, *, unused: Iterable[str] = UNUSED) -> None:
    """Packages and what they depend on, unpacked and not configured: a folder, or a tar archive if it is named so.

    Raises `DebianError`.
    """
    if os.geteuid() != 0:
        raise DebianError("unpacking Debian packages with their owners needs root")
    if not shutil.which("mmdebstrap"):
        raise DebianError("not installed: mmdebstrap")
    options = ["--quiet", "--variant=extract", "--aptopt=Acquire::Retries 3", f"--include={','.join(packages)}"]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in unused]
    command = ["mmdebstrap", *options, release, str(place), _mirror()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DebianError(f"mmdebstrap {release}: {' / '.join(done.stderr.strip().splitlines()[-5:])}")


def _mirror() -> str:
    """The archive that this machine's apt uses."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = [word for word in done.stdout.split() if word.rstrip("/").endswith("/debian")]
    return archives[0] if archives else "http://deb.debian.org/debian"
