"""`make outage` (root): ten minutes without API server, on nodes with real kubelets, as a Markdown table.

Ends with 1 when a bound is broken. ARGS="--seconds 120" shortens it. It sleeps most of the time.
"""

from __future__ import annotations

import argparse
import signal
import sys

from lab import kubelets
from lab.image_parts import ImageError
from lab.installation import Installation
from lab.network import Lan
from outage.scenario import NODES, Scenario


def main() -> int:
    parser = argparse.ArgumentParser(prog="make outage", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for which the API server is away")
    options = parser.parse_args()
    if reason := kubelets.missing():
        print(f"outage: {reason}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with Lan("outage") as lan, Installation(lan, "10.9.0.10/24", NODES) as installed:
            scenario = Scenario(installed, [lan.host(name, address) for name, address in CLIENTS.items()])
            return 0 if scenario.run(options.seconds) else 1
    except (TimeoutError, RuntimeError, ImageError) as error:
        print("\noutage: NOT seen:", error, *getattr(error, "__notes__", []), sep="\n", file=sys.stderr)
        return 1


CLIENTS = {"client-1": "10.9.0.98/24", "client-2": "10.9.0.99/24"}

if __name__ == "__main__":
    sys.exit(main())
