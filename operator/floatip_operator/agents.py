"""The agents' DaemonSet, as an object: made from settings, applied and owned by the operator."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from floatip_api import names
from floatip_api.base import Model
from pydantic import Field

from floatip_operator.decide.snapshot import Pod

SETTINGS_DIGEST = "floatip.dev/settings-digest"
METRICS_PORT = 9405
LABELS = {"app.kubernetes.io/name": "floatip-agent"}
"""By which the DaemonSet knows its Pods, and we too."""
_TROUBLE_LENGTH = 300
_CRASH_LOOP = "CrashLoopBackOff"
_TROUBLES = {
    _CRASH_LOOP,
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
}


class AgentSettings(Model):
    """What the operator is told about the agents; the chart's `agent` values."""

    image: Annotated[str, Field(min_length=1)]
    image_pull_policy: str = "IfNotPresent"
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, Any]] = [
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}
    ]
    resources: dict[str, Any] = {"requests": {"cpu": "50m", "memory": "96Mi"}}
    keeper_resources: dict[str, Any] = {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}}
    state_dir: str = "/var/lib/floatip"
    service_account: str = "floatip-agent"
    kubernetes_service_host: str = ""
    """Empty: as the kubelet sets it, the Service `kubernetes`."""
    kubernetes_service_port: str = "443"


# An agent must stay where it is when its node is in trouble: that is when it is needed.
_ALWAYS_TOLERATED = [
    {"key": key, "operator": "Exists", "effect": effect}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    for effect in ("NoExecute", "NoSchedule")
] + [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoSchedule"}
    for key in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable", "network-unavailable")
]


def tolerations(settings: AgentSettings | None) -> list[dict[str, Any]]:
    """Of the agents' Pods; of those that are somebody else's nothing is known, so they may be everywhere."""
    return [{"operator": "Exists"}] if settings is None else _ALWAYS_TOLERATED + settings.tolerations


def daemon_set(settings: AgentSettings, namespace: str) -> dict[str, Any]:
    """The whole object. `SETTINGS_DIGEST` tells whether one in the cluster was made from these settings."""
    labels = LABELS
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        # OnDelete: the operator moves the addresses off a node before its agent is replaced.
        "updateStrategy": {"type": "OnDelete"},
        "template": {"metadata": {"labels": labels}, "spec": _pod(settings, namespace)},
    }
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
    # Each Pod tells from which settings it was made.
    spec["template"]["metadata"]["annotations"] = {SETTINGS_DIGEST: digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": names.AGENT_DAEMON_SET,
            "namespace": namespace,
            "labels": labels,
            "annotations": {SETTINGS_DIGEST: digest},
        },
        "spec": spec,
    }


def digest_of(made: Mapping[str, Any]) -> str:
    """The settings digest of a DaemonSet or a Pod that was made by `daemon_set`, "" of another."""
    return str(made["metadata"].get("annotations", {}).get(SETTINGS_DIGEST, ""))


def is_agent(pod: Mapping[str, Any]) -> bool:
    """Whether it is one of the DaemonSet's Pods, and bound to a node."""
    labels = pod["metadata"].get("labels", {})
    return LABELS.items() <= labels.items() and "nodeName" in pod["spec"]


def read_pod(pod: Mapping[str, Any], age: float) -> Pod:
    """What a roll-out needs of it."""
    metadata, status = pod["metadata"], pod.get("status", {})
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    troubles = [text for container in status.get("containerStatuses", []) if (text := _trouble(container)) is not None]
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        node=pod["spec"]["nodeName"],
        digest=digest_of(pod),
        is_ready=conditions.get("Ready") == "True",
        is_leaving="deletionTimestamp" in metadata,
        trouble=troubles[0] if troubles else None,
        age=age,
    )


def _trouble(container: Mapping[str, Any]) -> str | None:
    """Why the kubelet cannot run a container, cut to a line."""
    waiting = container.get("state", {}).get("waiting", {})
    if waiting.get("reason") not in _TROUBLES:
        return None
    # Of a crash loop the message only counts up the time to the next start.
    message = waiting.get("message") if waiting["reason"] != _CRASH_LOOP else None
    said = ": ".join(filter(None, (waiting["reason"], message)))
    return f"container {container['name']}: {said}"[:_TROUBLE_LENGTH]


def _pod(settings: AgentSettings, namespace: str) -> dict[str, Any]:
    return {
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "priorityClassName": "system-node-critical",
        "serviceAccountName": settings.service_account,
        "terminationGracePeriodSeconds": 30,
        "nodeSelector": settings.node_selector,
        "tolerations": tolerations(settings),
        "containers": [_engine(settings), _keeper(settings, namespace)],
        "volumes": [
            {"name": "state", "hostPath": {"path": settings.state_dir, "type": "DirectoryOrCreate"}},
            {"name": "run", "emptyDir": {"medium": "Memory"}},
        ],
    }


def _container(settings: AgentSettings, name: str, arguments: list[str], capabilities: list[str]) -> dict[str, Any]:
    # Root without any other capability: an added capability reaches only uid 0 in a container that Kubernetes starts.
    return {
        "name": name,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["floatip-agent", *arguments, "--state-dir", "/var/lib/floatip", "--run-dir", "/run/floatip"],
        "securityContext": {
            "runAsUser": 0,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": capabilities},
        },
        "volumeMounts": [
            {"name": "state", "mountPath": "/var/lib/floatip"},
            {"name": "run", "mountPath": "/run/floatip"},
        ],
    }


def _engine(settings: AgentSettings) -> dict[str, Any]:
    """Guard and engine. No probe may restart it and no CPU limit may throttle it."""
    container = _container(settings, "engine", ["engine"], ["NET_ADMIN", "NET_RAW", "SYS_NICE", "IPC_LOCK"])
    return container | {"resources": settings.resources}


def _keeper(settings: AgentSettings, namespace: str) -> dict[str, Any]:
    """The slow half. NET_RAW: it listens for strangers, their router IDs and their claims."""
    arguments = ["keeper", "--node", "$(NODE_NAME)", "--namespace", namespace]
    # In brackets: of either family.
    arguments += ["--metrics-address", f"[$(HOST_IP)]:{METRICS_PORT}"]
    return _container(settings, "keeper", arguments, ["NET_RAW"]) | {
        "resources": settings.keeper_resources,
        "env": [
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
            *_api_server(settings),
        ],
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "metrics"},
            "periodSeconds": 10,
            "failureThreshold": 6,
        },
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "metrics"}, "periodSeconds": 5},
    }


def _api_server(settings: AgentSettings) -> list[dict[str, Any]]:
    if not settings.kubernetes_service_host:
        return []
    return [
        {"name": "KUBERNETES_SERVICE_HOST", "value": settings.kubernetes_service_host},
        {"name": "KUBERNETES_SERVICE_PORT", "value": settings.kubernetes_service_port},
    ]
