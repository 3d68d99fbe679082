"""Durations as absolute numbers, so that a wrong unit cannot hide in a formula that test and code share."""

from __future__ import annotations

import pytest
from floatip_agent.vrrp.timers import active_down_interval, skew_time

# RFC 9568 6.1 at an interval of 1 s, in nanoseconds: priority, Skew_Time, Active_Down_Interval.
AT_ONE_SECOND = [
    (255, 3_906_250, 3_003_906_250),
    (254, 7_812_500, 3_007_812_500),
    (200, 218_750_000, 3_218_750_000),
    (150, 414_062_500, 3_414_062_500),
    (128, 500_000_000, 3_500_000_000),
    (100, 609_375_000, 3_609_375_000),
    (99, 613_281_250, 3_613_281_250),
    (50, 804_687_500, 3_804_687_500),
    (1, 996_093_750, 3_996_093_750),
]


@pytest.mark.rule("9568-6.1-skew")
@pytest.mark.rule("9568-6.1-down")
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("priority", "skew", "down"), AT_ONE_SECOND)
def test_one_second(version: int, priority: int, skew: int, down: int) -> None:
    assert skew_time(version, priority, 1_000_000_000) == skew
    assert active_down_interval(version, priority, 1_000_000_000) == down


def test_a_short_interval_keeps_its_skew() -> None:
    """Truncated to whole centiseconds, or even microseconds, it would be 0."""
    assert skew_time(3, 254, 10_000_000) == 78_125
    assert active_down_interval(3, 254, 10_000_000) == 30_078_125


def test_the_longest_interval_does_not_overflow() -> None:
    """40.95 s and priority 1 overflow 16-bit arithmetic in centiseconds."""
    assert active_down_interval(3, 1, 40_950_000_000) == 122_850_000_000 + 40_790_039_062


@pytest.mark.rule("3768-6.1-skew")
def test_version_2_has_a_skew_that_does_not_depend_on_the_interval() -> None:
    """RFC 3768 6.1: "Skew_Time: Time to skew Master_Down_Interval in seconds. Calculated as ((256 - Priority) / 256)"."""
    assert skew_time(2, 100, 3_000_000_000) == 609_375_000
    assert active_down_interval(2, 100, 3_000_000_000) == 9_609_375_000
    assert active_down_interval(3, 100, 3_000_000_000) == 9_000_000_000 + 1_828_125_000
