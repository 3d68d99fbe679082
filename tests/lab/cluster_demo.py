"""`make demo-cluster`: the way of a user on real kubelets, with what a client on the LAN sees of it.

Two nodes with containerd and kubelet, each a network namespace; `helm install` from local images; the smallest
FloatingIP; its holder's containers are killed; its node is lost. Ends with status 0 only if every step was seen.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from lab import kubelets
from lab.image_parts import ImageError
from lab.installation import Installation, Say
from lab.network import Lan
from lab.prober import Prober
from lab.waiting import until

PREFIX = "floatip-cluster"
ADDRESS = "192.168.1.240"
FLOATING_IP = Path(__file__).resolve().parents[2] / "examples" / "ingress.yaml"
NODES = {"node-1": "192.168.1.11/24", "node-2": "192.168.1.12/24"}


def main() -> int:
    if reason := kubelets.missing():
        print(f"demo-cluster: {reason}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        _show()
    except (TimeoutError, RuntimeError, ImageError) as error:
        print(f"\ndemo-cluster: NOT seen: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _show() -> None:
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


class _Demo:
    def __init__(self, installed: Installation, prober: Prober, say: Say) -> None:
        self._installed = installed
        self._prober = prober
        self._say = say
        self._holder = ""

    def apply(self) -> None:
        _heading(f"kubectl apply -f examples/{FLOATING_IP.name}")
        start = time.monotonic_ns()
        self._installed.control_plane.kubectl("apply", "-f", str(FLOATING_IP))
        self._holder = until(self._prober.answerer, 30, f"{ADDRESS} answers")
        seconds = (time.monotonic_ns() - start) / 1e9
        since_install = time.monotonic() - self._installed.installed_at
        self._say(f"{self._holder} answers {seconds:.1f} s later, {since_install:.1f} s after helm install")
        self._show_status(self._holder)

    def kill_containers(self) -> None:
        _heading(f"The agent's containers on {self._holder} are killed (SIGKILL)")
        start = time.monotonic_ns()
        self._installed.nodes[self._holder].kill_containers("engine", "keeper")
        self._prober.wait_for(self._other(), 10)
        self._say(f"{self._other()} answers")
        self._prober.wait_for(self._holder, 60)
        self._say(f"the kubelet has started them again, and {self._holder} has the address by its priority")
        self._show_gap(start)
        self._show_status(self._holder)

    def lose_the_node(self) -> None:
        _heading(f"{self._holder} is lost: its cable is pulled, and every process on it dies")
        start, other = time.monotonic_ns(), self._other()
        self._installed.hosts[self._holder].unplug()
        self._installed.nodes[self._holder].power_off()
        self._prober.wait_for(other, 30)
        self._say(f"{other} answers")
        self._show_gap(start)
        self._say(f"what the API says of {self._holder} is its last word, until its agent's Lease has ended")
        self._show_status(other, silent=self._holder)

    def _other(self) -> str:
        (other,) = set(self._installed.hosts) - {self._holder}
        return other

    def _show_gap(self, start: int) -> None:
        window = self._prober.window(start)
        self._say(f"longest gap {window.longest_gap:.0f} ms, {window.lost} of the probes lost, one a millisecond")

    def _show_status(self, holder: str, silent: str = "") -> None:
        """`kubectl get fip -o wide`, when it says what the LAN says; what it says of the silent node does not count."""
        plane = self._installed.control_plane

        def says_so() -> bool:
            (entry,) = plane.get("fip")["items"]
            status = entry.get("status", {})
            ready = {found["type"]: found["status"] for found in status.get("conditions", [])}.get("Ready")
            active = {node["name"] for node in status.get("nodes", []) if node["state"] == "Active"} - {silent}
            return ready == "True" and status.get("activeNode") == holder and active == {holder}

        until(says_so, 90, f"activeNode is {holder} and the object is Ready")
        self._say("$ kubectl get fip -o wide")
        print(plane.kubectl("get", "fip", "-o", "wide"), end="", flush=True)


def _heading(text: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}== {text}{plain}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
