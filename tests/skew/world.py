"""Three nodes with real kubelets and two releases of the product, three floating IPs, and what clients and the API say of them."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Self

import yaml
from lab.installation import NAMESPACE, RELEASE, Installation, Release
from lab.network import Lan
from lab.prober import PORT, Prober, Window
from lab.programs import installed
from lab.waiting import until

NODES = {"n1": "10.9.0.1/24", "n2": "10.9.0.2/24", "n3": "10.9.0.3/24"}
NAMES = {"small": "10.9.0.100", "elk": "10.9.0.101", "pair": "10.9.0.102"}
"""The floating IPs and the address at which each is probed."""
ADDED, GUEST = "10.9.0.103", "10.9.0.104"
MARGIN = 0.2
"""Seconds; the issue: "at most the skew time + 0.2 s per move"."""
ACTIVE_DOWN = 3 + (256 - 100) / 256
"""Seconds, RFC 9568 6.1, of the lowest of the given priorities at a period of 1 s."""
PATIENCE = 240.0
DIGEST = "floatip.dev/settings-digest"
QUIET = {
    "Accepted": "True",
    "Allocated": "True",
    "Ready": "True",
    "SingleHolder": "True",
}

MANIFESTS = f"""
apiVersion: v1
kind: Secret
metadata: {{name: elk, namespace: {NAMESPACE}}}
stringData: {{password: tan124}}
---
apiVersion: floatip.dev/v1alpha1
kind: FloatingIP
metadata: {{name: small}}
spec:
  addresses: [{NAMES["small"]}/24]
---
apiVersion: floatip.dev/v1alpha1
kind: FloatingIP
metadata: {{name: elk}}
spec:
  addresses: [{NAMES["elk"]}/24]
  nodes: [{{name: n2, priority: 200}}, {{name: n3, priority: 150}}, {{name: n1, priority: 100}}]
  vrrp:
    version: 2
    authentication: {{type: Password, secretRef: {{name: elk, key: password}}}}
---
apiVersion: floatip.dev/v1alpha1
kind: FloatingIP
metadata: {{name: pair}}
spec:
  addresses: [{NAMES["pair"]}/24, "2001:db8:9::102/64"]
  nodes: [{{name: n3, priority: 200}}, {{name: n1, priority: 150}}, {{name: n2, priority: 100}}]
  vrrp: {{transport: Unicast}}
  probes: [{{name: kubelet, tcpSocket: {{port: 10250}}, failureThreshold: 3}}]
  trackedInterfaces: [{{name: lo, lowerPriorityBy: 20}}]
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What one step did: by floating IP the longest gap in milliseconds and the holders in turn."""

    what: str
    gaps: dict[str, float]
    turns: dict[str, list[str]]
    seconds: float
    most: float
    still: Collection[str]
    """Floating IPs that are to stay where they are."""
    said: tuple[str, ...]
    """Reasons of Events that warn of a floating IP, each once."""

    def violations(self) -> list[str]:
        long = {name: gap for name, gap in self.gaps.items() if gap > self.most}
        gaps = [f"{name}: a gap of {gap:.0f} ms, at most {self.most:.0f} ms are right" for name, gap in long.items()]
        moves = [f"{name} moved: {' '.join(self.turns[name])}" for name in self.still if len(self.turns[name]) > 1]
        return [f"{self.what}: {fault}" for fault in (*gaps, *moves)]


class World:
    """`with World(other, ours) as world:` the other release is installed, and the three floating IPs are held."""

    def __init__(self, other: Release, ours: Release) -> None:
        self.other, self.ours = other, ours
        self.rows: list[Row] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            lan = stack.enter_context(Lan("skew"))
            releases = [self.other, self.ours]
            self.installed = stack.enter_context(Installation(lan, "10.9.0.10/24", NODES, _say, releases=releases))
            self.plane = self.installed.control_plane
            for number, host in enumerate(self.installed.hosts.values(), 1):
                host.add_address(f"2001:db8:9::{number}/64")
            self.lan = lan
            self._outside = lan.hosts["control-plane"]
            self.probers = {
                name: stack.enter_context(
                    Prober(
                        lan.host(f"client-{name}", f"10.9.0.{90 + place}/24"),
                        address,
                        self.installed.hosts.values(),
                        PORT + place,
                    )
                )
                for place, (name, address) in enumerate(NAMES.items())
            }
            self.plane.kubectl("apply", "-f", "-", stdin=MANIFESTS)
            self.wait_until_usual()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def step(self, what: str, *, most: float, still: Collection[str] = ()) -> Iterator[None]:
        """A row of the table; no gap may be longer than `most` seconds, and those that are to stand still may not move."""
        _say(f"== {what}")
        start, warned = time.monotonic_ns(), self._warnings()
        try:
            yield
        finally:
            windows: dict[str, Window] = {name: prober.window(start) for name, prober in self.probers.items()}
            said = self._warnings() - warned
            row = Row(
                what,
                {name: window.longest_gap for name, window in windows.items()},
                {name: window.answered_by for name, window in windows.items()},
                (time.monotonic_ns() - start) / 1e9,
                most * 1000,
                still,
                tuple(sorted({reason for _, reason, _ in said})),
            )
            self.rows.append(row)
            _say(f"{row.seconds:.0f} s; gaps {row.gaps}; turns {row.turns}")
            for name, reason, message in sorted(said):
                _say(f"   {name}: {reason}: {message}")

    def upgrade(self, release: Release, *arguments: str, wait: bool = True) -> None:
        waiting = ["--wait", "--timeout=120s"] if wait else []
        self.installed.helm("upgrade", RELEASE, str(release.chart), *waiting, *arguments)

    def floatip(self, *arguments: str) -> None:
        """The user's command, of today."""
        self._outside.run(["env", f"KUBECONFIG={self.plane.kubeconfig}", installed("floatip"), *arguments], timeout=90)

    def agents(self) -> dict[str, tuple[str, bool]]:
        """By node, the tag of its agent's image, and whether it is Ready and was made as the DaemonSet is now."""
        wanted = self.settings_digest()
        found = {}
        for pod in self.installed.pods("floatip-agent"):
            tag = pod["spec"]["containers"][0]["image"].rpartition(":")[2]
            statuses = pod.get("status", {}).get("containerStatuses", [])
            is_ready = bool(statuses) and all(status["ready"] for status in statuses)
            metadata = pod["metadata"]
            is_new = not wanted or metadata.get("annotations", {}).get(DIGEST) == wanted
            found[pod["spec"].get("nodeName", "")] = (tag, is_ready and is_new and "deletionTimestamp" not in metadata)
        return found

    def restarts(self, node: str) -> int:
        """How often containers of the node's agent were started again."""
        pods = [pod for pod in self.installed.pods("floatip-agent") if pod["spec"].get("nodeName") == node]
        statuses = [status for pod in pods for status in pod.get("status", {}).get("containerStatuses", [])]
        return sum(status["restartCount"] for status in statuses)

    def settings_digest(self) -> str:
        """That the DaemonSet gives its Pods; the operator of 0.1.0 gave none."""
        template = self.plane.get("daemonset", "-n", NAMESPACE, "floatip-agent")["spec"]["template"]
        return str(template["metadata"].get("annotations", {}).get(DIGEST, ""))

    def wait_for_agents(self, release: Release) -> None:
        """Every agent is of this release, and all is as usual."""
        tag = release.images.agent.name.rpartition(":")[2]
        wanted = dict.fromkeys(NODES, (tag, True))
        until(lambda: self.agents() == wanted, PATIENCE, f"the agents of {tag} are Ready: {self.agents()}")
        self.wait_until_usual()

    def wait_until_usual(self) -> None:
        """Nobody is asked to leave, every agent has taken up its document, and each floating IP is where its priorities put it."""
        until(self._is_usual, PATIENCE, f"all as usual:\n{self.plane.kubectl('get', 'fip', '-o', 'wide', check=False)}")

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.plane.get("fip", name).get("status", {})
        return status

    def condition(self, name: str, kind: str) -> tuple[str, str, str]:
        """Status, reason and message."""
        found = [entry for entry in self.status(name).get("conditions", []) if entry["type"] == kind]
        return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else ("", "", "")

    def documents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.plane.get("fipn")["items"]
        return found

    def holders(self) -> dict[str, str]:
        """By floating IP, who answers."""
        return {name: prober.answerer() or "" for name, prober in self.probers.items()}

    def _is_usual(self) -> bool:
        documents = self.documents()
        for document in documents:
            is_asked = any("leave" in router for router in document["spec"].get("virtualRouters", []))
            if is_asked or document.get("status", {}).get("observedGeneration") != document["metadata"]["generation"]:
                return False
        return len(documents) == len(NODES) and all(map(self._is_held_as_usual, NAMES))

    def _is_held_as_usual(self, name: str) -> bool:
        status = self.status(name)
        entries: Sequence[dict[str, Any]] = status.get("nodes", [])
        states = {entry["name"]: entry["state"] for entry in entries}
        first = max(entries, key=lambda entry: int(entry.get("effectivePriority", 0)), default={"name": ""})["name"]
        said = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
        return (
            states == {node: "Active" if node == first else "Backup" for node in NODES}
            and {kind: said.get(kind) for kind in QUIET} == QUIET
            and self.probers[name].answerer() == first
        )

    def _warnings(self) -> set[tuple[str, str, str]]:
        """Name, reason and message of every Event that warns of a floating IP; none while the API server is away."""
        done = self.plane.try_kubectl("get", "events", "-n", "default", "--field-selector=type=Warning", "-o", "yaml")
        events = (yaml.safe_load(done.stdout) or {}).get("items", []) if done.returncode == 0 else []
        return {
            (event["involvedObject"]["name"], event["reason"], event["message"])
            for event in events
            if event["involvedObject"]["kind"] == "FloatingIP"
        }


def _say(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)
