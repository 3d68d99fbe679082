"""The whole product on the lab: a LAN, a control plane, CRDs and chart, the operator, and an agent on every node.

There is no kubelet: a Node is an object and a network namespace. Everything else is real. The operator makes the agents'
DaemonSet, the DaemonSet controller makes their Pods, the scheduler binds them, and each agent runs in its node's
namespace with a token bound to its Pod, as a kubelet would have projected it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from lab import binaries
from lab.agents import Agent
from lab.clocks import Clock
from lab.control_plane import ControlPlane
from lab.network import Host, Lan
from lab.operator import Operator
from lab.waiting import until

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "floatip"
NAMESPACE = "floatip-system"

Say = Callable[[str], None]


def missing() -> str | None:
    """Why no cluster can run on this machine, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        for binary in binaries.WANTED:
            binaries.path(binary)
    except binaries.MissingBinary as lacking:
        return str(lacking)
    return None


class Cluster:
    """`with Cluster(lan, "172.16.69.10/24", {"elk-1": ["172.16.69.91/24"]}) as cluster:` everything runs.

    `say` hears one line for every part that is up. `has_clocks`: each node's agent has a wall clock of its own.
    """

    def __init__(
        self,
        lan: Lan,
        control_plane: str,
        nodes: Mapping[str, list[str]],
        say: Say = lambda _: None,
        *,
        has_clocks: bool = False,
    ) -> None:
        self._lan = lan
        self._say = say
        self._stack = contextlib.ExitStack()
        self.control_plane_host = lan.host("control-plane", control_plane)
        self.nodes = {name: lan.host(name, *addresses) for name, addresses in nodes.items()}
        self.control_plane = ControlPlane(
            host=self.control_plane_host, address=control_plane.partition("/")[0], controllers=True
        )
        self.agents: dict[str, Agent] = {}
        self.agent_kubeconfigs: dict[str, Path] = {}
        """What each agent may do, for trying it."""
        self.clocks = {name: Clock(node.folder / "clock") for name, node in self.nodes.items() if has_clocks}

    def __enter__(self) -> Self:
        self._stack.enter_context(self.control_plane)
        self._say(f"etcd, kube-apiserver {self.control_plane.version}, controller manager, scheduler")
        try:
            manifests = self._install()
            for node in self.nodes.values():
                self.register(node)
            self.operator = self._start_operator(manifests)
            for node in self.nodes.values():
                self.agents[node.name] = self._start_agent(node)
        except BaseException as error:
            for name, text in self._lan.logs():
                if "agent" in name or "operator" in name:
                    error.add_note(f"last lines of {name}:\n{text}")
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def leave(self) -> None:
        """The end of the block ends nothing."""
        self._stack.pop_all()

    def _install(self) -> list[dict[str, Any]]:
        """What `helm install` does: the chart's manifests, CRDs among them."""
        plane = self.control_plane
        helm = [str(binaries.path(binaries.HELM)), "template", "floatip", str(CHART), "--namespace", NAMESPACE]
        done = subprocess.run(helm, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"helm template: {done.stderr.strip()}")
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.apply(done.stdout)
        plane.wait_for_kinds()
        self._say("CRDs and chart: RBAC, admission policy")
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    def add(self, name: str, *addresses: str) -> Host:
        """One node more, with its agent."""
        node = self.nodes[name] = self._lan.host(name, *addresses)
        self.register(node)
        self.agents[name] = self._start_agent(node)
        return node

    def remove(self, name: str) -> None:
        """The machine is switched off for good. Its Node object stays."""
        node = self.nodes.pop(name)
        node.unplug()
        node.kill()
        del self.agents[name], self.agent_kubeconfigs[name]

    def register(self, node: Host) -> None:
        """What a kubelet would report of itself. Without capacity the scheduler binds nothing to a node."""
        plane, name = self.control_plane, node.name
        metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}}
        plane.apply(yaml.safe_dump({"apiVersion": "v1", "kind": "Node", "metadata": metadata}))
        resources = {"pods": "110", "cpu": "2", "memory": "4Gi"}
        ready = {"type": "Ready", "status": "True", "reason": "Lab", "message": "a network namespace"}
        status = {"status": {"capacity": resources, "allocatable": resources, "conditions": [ready]}}
        plane.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps(status))

    def _start_operator(self, manifests: list[dict[str, Any]]) -> Operator:
        """With the arguments and the settings file of the chart's Deployment, and its service account's token."""
        plane, kinds = self.control_plane, {document["kind"]: document for document in manifests}
        pod, (settings,) = kinds["Deployment"]["spec"]["template"]["spec"], kinds["ConfigMap"]["data"].items()
        (mount,) = pod["containers"][0]["volumeMounts"]
        name, text = settings
        (self.control_plane_host.folder / name).write_text(text)
        folder = str(self.control_plane_host.folder)
        arguments = [argument.replace(mount["mountPath"], folder) for argument in pod["containers"][0]["args"]]
        kubeconfig = plane.kubeconfig_for("operator", plane.token(pod["serviceAccountName"], NAMESPACE), NAMESPACE)
        operator = Operator(self.control_plane_host, kubeconfig, arguments)
        operator.start()
        self._say("operator")
        return operator

    def _start_agent(self, node: Host) -> Agent:
        plane = self.control_plane
        pod = until(lambda: self._agent_pod(node.name), 30, f"an agent Pod is bound to {node}")
        token = plane.token(pod["spec"]["serviceAccountName"], NAMESPACE, pod=pod["metadata"]["name"])
        kubeconfig = plane.kubeconfig_for(f"agent-{node.name}", token, NAMESPACE)
        self.agent_kubeconfigs[node.name] = kubeconfig
        agent = Agent.of_node(node, kubeconfig, namespace=NAMESPACE, clock=self.clocks.get(node.name))
        agent.start()
        self._say(f"agent on {node.name}: guard, engine, keeper")
        return agent

    def _agent_pod(self, node: str) -> dict[str, Any] | None:
        pods: list[dict[str, Any]] = self.control_plane.get("pods", "-n", NAMESPACE)["items"]
        for pod in pods:
            owners = pod["metadata"].get("ownerReferences", [])
            if pod["spec"].get("nodeName") == node and any(owner["kind"] == "DaemonSet" for owner in owners):
                return pod
        return None
