"""`python -m fuzzing`: the receive path under atheris, guided by coverage, on all processors."""

from __future__ import annotations

import argparse
import collections
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_FIRST_INPUTS = 2000
_PROGRESS = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000_000, help="how many in all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--replay", type=Path, help="one input that failed")
    parser.add_argument("--as-worker", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.replay is not None:
        return _replay(arguments.replay)
    if arguments.as_worker is not None:
        return _work(arguments.inputs, arguments.as_worker)
    return _spread(arguments.inputs, arguments.jobs)


def _spread(inputs: int, jobs: int) -> int:
    started = time.monotonic()
    command = [sys.executable, "-m", "fuzzing", f"--inputs={-(-inputs // jobs)}"]
    workers = [subprocess.Popen([*command, f"--as-worker={seed}"]) for seed in range(1, jobs + 1)]
    failed = sum(worker.wait() != 0 for worker in workers)
    print(
        f"{jobs * -(-inputs // jobs):,} inputs in {time.monotonic() - started:.0f} s; {failed} of {jobs} workers failed"
    )
    return 1 if failed else 0


def _work(inputs: int, seed: int) -> int:
    """One process: libFuzzer ends it after so many inputs, or with a file `crash-...` in the current folder."""
    import atheris  # large, and it instruments what is imported after it

    with atheris.instrument_imports(include=["floatip_agent.vrrp"]):
        from floatip_agent.vrrp.packet import DropReason
        from fuzzing import receiving

    outcomes: collections.Counter[str] = collections.Counter()

    def one_input(data: bytes) -> None:
        outcome = receiving.one_input(data)
        outcomes[outcome.value if isinstance(outcome, DropReason) else "accepted"] += 1
        done = outcomes.total()
        if done == inputs:
            print("\n".join(f"{seed}: {name} {count:,}" for name, count in outcomes.most_common()), flush=True)
        elif done % _PROGRESS == 0:
            print(f"{seed}: {done:,} inputs, {outcomes['accepted']:,} accepted", flush=True)

    with tempfile.TemporaryDirectory(prefix="floatip-fuzzing-") as corpus:
        chance = random.Random(seed)
        for number in range(_FIRST_INPUTS):
            (Path(corpus) / str(number)).write_bytes(chance.randbytes(chance.randint(4, 24)))
        atheris.Setup(
            [sys.argv[0], corpus, f"-runs={inputs}", f"-seed={seed}", "-max_len=64", "-verbosity=0"], one_input
        )
        atheris.Fuzz()
    return 0


def _replay(file: Path) -> int:
    from fuzzing import receiving

    print(receiving.one_input(file.read_bytes()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
