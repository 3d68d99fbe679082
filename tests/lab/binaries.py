"""Where etcd, the Kubernetes binaries and helm come from.

In this order: the folder `KUBEBUILDER_ASSETS`, PATH, the cache folder, the official download (checksum verified), a
build from Go modules. One that does not have the version that is needed is skipped with a line that says so. Tests only
look (`path`); `python -m lab.binaries`, which `scripts/setup` calls, also fetches what is missing.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NEWEST = "1.36.3"
"""The Kubernetes release of the lab's clusters."""
OLDEST = "1.31.0"
"""The oldest release whose API server takes our CRDs (CEL's isIP and isCIDR)."""

Version = tuple[int, ...]


class MissingBinary(Exception):  # noqa: N818 - a state of the machine, named like FileNotFoundError's cause
    """Not on this machine; the text says what was looked for and how to get it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Binary:
    """A program and the version of it that is cached; a found one may be newer unless `exact` (same minor release)."""

    name: str
    version: str
    project: str
    exact: bool = False
    version_command: tuple[str, ...] = ("--version",)

    @property
    def cached(self) -> Path:
        return cache_folder() / self.project / f"v{self.version}" / self.name

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def fits(self, found: Version) -> bool:
        """A minor release is a contract, a patch release is not: 1.36.0 serves where 1.36.3 is cached."""
        wanted = _numbers(self.version)[:2]
        return found[:2] == wanted if self.exact else found[:2] >= wanted


def kubernetes(name: str, version: str = NEWEST) -> Binary:
    return Binary(name, version, "kubernetes", exact=version != NEWEST)


ETCD = Binary("etcd", "3.6.5", "etcd")
"""Older ones break watches without a resource version on kube-apiserver 1.36 ("Too large resource version")."""
HELM = Binary("helm", "4.3.1", "helm", version_command=("version", "--short"))

WANTED = (
    *(kubernetes(name) for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")),
    kubernetes("kube-apiserver", OLDEST),
    ETCD,
    HELM,
)


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "floatip"


def kubectl() -> Path:
    """The one of the virtual environment: it is a dependency of the tests."""
    return Path(sys.executable).with_name("kubectl")


def path(binary: Binary) -> Path:
    """The first place that has it. Raises `MissingBinary`."""
    found = look(binary)
    if found is None:
        raise MissingBinary(f"{binary} is not in KUBEBUILDER_ASSETS, PATH or {cache_folder()}: run `make setup`")
    return found


@functools.cache
def look(binary: Binary) -> Path | None:
    for place, candidate in _candidates(binary):
        if not os.access(candidate, os.X_OK) or candidate.is_dir():
            continue
        found = _version(candidate, binary.version_command)
        if binary.fits(found):
            return candidate
        needed = f"{binary.version} is needed" if binary.exact else f"{binary.version} or later is needed"
        print(f"skipped {candidate} ({place}): version {'.'.join(map(str, found)) or 'unknown'}, {needed}", flush=True)
    return None


def _candidates(binary: Binary) -> Iterator[tuple[str, Path]]:
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        yield "KUBEBUILDER_ASSETS", Path(assets) / binary.name
    if on_path := shutil.which(binary.name):
        yield "PATH", Path(on_path)
    yield "cache", binary.cached


def _version(program: Path, arguments: tuple[str, ...]) -> Version:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"\bv?(\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, match.groups())) if match else ()


def _numbers(version: str) -> Version:
    return tuple(map(int, version.split(".")))
