"""The words of the API that are not field names: group, kinds, annotations, objects that floatip keeps."""

from __future__ import annotations

GROUP = "floatip.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FLOATING_IP = "FloatingIP"
FLOATING_IPS = "floatingips"
FLOATING_IP_NODE = "FloatingIPNode"
FLOATING_IP_NODES = "floatingipnodes"

FINALIZER = f"{GROUP}/release"
"""On a FloatingIP until it is gone from every node."""
ABANDON = f"{GROUP}/abandon"
"""Annotation: node names, separated by commas, that a human says are off."""
PREFER_NODE = f"{GROUP}/prefer-node"
"""Annotation: the node that comes first as long as it stands."""
CLUSTER = f"{GROUP}/cluster"
"""Annotation on a FloatingIPNode: the UID of the cluster whose operator writes it. An older operator reads the spec strictly,
and passes over annotations."""

AGENT_SECRETS_ROLE = "floatip-agent-secrets"
"""The Role whose resourceNames the operator keeps: exactly the Secrets that floating IPs name."""
ROLLOUT_STOPPED = f"{GROUP}/rollout-stopped"
"""Annotation on the agents' DaemonSet: why a roll-out does not go on."""
AGENT_DAEMON_SET = "floatip-agent"
AGENT_POLICY = "floatip-agent"
OPERATOR_DEPLOYMENT = "floatip-operator"
OPERATOR_LEASE = "floatip-operator"
DEFAULT_NAMESPACE = "floatip-system"


def agent_lease(node: str) -> str:
    """The Lease by which the agent of a node shows that it lives."""
    return f"floatip-agent-{node}"
