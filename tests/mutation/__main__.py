"""`python -m mutation`: mutmut changes the VRRP core one place at a time, and the core's own tests must notice.

mutmut knows projects with one source root at `src`: it works on a copy of what it needs. Survivors are printed as diffs; those that
no test can tell from the original are discussed in docs/proof.md.
"""

from __future__ import annotations

import collections
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTINGS = """
[mutmut]
paths_to_mutate=src/floatip_agent/vrrp/
tests_dir=tests/
also_copy=
    src
    tests
    pytest.ini
"""
PYTEST = "[pytest]\naddopts = --import-mode=importlib\npythonpath = tests\n"
MUTMUT = Path(sys.executable).with_name("mutmut")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="floatip-mutation-") as folder:
        copy = Path(folder)
        lay_out(copy)
        run(copy, "run", "--max-children", str(os.cpu_count()))
        report(copy)
    return 0


def lay_out(copy: Path) -> None:
    """The core, its tests and the simulation, as mutmut expects them."""
    sources = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "nodeagent/floatip_agent", copy / "src/floatip_agent", ignore=sources)
    for part in ("floatip_agent/vrrp", "in_memory", "simulation"):
        shutil.copytree(ROOT / "tests" / part, copy / "tests" / part, ignore=sources)
    shutil.copy(ROOT / "tests/mutation/selection.py", copy / "tests/conftest.py")
    (copy / "tests/floatip_agent/vrrp/test_purity.py").unlink()  # mutmut's own imports are in the mutated files
    (copy / "setup.cfg").write_text(SETTINGS)
    (copy / "pytest.ini").write_text(PYTEST)


def run(copy: Path, *arguments: str, quiet: bool = False) -> str:
    done = subprocess.run(
        [MUTMUT, *arguments], cwd=copy, check=True, text=True, stdout=subprocess.PIPE if quiet else None
    )
    return done.stdout or ""


def report(copy: Path) -> None:
    lines = run(copy, "results", "--all", "true", quiet=True).split("\n")
    results = [line.strip().split(": ") for line in lines if ": " in line]
    counts = collections.Counter(outcome for _, outcome in results)
    survivors = [name for name, outcome in results if outcome not in {"killed", "timeout"}]
    for name in survivors:
        changed = [
            line
            for line in run(copy, "show", name, quiet=True).split("\n")
            if line[:1] in "+-" and line[1:2] not in "+-"
        ]
        print(f"\n{name}", *changed, sep="\n")
    print(f"\n{dict(counts)}: {1 - len(survivors) / len(results):.1%} of {len(results)} mutants were noticed")


if __name__ == "__main__":
    sys.exit(main())
