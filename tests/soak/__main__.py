"""`make soak` (root): hours of traffic in minutes, as a Markdown table; ends with 1 when a bound is broken.

ARGS="--seconds 60 --hostile-seconds 20 --only garbage" shortens and chooses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from soak.cases import Case, Result, cases, run

COLUMNS = (
    "case",
    "time",
    "advertisements",
    "later than half a period",
    "latest",
    "the machine stalled for",
    "transitions",
    "memory grew by",
    "log lines of a kind",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for each of the cases without a flood")
    parser.add_argument("--hostile-seconds", type=int, default=60, help="for each of the cases with a flood")
    parser.add_argument("--only", default="", help="only cases with this in their name")
    options = parser.parse_args()
    chosen = [case for case in cases(options.seconds, options.hostile_seconds) if options.only in case.name]
    print(_line(COLUMNS), _line(["---"] * len(COLUMNS)), sep="\n", flush=True)
    violations = [f"{case.name}: {violation}" for case in chosen for violation in _shown(case)]
    print("\n".join(violations), file=sys.stderr)
    return 1 if violations else 0


def _shown(case: Case) -> list[str]:
    result = run(case)
    print(_row(result), flush=True)
    return result.violations()


def _row(result: Result) -> str:
    name = result.case.name + (f" (reached {result.reached:,}/s)" if result.reached is not None else "")
    cells = (
        name,
        f"{result.case.seconds} s",
        f"{result.advertisements:,}",
        f"{result.late} (engine: {result.late_inside})",
        f"{result.worst * 1000:.1f} ms",
        f"{result.stalled * 1000:.1f} ms",
        result.transitions,
        f"{result.growth / 1024:.0f} KiB",
        result.lines,
    )
    return _line(cells)


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
