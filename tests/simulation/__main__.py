"""`python -m simulation`: many seeds on all processors, what they ran through, and how to replay the one that failed."""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import os
import sys
import time
import traceback
from collections.abc import Iterable

from simulation.scenario import CLASSES, Outcome, Scenario


def attempt(seed: int) -> Outcome | str:
    """The outcome, or why it failed."""
    try:
        return Scenario(seed).run()
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"seed {seed}: {type(error).__name__}: {error} ({place.name})"


def main() -> int:
    arguments = _arguments()
    if arguments.seed is not None:
        return replay(arguments.seed, trace=arguments.trace)
    started = time.monotonic()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(attempt, seeds, chunksize=10))
    failures = [result for result in results if isinstance(result, str)]
    report([result for result in results if isinstance(result, Outcome)], time.monotonic() - started)
    for failure in failures[:20]:
        seed = failure.split(":")[0]
        print(
            f"{failure}\n    replay: PYTHONPATH=tests .venv/bin/python -m simulation --{seed.replace(' ', '=')} --trace"
        )
    print(f"{len(failures)} of {len(seeds)} seeds failed")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--seed", type=int, help="replay this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: print what happened up to the failure")
    return parser.parse_args()


def replay(seed: int, *, trace: bool) -> int:
    scenario = Scenario(seed, trace=trace)
    try:
        print(scenario.run())
    except AssertionError as error:
        for now, node, family, action in (scenario.lan.trace or [])[-200:]:
            print(f"{now / 1e9:14.6f} node {node} {family}: {action}")
        print(f"{scenario.lan.now / 1e9:14.6f} {scenario.kind.name}, {scenario.policy}: {error}", file=sys.stderr)
        return 1
    return 0


def report(outcomes: Iterable[Outcome], seconds: float) -> None:
    """A Markdown table, one row for each class of intervals."""
    by_class: dict[str, list[Outcome]] = collections.defaultdict(list)
    for outcome in outcomes:
        by_class[outcome.interval_class].append(outcome)
    print("| intervals | LANs | router-hours | advertisements sent | packets delivered | transitions |")
    print("|---|---|---|---|---|---|")
    for name in [kind.name for kind in CLASSES if kind.name in by_class]:
        print(_row(name, by_class[name]))
    print(_row("all", [outcome for some in by_class.values() for outcome in some]))
    print(f"\n{seconds:.0f} s on {os.cpu_count()} processors")


def _row(name: str, some: list[Outcome]) -> str:
    hours = sum(outcome.router_hours for outcome in some)
    counts = [
        sum(values) for values in zip(*((o.advertisements, o.deliveries, o.transitions) for o in some), strict=True)
    ]
    return f"| {name} | {len(some):,} | {hours:,.1f} | " + " | ".join(f"{count:,}" for count in counts) + " |"


if __name__ == "__main__":
    sys.exit(main())
