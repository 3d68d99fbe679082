"""What the tests of this folder need of Prometheus."""

from __future__ import annotations

import pytest
from lab import debian, prometheus


@pytest.fixture(scope="session", autouse=True)
def promtool() -> None:
    try:
        prometheus.PACKAGE.path("usr/bin/promtool")
    except debian.DebianError as error:
        pytest.skip(str(error))
