"""The API of version v1alpha1: both kinds and their parts."""

from floatip_api.base import Metadata, Model
from floatip_api.floatingip import (
    Display,
    FloatingIP,
    FloatingIPSpec,
    FloatingIPStatus,
    LabelSelector,
    LabelSelectorRequirement,
    NodeEntry,
    NodeStatus,
)
from floatip_api.floatingipnode import (
    AgentInfo,
    FloatingIPNode,
    FloatingIPNodeSpec,
    FloatingIPNodeStatus,
    ForeignRouter,
    Interface,
    Request,
    VirtualRouter,
    VirtualRouterStatus,
    Warning,  # noqa: A004
)
from floatip_api.parts import (
    VRRP,
    Authentication,
    Condition,
    Family,
    Preemption,
    Probe,
    SecretKeyReference,
    State,
    TCPSocket,
)

__all__ = [
    "VRRP",
    "AgentInfo",
    "Authentication",
    "Condition",
    "Display",
    "Family",
    "FloatingIP",
    "FloatingIPNode",
    "FloatingIPNodeSpec",
    "FloatingIPNodeStatus",
    "FloatingIPSpec",
    "FloatingIPStatus",
    "ForeignRouter",
    "Interface",
    "LabelSelector",
    "LabelSelectorRequirement",
    "Metadata",
    "Model",
    "NodeEntry",
    "NodeStatus",
    "Preemption",
    "Probe",
    "Request",
    "SecretKeyReference",
    "State",
    "TCPSocket",
    "VirtualRouter",
    "VirtualRouterStatus",
    "Warning",
]
