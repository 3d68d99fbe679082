"""What happens while the API server is away, and what is back when after it: three nodes, two floating IPs.

`steady` is held by n1, which nothing happens to but a kubelet that dies. `moving` is n2's, whose agent is killed and which
is lost later.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from floatip_api import names
from lab.installation import NAMESPACE, Installation
from lab.network import Host
from lab.prober import PORT, Prober
from lab.waiting import throughout, until

NODES = {"n1": "10.9.0.1/24", "n2": "10.9.0.2/24", "n3": "10.9.0.3/24"}
ADDRESSES = {"steady": "10.9.0.100", "moving": "10.9.0.101"}
PRIORITIES = {
    "steady": {"n1": 200, "n2": 180, "n3": 160},
    "moving": {"n2": 200, "n3": 180, "n1": 160},
}
ACTIVE_DOWN = 3 + (256 - 180) / 256
"""Seconds, RFC 9568 6.1, of the second of the nodes at the default period of 1 s."""
LEASE = 40.0
"""api.md: "the Lease is fresh (40 s)", and an agent that is not heard of for so long is Unknown."""
BACK_WITHIN = 600
"""Seconds after which something counts as not seen: longer than a kubelet's longest wait before it starts a container again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """What was measured; `bound` in the unit of `value`, None where there is none."""

    what: str
    value: float
    unit: str
    bound: float | None = None

    @property
    def is_within(self) -> bool:
        return self.bound is None or self.value <= self.bound

    def __str__(self) -> str:
        digits = 1 if self.unit == "s" else 0
        bound = "" if self.bound is None else f"{self.bound:.{digits}f} {self.unit}"
        return (
            f"| {self.what} | {self.value:.{digits}f} {self.unit} | {bound} |{'' if self.is_within else ' **broken**'}"
        )


class Scenario:
    def __init__(self, installed: Installation, clients: Sequence[Host]) -> None:
        self._installed = installed
        self._plane = installed.control_plane
        self._probers = {
            name: Prober(client, ADDRESSES[name], installed.hosts.values(), port=PORT + number)
            for number, (name, client) in enumerate(zip(ADDRESSES, clients, strict=True))
        }
        self._lines: list[Line] = []
        self._false: list[str] = []

    def run(self, seconds: float) -> bool:
        """Whether everything stayed within its bound. Raises `TimeoutError` when something did not happen at all."""
        with contextlib.ExitStack() as stack:
            for prober in self._probers.values():
                stack.enter_context(prober)
            for name in ADDRESSES:
                self._apply(name)
            self._until_reported("all is well")
            self._away(seconds)
            self._back()
            self._new_tokens()
        print(*self._false, sep="\n")
        print("\n".join(["| what | measured | bound |", "|---|---|---|", *map(str, self._lines)]), flush=True)
        return all(line.is_within for line in self._lines)

    def _away(self, seconds: float) -> None:
        """The API server's; the first event after a fifth of the time, then one for each fifth."""
        start = time.monotonic()
        events = [self._kill_a_kubelet, self._kill_an_agent, self._lose_a_node, self._bring_the_node_back]
        with self._gap("steady", f"{seconds:.0f} s without API server: longest gap of the floating IP that stays", 0.3):
            self._plane.stop_api_server()
            for number, event in enumerate(events, 1):
                time.sleep(max(0.0, start + seconds * number / (len(events) + 1) - time.monotonic()))
                self._say(f"{time.monotonic() - start:.0f} s without API server: {event.__name__.strip('_')}")
                event()
            time.sleep(max(0.0, start + seconds - time.monotonic()))

    def _kill_a_kubelet(self) -> None:
        self._restart_kubelet("n1")

    def _kill_an_agent(self) -> None:
        """It starts again without API server, and knows from its saved copy what it served."""
        what = "its holder's engine and keeper killed meanwhile: longest gap of the other one"
        with self._gap("moving", what, ACTIVE_DOWN + 0.3):
            start = time.monotonic()
            self._installed.nodes["n2"].kill_containers("engine", "keeper")
            self._probers["moving"].wait_for("n3", 10)
            self._probers["moving"].wait_for("n2", 60)
        self._note("until it holds the address again, from its saved copy", time.monotonic() - start)

    def _lose_a_node(self) -> None:
        with self._gap("moving", "its holder lost meanwhile: longest gap of the other one", ACTIVE_DOWN + 0.3):
            self._installed.hosts["n2"].unplug()
            self._installed.nodes["n2"].power_off()
            self._probers["moving"].wait_for("n3", ACTIVE_DOWN + 2)

    def _bring_the_node_back(self) -> None:
        """A kubelet that boots starts no Pod before it has heard the API server."""
        self._installed.hosts["n2"].plug()
        self._installed.power_on("n2")

    def _back(self) -> None:
        started = _now()
        with self._gap("steady", "the API server comes back: longest gap of the floating IP that stays", 0.3):
            self._plane.start_api_server()
            since = time.monotonic()
            self._until_renewed(("n1", "n3"), started)
            what = "API server ready, until every agent that runs has renewed its Lease"
            self._note(what, time.monotonic() - since, bound=LEASE)
            self._until(lambda: self._leads_since(started), "an operator leads")
            self._note("until an operator leads", time.monotonic() - since)
            self._until(lambda: self._probers["moving"].answerer() == "n2", "n2 holds its address again")
            self._note("until the node that booted meanwhile holds its address again", time.monotonic() - since)
            self._until_reported("as before")
            self._note("until the API says of every node what it is", time.monotonic() - since)
            self._note("restarts of an operator's container, the most", self._restarts("floatip-operator"), "")

    def _new_tokens(self) -> None:
        """A kubelet hands a new one out when most of the old one's hour has gone, or when it starts."""
        with self._gap("steady", "every token is refused, until the kubelets bring new ones: longest gap", 0.3):
            restarts = self._restarts("floatip-agent")
            self._plane.end_all_tokens()
            started = _now()
            throughout(lambda: not any(self._renewed(node) > started for node in NODES), 15, "no token is good")
            since = time.monotonic()
            for node in NODES:
                self._restart_kubelet(node)
            self._until_renewed(NODES, started)
            self._note("kubelets started, until every agent has renewed its Lease", time.monotonic() - since)
            self._until(lambda: self._leads_since(started), "an operator leads with the new token")
            self._note("until an operator leads", time.monotonic() - since)
            self._until_reported("as before")
            begun = self._restarts("floatip-agent") - restarts
            self._note("containers of agents that were started again for it", begun, "", bound=0)
        self._note("times that the API said Unknown or two holders of who was well", len(self._false), "", bound=0)

    def _until_renewed(self, nodes: Iterable[str], moment: datetime.datetime) -> None:
        self._until(lambda: all(self._renewed(node) > moment for node in nodes), "every agent renews its Lease")

    @contextlib.contextmanager
    def _gap(self, name: str, what: str, most: float) -> Iterator[None]:
        """`most` in seconds."""
        start = time.monotonic_ns()
        yield
        window = self._probers[name].window(start)
        self._say(f"{name}: answered by {', '.join(window.answered_by)}; {window.lost} probes lost")
        self._lines.append(Line(what, window.longest_gap, "ms", most * 1000))

    def _note(self, what: str, value: float, unit: str = "s", bound: float | None = None) -> None:
        self._lines.append(Line(what, value, unit, bound))
        self._say(str(self._lines[-1]))

    def _say(self, text: str) -> None:
        print(f"[{_now():%H:%M:%S}] {text}", flush=True)

    def _restart_kubelet(self, node: str) -> None:
        self._installed.nodes[node].kill_kubelet()
        self._installed.nodes[node].start_kubelet()

    def _apply(self, name: str) -> None:
        nodes = [{"name": node, "priority": priority} for node, priority in PRIORITIES[name].items()]
        head = {"apiVersion": f"{names.GROUP}/v1alpha1", "kind": "FloatingIP", "metadata": {"name": name}}
        self._plane.apply(json.dumps({**head, "spec": {"addresses": [f"{ADDRESSES[name]}/24"], "nodes": nodes}}))

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Raises `TimeoutError`. What the API says meanwhile that is not so is kept."""

        def looked() -> bool:
            self._false += [f"{_now():%H:%M:%S} {found}" for name in ADDRESSES for found in self._untrue(name)]
            return condition()

        until(looked, BACK_WITHIN, what)

    def _until_reported(self, what: str) -> None:
        for name, priorities in PRIORITIES.items():
            self._until(lambda: self._is_reported(name, priorities), f"{name}: {what}")  # noqa: B023

    def _untrue(self, name: str) -> list[str]:
        """n1 and n3 are alive all the time, and each address is held by one node or by none."""
        states, conditions = self._said(name)
        unknown = [f"{name}: {node} Unknown" for node in ("n1", "n3") if states.get(node) == "Unknown"]
        return [*unknown, *([f"{name}: two holders"] if conditions.get("SingleHolder") == "False" else [])]

    def _is_reported(self, name: str, priorities: Mapping[str, int]) -> bool:
        states, conditions = self._said(name)
        (holder, *_) = priorities
        expected = {node: "Active" if node == holder else "Backup" for node in priorities}
        return states == expected and conditions.get("Ready") == "True" and conditions.get("SingleHolder") == "True"

    def _said(self, name: str) -> tuple[dict[str, str], dict[str, str]]:
        """Each node's state, and each condition's status."""
        status = self._plane.get("floatingip", name).get("status", {})
        states = {entry["name"]: entry["state"] for entry in status.get("nodes", [])}
        return states, {entry["type"]: entry["status"] for entry in status.get("conditions", [])}

    def _renewed(self, node: str) -> datetime.datetime:
        return _renewal(self._lease(names.agent_lease(node)))

    def _leads_since(self, moment: datetime.datetime) -> bool:
        """Whether somebody who leads has renewed the Lease after it."""
        lease = self._lease(names.OPERATOR_LEASE)
        return bool(lease["spec"]["holderIdentity"]) and _renewal(lease) > moment

    def _lease(self, name: str) -> dict[str, Any]:
        return self._plane.get("lease", "-n", NAMESPACE, name)

    def _restarts(self, name: str) -> int:
        """Of the container that was started again most often."""
        pods = self._installed.pods(name)
        containers = (entry for pod in pods for entry in pod["status"].get("containerStatuses", []))
        return max(int(entry["restartCount"]) for entry in containers)


def _renewal(lease: dict[str, Any]) -> datetime.datetime:
    return datetime.datetime.fromisoformat(lease["spec"]["renewTime"])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
