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


def test_every_value_is_described_and_no_other_is_taken() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert list(faults(schema, schema["definitions"])) == []
    assert list(unknown(yaml.safe_load((CHART / "values.yaml").read_text()), schema, schema["definitions"])) == []


def faults(schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> Iterator[str]:
    """Values without a description, and objects that take what is not described: free text has a form at least."""
    whole = resolved(schema, definitions)
    for name, value in whole.get("properties", {}).items():
        if "description" not in value:
            yield f"{path}.{name} has no description"
        yield from faults(value, definitions, f"{path}.{name}")
    is_object = whole.get("type") == "object" and path != ".global"
    if is_object and whole.get("additionalProperties", True) is True:
        yield f"{path} takes anything"
    if "items" in whole:
        yield from faults(whole["items"], definitions, f"{path}[]")


def unknown(value: Any, schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> Iterator[str]:
    """Values of values.yaml that the schema has no words for."""
    whole = resolved(schema, definitions)
    if isinstance(value, dict) and isinstance(whole.get("additionalProperties", False), bool):
        for name, entry in value.items():
            if name in whole.get("properties", {}):
                yield from unknown(entry, whole["properties"][name], definitions, f"{path}.{name}")
            else:
                yield f"{path}.{name}"


def resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    return definitions[schema["$ref"].rpartition("/")[2]] | schema if "$ref" in schema else schema


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
        ("operator.resources.request.cpu=1", "request"),
        ("podMonitor.create=true", "create"),
        ("podMonitor.interval=often", "interval"),
        ("uninstall.timeoutSeconds=5", "timeoutSeconds"),
        ("prometheusrule.create=Never", "prometheusrule"),
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


def test_the_agents_metrics_address_is_of_the_nodes_family(helm: Helm) -> None:
    """Brackets around either; `test_static_mode.py` tries both."""
    text = rendered(helm)["ConfigMap", "floatip-agent-settings"]["data"]["agent.yaml"]
    pod = daemon_set(AgentSettings.from_manifest(yaml.safe_load(text)), names.DEFAULT_NAMESPACE)["spec"]["template"]
    (keeper,) = (entry for entry in pod["spec"]["containers"] if entry["name"] == "keeper")
    assert "[$(HOST_IP)]:9405" in keeper["command"]


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


MONITORING = "monitoring.coreos.com/v1"


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        ([], []),
        (["--api-versions", f"{MONITORING}/PodMonitor"], ["PodMonitor"]),
        (["--api-versions", f"{MONITORING}/PrometheusRule"], ["PrometheusRule"]),
        (["--set", "podMonitor.create=Always,prometheusRule.create=Always"], ["PodMonitor", "PrometheusRule"]),
        (["--api-versions", f"{MONITORING}/PodMonitor", "--set", "podMonitor.create=Never"], []),
        (["--set", "dashboard.create=true"], ["ConfigMap"]),
    ],
)
def test_monitoring_is_made_where_its_kind_is_or_a_value_says_so(
    helm: Helm, arguments: list[str], made: list[str]
) -> None:
    optional = {"PodMonitor": "floatip-agent", "PrometheusRule": "floatip", "ConfigMap": "floatip-dashboard"}
    manifests = rendered(helm, *arguments)
    assert [kind for kind, name in optional.items() if (kind, name) in manifests] == made


def test_the_pod_monitors_find_the_pods_by_label_and_port(helm: Helm) -> None:
    manifests = rendered(helm, "--set", "podMonitor.create=Always,podMonitor.labels.release=main")
    text = manifests["ConfigMap", "floatip-agent-settings"]["data"]["agent.yaml"]
    agents = daemon_set(AgentSettings.from_manifest(yaml.safe_load(text)), names.DEFAULT_NAMESPACE)
    pods = {"floatip-agent": agents, "floatip-operator": manifests["Deployment", "floatip-operator"]}
    for name, owner in pods.items():
        monitor = manifests["PodMonitor", name]
        template = owner["spec"]["template"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        ports = {port["name"] for entry in template["spec"]["containers"] for port in entry.get("ports", [])}
        assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} == ports
        assert monitor["metadata"]["labels"]["release"] == "main"


def test_the_alerts_are_those_of_the_file_with_the_address_of_their_runbooks(helm: Helm) -> None:
    prefix = "https://example.org/floatip/"
    rule = rendered(helm, "--set", f"prometheusRule.create=Always,prometheusRule.runbookURLPrefix={prefix}")
    expected = yaml.safe_load((CHART / "monitoring" / "alerts.yaml").read_text())
    for group in expected["groups"]:
        for alert in group["rules"]:
            alert["annotations"]["runbook_url"] = prefix + alert["annotations"]["runbook_url"]
    assert rule["PrometheusRule", "floatip"]["spec"] == expected


def test_the_hooks_run_as_the_operator_does(helm: Helm) -> None:
    manifests = rendered(helm, "--set", "kubernetesServiceHost=192.0.2.10,operator.nodeSelector.a=b")
    operator = manifests["Deployment", "floatip-operator"]["spec"]["template"]["spec"]
    for pod in (
        manifests["Job", "floatip-uninstall"]["spec"]["template"]["spec"],
        manifests["Pod", "floatip-check"]["spec"],
    ):
        for field in ("serviceAccountName", "securityContext", "nodeSelector", "tolerations"):
            assert pod[field] == operator[field]
        for field in ("image", "imagePullPolicy", "env", "securityContext", "resources"):
            assert pod["containers"][0][field] == operator["containers"][0][field]


def test_no_hook_looks_like_one_of_the_operators(helm: Helm) -> None:
    """The Deployment and the PodDisruptionBudget would count its Pod, and uninstalling wait for itself."""
    manifests = rendered(helm)
    selector = manifests["Deployment", "floatip-operator"]["spec"]["selector"]["matchLabels"]
    job = manifests["Job", "floatip-uninstall"]["spec"]["template"]["metadata"]["labels"]
    for labels in (job, manifests["Pod", "floatip-check"]["metadata"]["labels"]):
        assert not selector.items() <= labels.items()


def test_the_namespace_is_somebody_elses_where_a_value_says_so(helm: Helm) -> None:
    def named(manifests: Manifests) -> tuple[bool, bool, bool]:
        rules = manifests["Role", "floatip-operator"]["rules"]
        (operator,) = manifests["Deployment", "floatip-operator"]["spec"]["template"]["spec"]["containers"]
        (job,) = manifests["Job", "floatip-uninstall"]["spec"]["template"]["spec"]["containers"]
        return (
            any("namespaces" in rule["resources"] for rule in rules),
            "--label-namespace" in operator["args"],
            "--label-namespace" in job["command"],
        )

    assert named(rendered(helm)) == (True, True, True)
    assert named(rendered(helm, "--set", "labelNamespace=false")) == (False, False, False)


def test_the_label_that_excludes_nodes_counts_unless_a_value_says_otherwise(helm: Helm) -> None:
    def arguments(*values: str) -> list[str]:
        pod = rendered(helm, *values)["Deployment", "floatip-operator"]["spec"]["template"]["spec"]
        found: list[str] = pod["containers"][0]["args"]
        return found

    assert "--ignore-exclude-lb" not in arguments()
    assert "--ignore-exclude-lb" in arguments("--set", "ignoreExcludeLB=true")
