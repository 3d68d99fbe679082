"""`PYTHONPATH=tests python -m benchmarks.nodes` (root): a whole node that stands still, and one whose power is cut.

The node is a User Mode Linux guest, its peer a namespace of this machine; a client probes the address once a millisecond, and another one
believes for ever that the address is at the guest.
"""

from __future__ import annotations

from collections.abc import Sequence

from end_to_end.whole_nodes import Nodes
from lab.network import Lan

FREEZES = 5


def main() -> None:
    for period in (1000, 200, 100):
        with Lan("nodes") as lan:
            nodes = Nodes(lan, period)
            with nodes.running():
                seen = [nodes.freeze(seconds=1) for _ in range(FREEZES)]
                cut = nodes.power_cut()
        print(f"period {period} ms, {FREEZES} times frozen (min / median / max, ms)")
        for name in ("gap", "stale", "silent", "overlap"):
            print(f"  {name}: {_spread([getattr(freeze, name) for freeze in seen])}")
        print(f"  power cut: {cut:.0f} ms without an answer", flush=True)


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return " / ".join(f"{value:.1f}" for value in (ordered[0], ordered[len(ordered) // 2], ordered[-1]))


if __name__ == "__main__":
    main()
