"""Tokens that a kubelet would have projected, and their end."""

from __future__ import annotations

import yaml
from lab.control_plane import ControlPlane
from lab.waiting import until


class Tokens:
    """Of one service account that may do everything, each bound to a Pod of its own: deleting the Pod ends the token."""

    def __init__(self, plane: ControlPlane, service_account: str, namespace: str) -> None:
        self._plane = plane
        self._account = service_account
        self._namespace = namespace
        metadata = {"name": service_account, "namespace": namespace}
        plane.apply(yaml.safe_dump({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
        binding = f"{namespace}-{service_account}-may-all"
        subject = f"--serviceaccount={namespace}:{service_account}"
        plane.kubectl("create", "clusterrolebinding", binding, "--clusterrole=cluster-admin", subject)

    def issue(self, pod: str) -> str:
        spec = {"serviceAccountName": self._account, "containers": [{"name": "none", "image": "none"}]}
        metadata = {"name": pod, "namespace": self._namespace}
        self._plane.apply(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
        return self._plane.token(self._account, self._namespace, pod=pod)

    def end(self, pod: str, token: str) -> None:
        """Returns when the API server refuses the token: it remembers for some seconds that it was good."""
        self._plane.kubectl("delete", "pod", pod, "-n", self._namespace, "--force", "--grace-period=0")
        kubeconfig = self._plane.kubeconfig_for(f"ended-{pod}", token)
        asking = ["get", "nodes", f"--kubeconfig={kubeconfig}"]
        until(lambda: "Unauthorized" in self._plane.try_kubectl(*asking).stderr, 60, f"the token of {pod} is refused")
