"""The steps of the demo: each breaks something, watches the address move, and mends it again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lab.cluster import Cluster, Say
from lab.network import Host
from lab.outcomes import Bound, Outcome, heading, summary
from lab.prober import Prober
from lab.services import Listener
from lab.waiting import until

ADDRESS = "172.16.69.94"
PORTS = (5044, 9200)
LIFETIME = 3.6
"""Seconds: the kernel drops an address 3 s after it was last renewed, and is up to 0.5 s late."""


class DemoError(Exception):
    """Something was not seen; the text says what."""


class Demo:
    """The first node has the higher priority; every step ends with the address there."""

    def __init__(
        self,
        cluster: Cluster,
        prober: Prober,
        services: Mapping[tuple[str, int], Listener],
        examples: Sequence[Path],
        say: Say,
    ) -> None:
        self._cluster = cluster
        self._prober = prober
        self._services = services
        self._examples = examples
        self._say = say
        self._first, self._second = cluster.nodes.values()
        self._outcomes: list[Outcome] = []
        self._read_times()

    def run(self) -> None:
        self._apply()
        self._probe_fails()
        self._agent_stops()
        self._agent_is_killed()
        self._node_dies("its cable is pulled and its agent killed", "")
        self._moves_without_the_cluster()
        heading("Everything is back")
        self._show_status()

    def summary(self) -> bool:
        """Print what the client saw. The result is whether every gap was within its bound."""
        return summary(self._outcomes)

    def _read_times(self) -> None:
        """RFC 9568, 6.1 (RFC 3768, 6.1): Skew_Time of the successor, and its Active_Down_Interval; in seconds."""
        documents = (yaml.safe_load(example.read_text()) for example in self._examples)
        (self._object,) = (document for document in documents if document["kind"] == "FloatingIP")
        spec: dict[str, Any] = self._object["spec"]
        period = spec.get("vrrp", {}).get("advertisementPeriodMilliseconds", 1000) / 1000
        priorities = {entry["name"]: entry["priority"] for entry in spec["nodes"]}
        skew = (256 - priorities[self._second.name]) / 256 * period
        self._after_stop = Bound(skew + 0.2, "skew time + 0.2 s")
        self._after_death = Bound(3 * period + skew + 0.3, "Active_Down_Interval + 0.3 s")

    def _apply(self) -> None:
        files = " ".join(f"-f examples/{example.name}" for example in self._examples)
        heading(f"kubectl apply {files}")
        for example in self._examples:
            self._cluster.control_plane.apply(example)
        self._prober.wait_for(self._first.name, 60)
        self._say(f"{ADDRESS} is held by {self._first.name}, which has the higher priority")
        self._show_status()

    def _probe_fails(self) -> None:
        port = PORTS[-1]
        heading(f"The service on port {port} of {self._first.name} stops: its probe fails")
        service = self._services[self._first.name, port]
        self._moves(f"{self._first.name}: probe fails", service.stop, self._second)
        self._show_status()
        self._moves(f"{self._first.name}: probe passes again", service.start, self._first)

    def _agent_stops(self) -> None:
        heading(f"The agent of {self._first.name} is told to stop (SIGTERM)")
        agent = self._cluster.agents[self._first.name]
        self._moves(
            f"{self._first.name}: agent stops (SIGTERM)", agent.process.terminate, self._second, self._after_stop
        )
        agent.stop()
        self._moves(f"{self._first.name}: agent is back", agent.start, self._first)

    def _agent_is_killed(self) -> None:
        heading(f"Guard, engine and keeper of {self._first.name} are killed at once (SIGKILL)")
        agent = self._cluster.agents[self._first.name]

        def kill() -> None:
            count = len(agent.processes())
            agent.kill()
            killed = time.monotonic()
            if not self._first.holds(ADDRESS):
                raise DemoError("the address was gone before its lifetime ended")
            self._say(f"{count} processes are dead; their kernel still has the address")
            until(lambda: not self._first.holds(ADDRESS), LIFETIME, f"the kernel of {self._first} drops the address")
            self._say(f"the kernel of {self._first.name} dropped it {time.monotonic() - killed:.2f} s after the kill")

        self._moves(f"{self._first.name}: agent killed, kernel lives on", kill, self._second, self._after_death)
        self._moves(f"{self._first.name}: agent is back", agent.start, self._first)

    def _node_dies(self, how: str, when: str) -> None:
        heading(f"{self._first.name} dies{when}: {how}")
        agent = self._cluster.agents[self._first.name]

        def die() -> None:
            self._first.unplug()
            agent.kill()

        self._moves(f"{self._first.name}: dies{when}", die, self._second, self._after_death)

        def revive() -> None:
            self._first.plug()
            agent.start()

        self._moves(f"{self._first.name}: is back{when}", revive, self._first)

    def _moves_without_the_cluster(self) -> None:
        heading("API server and operator are killed")
        self._cluster.control_plane.stop_api_server()
        self._cluster.operator.kill()
        self._say("both are gone")
        self._node_dies(
            "as before, and its agent comes back to the copy that it saved", ", without API server and operator"
        )
        self._cluster.control_plane.start_api_server()
        self._cluster.operator.start()
        self._say("API server and operator are started; the operator waits until the killed one's Lease has ended")

    def _moves(self, what: str, act: Callable[[], object], to: Host, bound: Bound | None = None) -> None:
        """Do it, wait until that node alone holds the address and answers the client, and note the gap."""
        start = time.monotonic_ns()
        act()
        self._prober.wait_for(to.name, 30)
        until(lambda: self._holders() == [to], LIFETIME, f"{to} alone holds {ADDRESS}")
        window = self._prober.window(start)
        outcome = Outcome(what, to.name, window.longest_gap, bound)
        self._outcomes.append(outcome)
        after = (window.first_answer(to.name) or 0.0) / 1000
        self._say(f"{to.name} answers {after:.2f} s later; longest gap {outcome.gap:.0f} ms, {window.lost} probes lost")

    def _holders(self) -> list[Host]:
        return [node for node in self._cluster.nodes.values() if node.holds(ADDRESS)]

    def _show_status(self) -> None:
        """`kubectl get fip -o wide`, when it says what the LAN says."""
        name = self._object["metadata"]["name"]
        plane = self._cluster.control_plane

        def says_so() -> bool:
            status = json.loads(plane.kubectl("get", "fip", name, "-o", "json")).get("status", {})
            ready = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}.get("Ready")
            return ready == "True" and [status.get("activeNode")] == [node.name for node in self._holders()]

        until(says_so, 30, f"status.activeNode of {name} is the holder and the object is Ready")
        self._say("$ kubectl get fip -o wide")
        print(plane.kubectl("get", "fip", "-o", "wide"), end="", flush=True)
