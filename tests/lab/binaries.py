"""Where etcd, the Kubernetes binaries and helm come from.

In this order: the folder `KUBEBUILDER_ASSETS`, PATH, the cache folder; then what `lab.fetching` can get. One that does
not have the version that is needed is skipped with a line that says so. Tests only look (`path`); `python -m
lab.fetching`, which `scripts/setup` calls, also fetches what is missing.
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

from lab import cache

NEWEST = "1.36.3"
OLDEST = "1.31.0"
"""The oldest release whose API server takes our CRDs (CEL's isIP and isCIDR)."""
RELEASE = os.environ.get("LAB_KUBERNETES", NEWEST)
"""The Kubernetes release of the lab's clusters: API server, controllers, kubelets, kube-proxy."""

Version = tuple[int, ...]


class MissingBinary(Exception):
    """Not on this machine; the text says what was looked for and how to get it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Binary:
    """A program: the release that is fetched, and the minor releases that are taken where one is found."""

    name: str
    version: str
    project: str
    at_least: str
    exact: bool = False
    """Only that minor release: another one is there to be that one."""
    version_command: tuple[str, ...] = ("--version",)

    @property
    def cached(self) -> Path:
        return cache.folder() / self.project / f"v{self.version}" / self.name

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def fits(self, found: Version) -> bool:
        least = _numbers(self.at_least)
        return found[: len(least)] == least if self.exact else found >= least


def kubernetes(name: str, version: str = RELEASE) -> Binary:
    return Binary(name, version, "kubernetes", at_least=version.rpartition(".")[0], exact=version != NEWEST)


ETCD = Binary("etcd", "3.6.5", "etcd", at_least="3.6")
"""Older ones break watches without a resource version on kube-apiserver 1.36 ("Too large resource version")."""
HELM = Binary("helm", "4.3.1", "helm", at_least="3.14", version_command=("version", "--short"))

_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
_API_SERVERS = tuple(kubernetes("kube-apiserver", version) for version in (OLDEST, NEWEST))

WANTED = tuple(dict.fromkeys((*map(kubernetes, _KUBERNETES), *_API_SERVERS, ETCD, HELM)))


def kubectl() -> Path:
    """The one of the virtual environment: it is a dependency of the tests."""
    return Path(sys.executable).with_name("kubectl")


def path(binary: Binary) -> Path:
    """The first place that has it. Raises `MissingBinary`."""
    found = look(binary)
    if found is None:
        raise MissingBinary(f"{binary} is not in KUBEBUILDER_ASSETS, PATH or {cache.folder()}: run `make setup`")
    return found


@functools.cache
def look(binary: Binary) -> Path | None:
    for place, candidate in _candidates(binary):
        if not os.access(candidate, os.X_OK) or candidate.is_dir():
            continue
        found = _version(candidate, binary.version_command)
        if binary.fits(found):
            return candidate
        needed = f"{binary.at_least} is needed" if binary.exact else f"{binary.at_least} or later is needed"
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
