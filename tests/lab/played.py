"""Real operators on a real API server, and two nodes whose agents are played: they write the statuses and Leases that agents write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from floatip_api import names
from lab.control_plane import ControlPlane
from lab.waiting import until

NAMESPACE = names.DEFAULT_NAMESPACE
NODES = ("n1", "n2")
WITHIN = 20.0
"""Seconds on a busy machine."""


def lay_out(plane: ControlPlane, *nodes: str) -> None:
    """What an operator finds in a cluster: floatip's namespace, the Role that it keeps, Nodes."""
    plane.kubectl("create", "namespace", NAMESPACE)
    plane.kubectl("create", "role", names.AGENT_SECRETS_ROLE, "-n", NAMESPACE, "--verb=get", "--resource=secrets")
    for node in nodes:
        plane.apply(yaml.safe_dump({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}))


class World:
    """A cluster of two nodes, an operator that can be restarted, and the agents' part."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self._log = folder / "operator.log"
        self.operators: list[subprocess.Popen[bytes]] = []

    def start_operator(self, *arguments: str) -> None:
        program = Path(sys.executable).with_name("floatip-operator")
        environment = {**os.environ, "KUBECONFIG": str(self.plane.kubeconfig)}
        with self._log.open("ab") as log:
            command = [str(program), "run", "--namespace", NAMESPACE, *arguments]
            self.operators.append(subprocess.Popen(command, env=environment, stderr=log))

    def stop_operator(self) -> int:
        """The one that was started first."""
        operator = self.operators.pop(0)
        operator.terminate()
        return operator.wait(timeout=20)

    def heartbeat(self, node: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        metadata = {"name": names.agent_lease(node), "namespace": NAMESPACE}
        self.plane.apply(
            json.dumps({**lease, "metadata": metadata, "spec": {"holderIdentity": node, "renewTime": now}})
        )

    def say(self, node: str, *routers: dict[str, Any]) -> None:
        """The agent's status: it runs the document as it stands."""
        document = self.document(node)
        status = {
            "observedGeneration": document["metadata"]["generation"],
            "agent": {"version": "0.1.0", "scheduling": "RealTime", "fence": "AddressLifetime"},
            "interfaces": [{"name": "eth0", "up": True, "addresses": [f"10.9.0.{node[1:]}/24"]}],
            "virtualRouters": list(routers),
        }
        self.plane.kubectl(
            "patch", "fipn", node, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
        )

    def obey(self, node: str, state: str) -> None:
        """Take up the document: run what is there in this state, confirm what is to go."""
        said = []
        for router in self.entries(node):
            request = router.get("release")
            done = {"state": "Initialize", "releasedRequestID": request["requestID"]} if request else {"state": state}
            said.append(
                {"name": router["name"], "family": "IPv4", "priority": router["priority"], "interface": "eth0", **done}
            )
        self.say(node, *said)

    def has_document(self, node: str) -> bool:
        return self.plane.try_kubectl("get", "fipn", node).returncode == 0

    def document(self, node: str) -> dict[str, Any]:
        return self.plane.get("fipn", node)

    def entries(self, node: str) -> list[dict[str, Any]]:
        routers: list[dict[str, Any]] = self.document(node).get("spec", {}).get("virtualRouters", [])
        return routers

    def floating_ip(self, name: str) -> dict[str, Any] | None:
        found = self.plane.try_kubectl("get", "fip", name, "-o", "json")
        return None if found.returncode else dict(json.loads(found.stdout))

    def status(self, name: str) -> dict[str, Any]:
        found = self.floating_ip(name) or {}
        return dict(found.get("status", {}))

    def condition(self, name: str, kind: str) -> tuple[str, str]:
        for condition in self.status(name).get("conditions", []):
            if condition["type"] == kind:
                return condition["status"], condition["reason"]
        return "", ""

    def apply(self, name: str, **spec: Any) -> None:
        body = {"addresses": ["10.9.0.100/24"], "virtualRouterID": 51, **spec}
        head = {"apiVersion": names.API_VERSION, "kind": names.FLOATING_IP, "metadata": {"name": name}}
        self.plane.apply(yaml.safe_dump({**head, "spec": body}))

    def run_elk(self, **spec: Any) -> None:
        """elk on both nodes, n1 Active."""
        self.apply("elk", nodes=[{"name": "n1", "priority": 150}, {"name": "n2", "priority": 100}], **spec)
        self.until(lambda: self.entries("n1") and self.entries("n2"), "both nodes have entries")
        self.obey("n1", "Active")
        self.obey("n2", "Backup")
        self.until(lambda: self.condition("elk", "Ready") == ("True", "Held"), "elk is held")

    @property
    def log(self) -> str:
        return self._log.read_text()

    def until(self, condition: Callable[[], object], what: str) -> None:
        try:
            until(condition, WITHIN, what)
        except TimeoutError as error:
            error.add_note(self.log[-3000:])
            raise
