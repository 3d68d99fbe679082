"""A scenario that is run for several cases at once, on a LAN each: real time is mostly waited away."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from lab.network import Lan

Result = TypeVar("Result")
AtOnce = Callable[[Iterable[str], Callable[[Lan, str], Result]], Callable[[str], Result]]
"""The fixture `at_once`."""
Scenario = Callable[[Lan, str], None]


def side_by_side(cases: Iterable[str]) -> Callable[[Scenario], Callable[..., None]]:
    """Makes a test for each case out of a scenario, which gets a LAN and the case. The first test that runs runs them all; each tells its
    own end, and one that is tried again runs again, alone."""

    def decorate(scenario: Scenario) -> Callable[..., None]:
        wanted = list(cases)
        ends: dict[str, Callable[[], None]] = {}

        @pytest.mark.parametrize("case", list(wanted))
        def test(at_once: AtOnce[None], case: str) -> None:
            if case not in ends:
                told = at_once(wanted or [case], scenario)
                ends.update({name: functools.partial(told, name) for name in wanted or [case]})
                wanted.clear()
            ends.pop(case)()

        test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
        return test

    return decorate
