"""`make demo-processes`: the two ELK nodes of the keepalived guide with one floating IP, and what happens when things break.

Everything is real except the machines, which are network namespaces: etcd, API server, controller manager, scheduler,
operator, two agents, and a client that probes the address once a millisecond. Ends with status 0 only if every step was
seen and stayed within its bound. `--keep` leaves the cluster running; `--down` ends the kept ones.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time

from lab import binaries
from lab.cluster import ROOT, Cluster
from lab.kept import leave_running
from lab.network import Lan, sweep
from lab.prober import Prober
from lab.process_demo_steps import ADDRESS, PORTS, Demo, DemoError
from lab.services import Listener

PREFIX = "floatip-demo"
EXAMPLES = [ROOT / "examples" / "elk-secret.yaml", ROOT / "examples" / "elk.yaml"]
CONTROL_PLANE = "172.16.69.10/24"
NODES = {"elk-1": ["172.16.69.91/24"], "elk-2": ["172.16.69.92/24"]}
CLIENT = "172.16.69.99/24"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make demo-processes ARGS=...", description=(__doc__ or "").partition("\n\n")[2]
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running and print the kubeconfig")
    parser.add_argument("--down", action="store_true", help="end what --keep left running")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("demo: network namespaces need root", file=sys.stderr)
        return 1
    if options.down:
        sweep(PREFIX, kept=True)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return _show(keep=options.keep)
    except (DemoError, TimeoutError, RuntimeError, binaries.MissingBinary) as error:
        print(f"\ndemo: NOT seen: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _show(*, keep: bool) -> int:
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:6.1f} s] {line}", flush=True)

    with contextlib.ExitStack() as stack:
        lan = stack.enter_context(Lan(PREFIX))
        say(f"a LAN of network namespaces: {', '.join(f'{name} {at[0]}' for name, at in NODES.items())}, a client")
        cluster = stack.enter_context(Cluster(lan, CONTROL_PLANE, NODES, say))
        services = {(name, port): Listener(node, port) for name, node in cluster.nodes.items() for port in PORTS}
        client = lan.host("client", CLIENT)
        with Prober(client, ADDRESS, cluster.nodes.values()) as prober:
            demo = Demo(cluster, prober, services, EXAMPLES, say)
            demo.run()
            all_within = demo.summary()
        if keep:
            cluster.leave()
            leave_running(lan, cluster.control_plane_host, cluster.control_plane)
            for program in (cluster.operator, *cluster.agents.values()):
                print(f"tail -f {program.log}")
            print("\nIt keeps running; `make demo-processes ARGS=--down` ends it.")
    return 0 if all_within else 1


if __name__ == "__main__":
    sys.exit(main())
