"""What a demo prints: headings, and the longest gaps that its client saw."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """The longest gap that counts as seen. Seconds."""

    seconds: float
    of: str


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the summary: what was done, who held the address then, and the gap in milliseconds."""

    what: str
    holder: str
    gap: float
    bound: Bound | None

    @property
    def within(self) -> bool:
        return self.bound is None or self.gap <= self.bound.seconds * 1000

    def __str__(self) -> str:
        row = f"{self.what:<48} -> {self.holder:<8}{self.gap:6.0f} ms"
        if self.bound:
            row += f"   at most {self.bound.seconds * 1000:.0f} ms: {self.bound.of}"
        return row if self.within else f"{row}  EXCEEDED"


def summary(outcomes: Sequence[Outcome]) -> bool:
    """Print what the client saw. The result is whether every gap was within its bound."""
    print("\nThe longest gap that the client saw, with one probe a millisecond:\n")
    for outcome in outcomes:
        print(f"  {outcome}")
    return all(outcome.within for outcome in outcomes)


def heading(text: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}== {text}{plain}", flush=True)
