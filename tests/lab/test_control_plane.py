"""What the product's tests rely on in the lab's API servers."""

from __future__ import annotations

import json

from lab.control_plane import ControlPlane

NODE_AND_POD = """
apiVersion: v1
kind: Node
metadata: {name: lab-node}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: lab-agent, namespace: default}
---
apiVersion: v1
kind: Pod
metadata: {name: lab-agent-1, namespace: default}
spec:
  nodeName: lab-node
  serviceAccountName: lab-agent
  containers: [{name: agent, image: none}]
"""


def test_a_token_bound_to_a_pod_names_its_node(api_server: ControlPlane) -> None:
    """The admission policy compares this claim with the object's name; no kubelet is needed for it."""
    api_server.apply(NODE_AND_POD)
    kubeconfig = api_server.kubeconfig_for("lab-agent", api_server.token("lab-agent", "default", pod="lab-agent-1"))
    who = json.loads(api_server.kubectl("auth", "whoami", "-o", "json", f"--kubeconfig={kubeconfig}"))
    assert who["status"]["userInfo"]["extra"]["authentication.kubernetes.io/node-name"] == ["lab-node"]


def test_objects_outlive_the_api_server(api_server: ControlPlane) -> None:
    api_server.kubectl("create", "namespace", "lab-outlives")
    api_server.stop_api_server()
    assert api_server.try_kubectl("get", "namespace", "lab-outlives", "--request-timeout=2s").returncode != 0
    api_server.start_api_server()
    assert api_server.get("namespace", "lab-outlives")["metadata"]["name"] == "lab-outlives"
