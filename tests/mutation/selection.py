"""The conftest of the mutated copy: what is fast, and the same in each run."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("mutation", max_examples=25, derandomize=True, deadline=None, database=None)
settings.load_profile("mutation")
SLICE = 15
"""Seeds of the simulation."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the simulation a slice: not the tests of the simulation itself."""
    items[:] = [item for item in items if item.path.name != "test_scenarios.py" or _is_in_slice(item)]


def _is_in_slice(item: pytest.Item) -> bool:
    seed = item.name.removeprefix("test_every_promise_holds[").rstrip("]")
    return seed.isdigit() and int(seed) < SLICE
