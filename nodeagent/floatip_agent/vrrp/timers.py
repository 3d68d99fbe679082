"""Durations of the protocol, in nanoseconds. Multiply first, divide by 256 last: nothing is truncated to wire units."""

from __future__ import annotations

SECOND = 1_000_000_000
CENTISECOND = 10_000_000


def skew_time(version: int, priority: int, interval: int) -> int:
    """How long a Backup of this priority waits longer than a faster one.

    RFC 9568 6.1: Skew_Time = (((256 - Priority) * Active_Adver_Interval) / 256). RFC 3768 6.1 (version 2):
    ((256 - Priority) / 256) seconds, whatever the interval.
    """
    base = SECOND if version == 2 else interval
    return (256 - priority) * base // 256


def active_down_interval(version: int, priority: int, interval: int) -> int:
    """RFC 9568 6.1: Active_Down_Interval = (3 * Active_Adver_Interval) + Skew_Time."""
    return 3 * interval + skew_time(version, priority, interval)
