"""`make demo`: the way of a user on real kubelets, with what a client on the LAN sees of it.

Two nodes with containerd and kubelet, each a network namespace; `helm install` from local images; the smallest
FloatingIP; its holder's containers are killed; its node is lost and comes back. Ends with status 0 only if every step was
seen and stayed within its bound. `--keep` leaves the cluster running; `--down` ends the kept one. Where no kubelet can run,
it shows what `make demo-processes` does.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import binaries, images, kubelets, process_demo
from lab.image_parts import ImageError
from lab.installation import Installation, Say
from lab.kept import leave_running
from lab.network import Lan, sweep
from lab.outcomes import Bound, Outcome, heading, summary
from lab.prober import Prober
from lab.waiting import until

PREFIX = "floatip-demo-cluster"
ADDRESS = "192.168.1.240"
FLOATING_IP = Path(__file__).resolve().parents[2] / "examples" / "ingress.yaml"
NODES = {"node-1": "192.168.1.11/24", "node-2": "192.168.1.12/24"}
LOWEST_PRIORITY = 180
"""What the operator gives the second of two nodes."""
AFTER_DEATH = Bound(3 + (256 - LOWEST_PRIORITY) / 256 + 0.3, "Active_Down_Interval + 0.3 s")
"""RFC 9568, 6.1, at the default period of 1 s."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo ARGS=...", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--keep", action="store_true", help="leave everything running and print the kubeconfig")
    parser.add_argument("--down", action="store_true", help="end what --keep left running")
    options = parser.parse_args()
    if options.down:
        return _end_kept()
    if reason := kubelets.missing() or _no_images():
        print(f"demo: {reason}. So without containers:\n", file=sys.stderr)
        return process_demo.main()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return _show(keep=options.keep)
    except (TimeoutError, RuntimeError, binaries.MissingBinary) as error:
        print(f"\ndemo: NOT seen: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _end_kept() -> int:
    """Also what `make demo-processes` kept, which this may have become."""
    sweep(PREFIX, kept=True)
    kubelets.sweep_cgroups(PREFIX)
    return process_demo.main()


def _no_images() -> str | None:
    """Builds them where they are not of these sources."""
    try:
        images.built()
    except ImageError as error:
        return str(error)
    return None


def _show(*, keep: bool) -> int:
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:6.1f} s] {line}", flush=True)

    with Lan(PREFIX) as lan, Installation(lan, "192.168.1.10/24", NODES, say) as installed:
        say("$ kubectl get pods -n floatip-system -o wide")
        print(installed.control_plane.kubectl("get", "pods", "-n", "floatip-system", "-o", "wide"), end="")
        with Prober(lan.host("client", "192.168.1.99/24"), ADDRESS, installed.hosts.values()) as prober:
            demo = _Demo(installed, prober, say)
            demo.apply()
            demo.kill_containers()
            demo.lose_the_node()
            demo.bring_the_node_back()
            all_within = summary(demo.outcomes)
        if keep:
            installed.leave()
            leave_running(lan, installed.control_plane_host, installed.control_plane)
            print("\nIt keeps running; `make demo ARGS=--down` ends it.")
    return 0 if all_within else 1


class _Demo:
    def __init__(self, installed: Installation, prober: Prober, say: Say) -> None:
        self._installed = installed
        self._prober = prober
        self._say = say
        self._holder = ""
        self.outcomes: list[Outcome] = []

    def apply(self) -> None:
        heading(f"kubectl apply -f examples/{FLOATING_IP.name}")
        start = time.monotonic_ns()
        self._installed.control_plane.kubectl("apply", "-f", str(FLOATING_IP))
        first = until(self._prober.answerer, 30, f"{ADDRESS} answers")
        seconds = (time.monotonic_ns() - start) / 1e9
        since_install = time.monotonic() - self._installed.installed_at
        self._say(f"{first} answers {seconds:.1f} s later, {since_install:.1f} s after helm install")
        # On a busy machine that may be the agent of lower priority, for a moment.
        self._holder = until(self._preferred, 30, "the operator has taken both nodes")
        self._show_status(self._holder)

    def kill_containers(self) -> None:
        heading(f"The agent's containers on {self._holder} are killed (SIGKILL)")
        node, other = self._installed.nodes[self._holder], self._other()
        self._moves(
            f"{self._holder}: engine and keeper killed", lambda: node.kill_containers("engine", "keeper"), other
        )
        self._moves(f"{self._holder}: the kubelet has started them again", lambda: None, self._holder)
        self._show_status(self._holder)

    def lose_the_node(self) -> None:
        heading(f"{self._holder} is lost: its cable is pulled, and every process on it dies")

        def lose() -> None:
            self._installed.hosts[self._holder].unplug()
            self._installed.nodes[self._holder].power_off()

        self._moves(f"{self._holder}: lost", lose, self._other())
        self._say(f"what the API says of {self._holder} is its last word, until its agent's Lease has ended")
        self._show_status(self._other(), silent=self._holder)

    def bring_the_node_back(self) -> None:
        heading(f"{self._holder} has its power and its cable back")

        def come_back() -> None:
            self._installed.hosts[self._holder].plug()
            self._installed.power_on(self._holder)

        self._moves(f"{self._holder}: is back", come_back, self._holder)
        self._show_status(self._holder)

    def _moves(self, what: str, act: Callable[[], object], to: str) -> None:
        """Do it, wait until that node answers the client, and note the gap."""
        start = time.monotonic_ns()
        act()
        self._prober.wait_for(to, 60)
        window = self._prober.window(start)
        self.outcomes.append(Outcome(what, to, window.longest_gap, AFTER_DEATH))
        gap = f"longest gap {window.longest_gap:.0f} ms, {window.lost} probes lost"
        self._say(f"{to} answers {(window.first_answer(to) or 0.0) / 1000:.1f} s later; {gap}")

    def _other(self) -> str:
        (other,) = set(self._installed.hosts) - {self._holder}
        return other

    def _preferred(self) -> str | None:
        """The node of the highest priority, once all have theirs."""
        nodes = self._status().get("nodes", [])
        priorities: dict[str, int] = {node["name"]: node["priority"] for node in nodes}
        return max(priorities, key=priorities.__getitem__) if len(priorities) == len(NODES) else None

    def _show_status(self, holder: str, silent: str = "") -> None:
        """`kubectl get fip -o wide`, when it says what the LAN says; what it says of the silent node does not count."""
        expected = {name: "Active" if name == holder else "Backup" for name in NODES if name != silent}

        def says_so() -> bool:
            status = self._status()
            ready = {found["type"]: found["status"] for found in status.get("conditions", [])}.get("Ready")
            states = {node["name"]: node["state"] for node in status.get("nodes", []) if node["name"] != silent}
            return ready == "True" and status.get("activeNode") == holder and states == expected

        until(says_so, 90, f"activeNode is {holder} and the object is Ready")
        self._say("$ kubectl get fip -o wide")
        print(self._installed.control_plane.kubectl("get", "fip", "-o", "wide"), end="", flush=True)

    def _status(self) -> dict[str, Any]:
        (entry,) = self._installed.control_plane.get("fip")["items"]
        status: dict[str, Any] = entry.get("status", {})
        return status


if __name__ == "__main__":
    sys.exit(main())
