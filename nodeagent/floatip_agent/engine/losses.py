"""When a held address that somebody took out of the kernel is put back. Pure.

At once the first times: a hand that slipped, a network manager that starts anew. What takes it out again and again is stronger than we
are, and a router must never advertise what it does not hold: so the role goes to another node, where perhaps nobody does that, and
comes back to this one after a while that doubles each time.
"""

from __future__ import annotations

from floatip_agent.vrrp import timers

AT_ONCE = 3
"""Losses in a row after which the address is put back at once."""
SHORTEST, LONGEST = timers.SECOND, 60 * timers.SECOND
QUIET = 60 * timers.SECOND
"""Without a loss, after which the next one is the first again."""
_TOGETHER = timers.SECOND // 10
"""Several addresses that are taken out by one command are one loss."""


class Losses:
    """Of one virtual router. `in_a_row` counts up to now."""

    def __init__(self) -> None:
        self.in_a_row = 0
        self._last: int | None = None
        self._back_at = 0

    def lose(self, now: int) -> int:
        """Addresses are gone. Returns when they may be there again: `now`, or a later time until which the role is to be given up."""
        if self._last is not None and now - self._last < _TOGETHER and self._back_at == self._last:
            return now
        if now - self._back_at >= QUIET:
            self.in_a_row = 0
        self.in_a_row += 1
        wait = 0 if self.in_a_row <= AT_ONCE else min(SHORTEST << min(self.in_a_row - AT_ONCE - 1, 10), LONGEST)
        self._last, self._back_at = now, now + wait
        return self._back_at
