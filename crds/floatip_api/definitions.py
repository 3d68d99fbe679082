"""The CustomResourceDefinitions of both kinds."""

from __future__ import annotations

from typing import Any

from floatip_api import names, schema
from floatip_api.floatingip import FloatingIP
from floatip_api.floatingipnode import FloatingIPNode
from floatip_api.rules import FLOATING_IP_RULES
from floatip_api.warnings import WARNINGS

_CONDITION = '.status.conditions[?(@.type=="{}")].status'


def floating_ips() -> dict[str, Any]:
    columns = [
        _column("Addresses", ".status.display.addresses"),
        _column("VRID", ".status.virtualRouterID", kind="integer"),
        _column("Active", ".status.activeNode"),
        _column("Ready", _CONDITION.format("Ready")),
        _column("Age", ".metadata.creationTimestamp", kind="date"),
        _column("Nodes", ".status.display.nodes", priority=1),
    ]
    made = schema.structural(FloatingIP, FLOATING_IP_RULES)
    return _definition(names.FLOATING_IP, names.FLOATING_IPS, "fip", made, columns)


def floating_ip_nodes() -> dict[str, Any]:
    columns = [
        _column("Agent", ".status.agent.version"),
        _column("Scheduling", ".status.agent.scheduling"),
        _column("Age", ".metadata.creationTimestamp", kind="date"),
    ]
    made = schema.structural(FloatingIPNode)
    return _definition(names.FLOATING_IP_NODE, names.FLOATING_IP_NODES, "fipn", made, columns)


def _definition(
    kind: str, plural: str, short: str, made: schema.Schema, columns: list[dict[str, Any]]
) -> dict[str, Any]:
    version = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": made},
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
            },
            "versions": [version],
        },
    }


def _column(name: str, path: str, *, kind: str = "string", priority: int = 0) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": priority} if priority else {})


def warning_policy() -> list[dict[str, Any]]:
    """`kubectl apply` prints what is allowed and yet odd; nothing is refused, and a policy that cannot be evaluated says nothing."""
    head = {"apiVersion": "admissionregistration.k8s.io/v1"}
    rule = {"apiGroups": [names.GROUP], "apiVersions": ["*"], "resources": [names.FLOATING_IPS]}
    policy = {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [{**rule, "operations": ["CREATE", "UPDATE"]}]},
        "validations": [
            {"expression": warned.cel, "message": f"spec.{warned.field}: {warned.message}"} for warned in WARNINGS
        ],
    }
    binding = {"policyName": "floatip-warnings", "validationActions": ["Warn"]}
    metadata = {"name": "floatip-warnings"}
    return [
        {**head, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": policy},
        {**head, "kind": "ValidatingAdmissionPolicyBinding", "metadata": dict(metadata), "spec": binding},
    ]
