"""What the chart makes, before API servers that check it: Pod Security admission, and the Prometheus Operator's own CRDs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_operator.agents import AgentSettings, daemon_set
from floatip_operator.reconciler import POD_SECURITY_LEVEL
from lab import prometheus_operator
from lab.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

Helm = Callable[..., subprocess.CompletedProcess[str]]
Object = dict[str, Any]

CHART = Path(__file__).resolve().parents[2] / "charts" / "floatip"
ENFORCE = "pod-security.kubernetes.io/enforce"


def rendered(helm: Helm, namespace: str, *arguments: str) -> list[Object]:
    done = helm("template", "floatip", str(CHART), f"--namespace={namespace}", *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def pods(helm: Helm, namespace: str) -> dict[str, Object]:
    """A Pod of each sort, as its controller would make it."""
    documents = {document["kind"]: document for document in rendered(helm, namespace)}
    (settings,) = (d for d in rendered(helm, namespace) if d["metadata"]["name"] == "floatip-agent-settings")
    agents = daemon_set(AgentSettings.from_manifest(yaml.safe_load(settings["data"]["agent.yaml"])), namespace)
    templates = {"operator": documents["Deployment"], "uninstall": documents["Job"], "agent": agents}
    specs = {name: owner["spec"]["template"]["spec"] for name, owner in templates.items()}
    specs["check"] = documents["Pod"]["spec"]
    head = {"apiVersion": "v1", "kind": "Pod"}
    return {
        name: head | {"metadata": {"name": f"of-{name}", "namespace": namespace}, "spec": spec}
        for name, spec in specs.items()
    }


def enforcing(plane: ControlPlane, level: str) -> str:
    """A namespace of this level, with the chart's ServiceAccounts. It stays: without controllers none ever ends."""
    name = f"admits-{level}"
    accounts: list[Object] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": name}}
        for account in ("floatip-operator", "floatip-agent")
    ]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {ENFORCE: level}}}
    plane.apply(yaml.safe_dump_all([namespace, *accounts]))
    return name


def created(plane: ControlPlane, manifest: Object) -> subprocess.CompletedProcess[str]:
    """By a dry run: all of the API server's checks, and nothing is kept."""
    return plane.try_kubectl(
        "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(manifest)
    )


def test_the_operators_pods_meet_the_restricted_level(api_server: ControlPlane, helm: Helm) -> None:
    of = pods(helm, enforcing(api_server, "restricted"))
    for name in ("operator", "uninstall", "check"):
        done = created(api_server, of[name])
        assert done.returncode == 0, done.stderr


def test_the_agents_need_the_level_that_the_operator_sets(api_server: ControlPlane, helm: Helm) -> None:
    """docs/security.md: the host's network, one folder of the node, four capabilities."""
    admitted = created(api_server, pods(helm, enforcing(api_server, POD_SECURITY_LEVEL))["agent"])
    assert admitted.returncode == 0, admitted.stderr
    refused = created(api_server, pods(helm, enforcing(api_server, "baseline"))["agent"])
    assert refused.returncode != 0
    for needed in ("host namespaces", "hostPath", "NET_ADMIN"):
        assert needed in refused.stderr


@pytest.fixture
def definitions(api_server: ControlPlane) -> Iterator[None]:
    try:
        files = prometheus_operator.definitions()
    except prometheus_operator.MissingDefinitions as missing:
        pytest.skip(str(missing))
    for file in files:
        api_server.apply(file)
    crds = [f"crd/{yaml.safe_load(file.read_text())['metadata']['name']}" for file in files]
    api_server.kubectl("wait", "--for=condition=Established", *crds, "--timeout=30s")
    yield
    api_server.kubectl("delete", *crds)


@pytest.mark.usefixtures("definitions")
def test_monitoring_objects_are_what_their_own_crds_take(api_server: ControlPlane, helm: Helm) -> None:
    values = (
        "podMonitor.create=Always,podMonitor.labels.release=main,prometheusRule.create=Always,dashboard.create=true"
    )
    documents = rendered(helm, "default", "--set", values)
    kinds = ["PodMonitor", "PodMonitor", "PrometheusRule"]
    made = [document for document in documents if document["kind"] in kinds]
    assert sorted(document["kind"] for document in made) == kinds
    for document in made:
        done = created(api_server, document)
        assert done.returncode == 0, done.stderr
        document["spec"]["podMetricEndpoint"] = []
        assert "podMetricEndpoint" in created(api_server, document).stderr, "the check is strict"


@pytest.mark.usefixtures("definitions")
def test_they_are_made_where_a_cluster_has_their_kinds(api_server: ControlPlane, helm: Helm) -> None:
    """podMonitor.create and prometheusRule.create are Auto."""
    done = helm("install", "floatip", str(CHART), "--dry-run=server", f"--kubeconfig={api_server.kubeconfig}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("kind: PodMonitor") == 2
    assert done.stdout.count("kind: PrometheusRule") == 1
