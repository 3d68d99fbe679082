"""What the chart renders, and what its values' schema refuses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_api import names
from floatip_operator.agents import AgentSettings, daemon_set

pytestmark = pytest.mark.cluster

Helm = Callable[..., subprocess.CompletedProcess[str]]
Manifests = dict[tuple[str, str], dict[str, Any]]

CHART = Path(__file__).resolve().parents[2] / "charts" / "floatip"


def rendered(helm: Helm, *arguments: str) -> Manifests:
    """By kind and name."""
    done = helm("template", "floatip", str(CHART), "--namespace", names.DEFAULT_NAMESPACE, *arguments)
    assert done.returncode == 0, done.stderr
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


def test_lints_clean(helm: Helm) -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_every_value_is_described() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert list(undescribed(schema)) == []
    assert set(yaml.safe_load((CHART / "values.yaml").read_text())) <= set(schema["properties"])


def undescribed(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in schema.get("properties", {}).items():
        if "description" not in value:
            yield f"{path}.{name}"
        yield from undescribed(value, f"{path}.{name}")
    if "items" in schema:
        yield from undescribed(schema["items"], f"{path}[]")


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("operator.replicas=0", "replicas"),
        ("virtualRouterIDRange=0-250", "virtualRouterIDRange"),
        ("virtualRouterIDRange=20-256", "virtualRouterIDRange"),
        ("agent.stateDir=var/lib/floatip", "stateDir"),
        ("agent.resources.limits.cpu=1", "cpu"),
        ("agent.nodeselector.a=b", "nodeselector"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm: Helm, setting: str, named: str) -> None:
    done = helm("template", "floatip", str(CHART), "--set", setting)
    assert done.returncode != 0
    assert named in done.stderr


def test_a_crd_outlives_the_release(helm: Helm) -> None:
    """Deleting a CRD deletes every object of its kind."""
    manifests = rendered(helm)
    for kind in (names.FLOATING_IPS, names.FLOATING_IP_NODES):
        crd = manifests["CustomResourceDefinition", f"{kind}.{names.GROUP}"]
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        written = yaml.safe_load((CHART / "files" / f"{kind}.yaml").read_text())
        assert crd["spec"] == written["spec"]


def test_crds_can_be_left_out(helm: Helm) -> None:
    manifests = rendered(helm, "--set", "crds.install=false")
    assert not [name for kind, name in manifests if kind == "CustomResourceDefinition"]


def test_the_operator_reads_the_agents_settings(helm: Helm) -> None:
    """The ConfigMap is what `--agent-settings` reads; its values arrive in the DaemonSet."""
    values = [
        "--set",
        "image.agent.tag=sha256:0f",
        "--set",
        "agent.nodeSelector.lan=yes",
        "--set",
        "agent.stateDir=/srv",
    ]
    text = rendered(helm, *values)["ConfigMap", "floatip-agent-settings"]["data"]["agent.yaml"]
    settings = AgentSettings.from_manifest(yaml.safe_load(text))
    pod = daemon_set(settings, names.DEFAULT_NAMESPACE)["spec"]["template"]["spec"]
    assert {container["image"] for container in pod["containers"]} == {"floatip-agent@sha256:0f"}
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "lan": "yes"}
    assert pod["volumes"][0]["hostPath"]["path"] == "/srv"
    assert pod["serviceAccountName"] == "floatip-agent"


def test_without_kube_proxy_all_of_it_asks_the_api_server_by_its_address(helm: Helm) -> None:
    given = rendered(helm, "--set", "kubernetesServiceHost=192.0.2.10")
    expected = {"KUBERNETES_SERVICE_HOST": "192.0.2.10", "KUBERNETES_SERVICE_PORT": "6443"}
    (operator,) = given["Deployment", "floatip-operator"]["spec"]["template"]["spec"]["containers"]
    assert {entry["name"]: entry["value"] for entry in operator["env"]} == expected
    settings = AgentSettings.from_manifest(
        yaml.safe_load(given["ConfigMap", "floatip-agent-settings"]["data"]["agent.yaml"])
    )
    _, keeper = daemon_set(settings, names.DEFAULT_NAMESPACE)["spec"]["template"]["spec"]["containers"]
    assert expected.items() <= {entry["name"]: entry.get("value") for entry in keeper["env"]}.items()
    (by_default,) = rendered(helm)["Deployment", "floatip-operator"]["spec"]["template"]["spec"]["containers"]
    assert "env" not in by_default


def test_no_role_has_a_wildcard(helm: Helm) -> None:
    roles = [manifest for (kind, _), manifest in rendered(helm).items() if kind in ("Role", "ClusterRole")]
    words = {word for role in roles for rule in role.get("rules", []) for field in rule.values() for word in field}
    assert "floatingipnodes" in words
    assert "*" not in words


def test_secrets_stand_in_no_role(helm: Helm) -> None:
    """The operator writes that one rule; a manifest with rules, even none, would make helm its second owner."""
    manifests = rendered(helm)
    roles = [manifest for (kind, _), manifest in manifests.items() if kind in ("Role", "ClusterRole")]
    assert not [r for role in roles for rule in role.get("rules", []) for r in rule["resources"] if r == "secrets"]
    assert "rules" not in manifests["Role", names.AGENT_SECRETS_ROLE]


def test_the_operator_runs_without_any_privilege(helm: Helm) -> None:
    pod = rendered(helm)["Deployment", "floatip-operator"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
