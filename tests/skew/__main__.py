"""`make skew` (root): the release of another git revision and ours, side by side on real kubelets, as a Markdown table; ends with 1 when
something was not as promised.

ARGS=REVISION; absent, the one that the fixtures of 0.1.0 come from. Not in CI: a clone there may be shallow, and it takes ten minutes.
"""

from __future__ import annotations

import argparse
import sys

from lab import image_parts, kubelets
from lab.image_parts import ImageError
from lab.installation import Release
from skew import sources
from skew.steps import STEPS, StepError
from skew.world import NAMES, Row, World

FIRST = "2780420"
"""0.1.0, of tests/fixtures/0.1.0."""
COLUMNS = ("what", "took", *(f"{name}: longest gap, holders in turn" for name in NAMES), "at most", "warned of")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make skew", description=__doc__)
    parser.add_argument("revision", nargs="?", default=FIRST, help="of git; default: %(default)s")
    parser.add_argument(
        "--steps", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP", help=f"of {', '.join(STEPS)}"
    )
    options = parser.parse_args()
    if reason := kubelets.missing():
        print(f"skew: {reason}", file=sys.stderr)
        return 1
    try:
        with sources.at(options.revision) as folder:
            image_parts.fetch(folder)
            return _run(Release.of(folder, "other"), options.steps)
    except (sources.UnknownRevisionError, ImageError) as error:
        print(f"skew: {error}", file=sys.stderr)
        return 1


def _run(other: Release, steps: list[str]) -> int:
    failed: list[str] = []
    with World(other, Release.of()) as world:
        for name in steps:
            try:
                STEPS[name](world)
            except (TimeoutError, RuntimeError, AssertionError, StepError) as error:
                failed += [f"{name}: {error}", *(f"last lines of {log}:\n{text}" for log, text in world.lan.logs())]
                break
        failed += [violation for row in world.rows for violation in row.violations()]
    print(_line(COLUMNS), _line(["---"] * len(COLUMNS)), *map(_row, world.rows), sep="\n")
    print("\n".join(failed), file=sys.stderr)
    return 1 if failed else 0


def _row(row: Row) -> str:
    seen = (f"{row.gaps[name]:.0f} ms, {' '.join(row.turns[name])}" for name in NAMES)
    return _line((row.what, f"{row.seconds:.0f} s", *seen, f"{row.most:.0f} ms", ", ".join(row.said)))


def _line(cells: tuple[object, ...] | list[str]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
