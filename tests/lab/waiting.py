"""Waiting for the real world: a condition looked at often, and a sentence when it does not come true."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

LOOK_EVERY = 0.01
"""Seconds between two looks."""


def until(condition: Callable[[], Value | None], seconds: float, what: str) -> Value:
    """The condition's first true value. Raises `TimeoutError` saying what was waited for, in vain, for how long."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(LOOK_EVERY)
    return value


def throughout(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """The condition holds at every look for so long. Raises `AssertionError` at the first look at which it does not."""
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < seconds:
        if not condition():
            raise AssertionError(f"no longer true after {elapsed:.2f} s of {seconds} s: {what}")
        time.sleep(LOOK_EVERY)
