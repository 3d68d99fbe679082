"""The chart, rendered and installed by the real helm."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from lab import binaries

Helm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """`helm("template", ...)`: whatever its exit status."""
    try:
        program = binaries.path(binaries.HELM)
    except binaries.MissingBinary as missing:
        pytest.skip(str(missing))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=120)

    return run
