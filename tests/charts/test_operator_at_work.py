"""The operator as the chart's Deployment starts it, with that ServiceAccount's rights, does all of its work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_api import names
from lab.control_plane import ControlPlane, OwnControlPlane
from lab.waiting import until

pytestmark = pytest.mark.cluster

Helm = Callable[..., subprocess.CompletedProcess[str]]

CHART = Path(__file__).resolve().parents[2] / "charts" / "floatip"
NAMESPACE = "elsewhere"
"""Not the default: nothing of the chart or the operator may count on that."""

OBJECTS = """
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {kubernetes.io/os: linux, node.kubernetes.io/exclude-from-external-load-balancers: ""}}
---
apiVersion: floatip.dev/v1alpha1
kind: FloatingIP
metadata: {name: elk}
spec:
  addresses: [172.16.69.94/24]
  virtualRouterID: 51
  nodes: [{name: n1, priority: 150}]
  vrrp:
    version: 2
    authentication: {type: Password, secretRef: {name: elk-vrrp, key: password}}
"""

STATUS_OF_N1 = """
apiVersion: floatip.dev/v1alpha1
kind: FloatingIPNode
metadata: {name: n1}
status:
  agent: {version: 0.1.0, scheduling: Normal, fence: AddressLifetime}
  interfaces: [{name: eth0, up: true, addresses: [172.16.69.91/24]}]
"""


@pytest.fixture
def plane(control_plane_of_ones_own: OwnControlPlane) -> Iterator[ControlPlane]:
    with control_plane_of_ones_own() as server:
        yield server


def test_the_operator_needs_no_other_right(plane: ControlPlane, helm: Helm, tmp_path: Path) -> None:
    flags = [f"--namespace={NAMESPACE}", "--create-namespace", f"--kubeconfig={plane.kubeconfig}"]
    # n1 is a control plane of kubeadm's.
    done = helm("install", "floatip", str(CHART), *flags, "--set=ignoreExcludeLB=true")
    assert done.returncode == 0, done.stderr
    plane.wait_for_kinds()
    plane.apply(OBJECTS)
    port, log = free_port(), tmp_path / "operator.log"
    kubeconfig = plane.kubeconfig_for("operator", plane.token("floatip-operator", NAMESPACE), NAMESPACE)
    with log.open("w") as output:
        operator = subprocess.Popen(
            started_by_the_deployment(plane, tmp_path, port),
            stdout=output,
            stderr=output,
            env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        )
    try:
        until(lambda: answers(operator, log, port), 20, "/healthz")
        until(lambda: found(plane, "fipn", "n1"), 20, "a FloatingIPNode for the Node")
        options = ["apply", "--server-side", "--subresource=status", "-f", "-"]
        plane.kubectl(*options, stdin=STATUS_OF_N1)
        lease = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1"}
        metadata = {"name": names.agent_lease("n1"), "namespace": NAMESPACE}
        spec = {"holderIdentity": "n1", "renewTime": "2026-01-01T00:00:00.000000Z"}
        plane.apply(yaml.safe_dump(lease | {"metadata": metadata, "spec": spec}))
        until(lambda: plane.get("fipn", "n1")["spec"]["virtualRouters"], 20, "the router in the node's document")
        until(lambda: plane.get("fip", "elk").get("status", {}).get("conditions"), 20, "conditions")
        assert plane.get("fip", "elk")["metadata"]["finalizers"] == [names.FINALIZER]
        role = until(lambda: secrets_rules(plane), 20, "the Secret in the agents' Role")
        assert [rule["resourceNames"] for rule in role] == [["elk-vrrp"]]
        daemon_set = found(plane, "daemonset", names.AGENT_DAEMON_SET)
        assert daemon_set is not None
        assert daemon_set["spec"]["template"]["spec"]["serviceAccountName"] == "floatip-agent"
        assert found(plane, "lease", names.OPERATOR_LEASE)
        labels = plane.get("namespace", NAMESPACE)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "privileged", "the agents need it"
    finally:
        operator.terminate()
        operator.wait(timeout=20)
    refused = [line for line in log.read_text().splitlines() if "forbidden" in line.lower()]
    assert refused == []


def started_by_the_deployment(plane: ControlPlane, folder: Path, port: int) -> list[str]:
    """The container's command, with the mounted file and the port of this machine's own."""
    pod = plane.get("deployment", "floatip-operator", "-n", NAMESPACE)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for name, text in plane.get("configmap", "floatip-agent-settings", "-n", NAMESPACE)["data"].items():
        (folder / name).write_text(text)
    words: list[str] = [*container["command"], *container["args"]]
    (mount,) = container["volumeMounts"]
    (listening,) = container["ports"]
    replaced = {mount["mountPath"]: str(folder), f":{listening['containerPort']}": f":{port}"}
    for before, after in replaced.items():
        assert any(before in word for word in words)
        words = [word.replace(before, after) for word in words]
    return [str(Path(sys.executable).with_name(words[0])), *words[1:]]


def answers(operator: subprocess.Popen[bytes], log: Path, port: int) -> bool:
    """The path that the Deployment's probes ask."""
    if operator.poll() is not None:
        raise RuntimeError(f"the operator ended: {log.read_text()}")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def found(plane: ControlPlane, kind: str, name: str) -> dict[str, Any] | None:
    listed: list[dict[str, Any]] = plane.get(kind, "-n", NAMESPACE)["items"]
    return next((item for item in listed if item["metadata"]["name"] == name), None)


def secrets_rules(plane: ControlPlane) -> list[dict[str, Any]]:
    return plane.get("role", names.AGENT_SECRETS_ROLE, "-n", NAMESPACE).get("rules") or []


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
