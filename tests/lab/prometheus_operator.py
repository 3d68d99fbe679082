"""The Prometheus Operator's CRDs, of one release: the chart's monitoring objects are checked against them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from lab import cache

VERSION = "0.85.0"
MODULE = f"github.com/prometheus-operator/prometheus-operator@v{VERSION}"
DOWNLOAD = f"https://raw.githubusercontent.com/prometheus-operator/prometheus-operator/v{VERSION}"
FILES = {
    f"example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml": checksum
    for plural, checksum in {
        "podmonitors": "8ce88c52c51209993511cae093089c9525f5552def88119e3f559123ee9d454b",
        "prometheusrules": "98fd16c9ab79fba8dcd6ef62c957c98cd6546ab74ce0a4ecf09ddf2fda03020e",
    }.items()
}
"""Paths in the project, and the SHA-256 of each."""


class MissingDefinitions(Exception):
    """Not on this machine; the text says how to get them."""


def definitions() -> list[Path]:
    """What `fetch` got. Raises `MissingDefinitions`."""
    if not folder().exists():
        raise MissingDefinitions(f"the Prometheus Operator's CRDs are not in {folder()}: run `make setup`")
    return sorted(folder().iterdir())


def folder() -> Path:
    return cache.folder() / "prometheus-operator" / f"v{VERSION}"


def fetch(read: Callable[[str], bytes]) -> None:
    """By a function that reads a path in the project. Raises what that raises, and ValueError for a file that is not the one meant."""
    with cache.complete(folder()) as new:
        new.mkdir()
        for path, checksum in FILES.items():
            content = read(path)
            if hashlib.sha256(content).hexdigest() != checksum:
                raise ValueError(f"{path}: its SHA-256 is not {checksum}")
            (new / Path(path).name).write_bytes(content)
