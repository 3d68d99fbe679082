"""Waiting inside the loop that the code under test runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

Eventually = Callable[[Callable[[], object]], Awaitable[None]]

WITHIN = 10.0
LOOK_EVERY = 0.02


@pytest.fixture
def eventually() -> Eventually:
    """`await eventually(condition)`: until it is true. Raises `TimeoutError`."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN):
            while True:
                if condition():
                    return
                await asyncio.sleep(LOOK_EVERY)

    return wait
