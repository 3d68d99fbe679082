"""What operator and agents may do on a real API server, with the tokens they would have.

The chart is installed by helm. The names of its cluster-scoped objects are fixed, so the API servers are this file's own.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_api import names
from lab import binaries
from lab.control_plane import ControlPlane, OwnControlPlane
from lab.waiting import until

pytestmark = pytest.mark.cluster

Helm = Callable[..., subprocess.CompletedProcess[str]]

CHART = Path(__file__).resolve().parents[2] / "charts" / "floatip"
NAMESPACE = names.DEFAULT_NAMESPACE
SECRETS_RULE = {
    "apiGroups": [""],
    "resources": ["secrets"],
    "resourceNames": ["elk"],
    "verbs": ["get", "list", "watch"],
}


@dataclasses.dataclass(frozen=True)
class Identity:
    """Somebody with a token, who tries things."""

    plane: ControlPlane
    kubeconfig: Path

    def tries(self, *arguments: str, manifest: object = None) -> subprocess.CompletedProcess[str]:
        stdin = None if manifest is None else yaml.safe_dump(manifest)
        return self.plane.try_kubectl(*arguments, f"--kubeconfig={self.kubeconfig}", stdin=stdin)

    def patches(self, kind: str, name: str, change: object, *options: str) -> subprocess.CompletedProcess[str]:
        return self.tries("patch", kind, name, "--type=merge", "-p", json.dumps(change), *options)


@dataclasses.dataclass(frozen=True)
class Release:
    plane: ControlPlane
    agent: Identity
    """Of n1."""
    agent_without_pod: Identity
    operator: Identity


@pytest.fixture(scope="module", params=[binaries.OLDEST, binaries.NEWEST])
def plane(request: pytest.FixtureRequest, control_plane_of_ones_own: OwnControlPlane) -> Iterator[ControlPlane]:
    with control_plane_of_ones_own(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def release(plane: ControlPlane, helm: Helm) -> Release:
    upgrade(helm, plane, "--install", "--create-namespace")
    plane.wait_for_kinds()
    for node in ("n1", "n2"):
        plane.apply(yaml.safe_dump_all([pod_object(node), node_object(node)]))
        plane.apply(yaml.safe_dump(floating_ip_node(node)))
    plane.apply(yaml.safe_dump(floating_ip()))
    for secret in ("elk", "other"):
        plane.kubectl("create", "secret", "generic", secret, "-n", NAMESPACE, "--from-literal=password=word")

    def identity(name: str, token: str) -> Identity:
        return Identity(plane, plane.kubeconfig_for(name, token, NAMESPACE))

    agent = identity("agent", plane.token("floatip-agent", NAMESPACE, pod="agent-n1"))
    # The API server takes a new policy into use a moment later.
    until(lambda: "may not write" in agent_of_n1_writes_n2(agent).stderr, 30, "the admission policy counts")
    return Release(
        plane,
        agent,
        identity("agent-without-pod", plane.token("floatip-agent", NAMESPACE)),
        identity("operator", plane.token("floatip-operator", NAMESPACE)),
    )


def agent_of_n1_writes_n2(agent: Identity) -> subprocess.CompletedProcess[str]:
    return agent.patches("fipn", "n2", status_of("of-n1"), "--subresource=status")


def upgrade(helm: Helm, plane: ControlPlane, *arguments: str) -> None:
    done = helm(
        "upgrade", "floatip", str(CHART), f"--kubeconfig={plane.kubeconfig}", f"--namespace={NAMESPACE}", *arguments
    )
    assert done.returncode == 0, done.stderr


def pod_object(node: str) -> dict[str, Any]:
    spec = {"nodeName": node, "serviceAccountName": "floatip-agent", "containers": [{"name": "agent", "image": "none"}]}
    metadata = {"name": f"agent-{node}", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def node_object(node: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}


def floating_ip_node(node: str) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.FLOATING_IP_NODE,
        "metadata": {"name": node},
        "spec": {"virtualRouters": []},
    }


def floating_ip() -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.FLOATING_IP,
        "metadata": {"name": "elk"},
        "spec": {"addresses": ["172.16.69.94/24"]},
    }


def lease(name: str, holder: str) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"holderIdentity": holder},
    }


def status_of(version: str) -> dict[str, Any]:
    return {"status": {"agent": {"version": version, "scheduling": "Normal", "fence": "AddressLifetime"}}}


def denied(done: subprocess.CompletedProcess[str]) -> bool:
    """Refused by RBAC or the admission policy, not for another reason."""
    return done.returncode != 0 and "forbidden" in done.stderr.lower()


def allowed(done: subprocess.CompletedProcess[str]) -> bool:
    assert done.returncode == 0 or denied(done), done.stderr
    return done.returncode == 0


def test_an_agent_writes_the_status_of_its_node(release: Release) -> None:
    assert allowed(release.agent.patches("fipn", "n1", status_of("of-n1"), "--subresource=status"))
    assert release.plane.get("fipn", "n1")["status"]["agent"]["version"] == "of-n1"


def test_an_agent_applies_its_status_server_side(release: Release) -> None:
    manifest = floating_ip_node("n1") | status_of("applied")
    del manifest["spec"]
    options = ["--server-side", "--force-conflicts", "--subresource=status", "--field-manager=floatip-agent"]
    options.append("--validate=false")  # kubectl's own check, which falls back to one that wants a spec
    assert allowed(release.agent.tries("apply", *options, "-f", "-", manifest=manifest))


def test_an_agent_does_not_write_another_nodes_status(release: Release) -> None:
    done = agent_of_n1_writes_n2(release.agent)
    assert denied(done)
    assert "the agent of node 'n1' may not write the FloatingIPNode 'n2'" in done.stderr
    assert "status" not in release.plane.get("fipn", "n2")


def test_an_agents_token_without_a_node_writes_nothing(release: Release) -> None:
    """A token that stands for no Pod (`kubectl create token`) has no node's name in it."""
    done = release.agent_without_pod.patches("fipn", "n1", status_of("of-nobody"), "--subresource=status")
    assert denied(done)
    assert "the agent of node '' may not write the FloatingIPNode 'n1'" in done.stderr
    assert denied(
        release.agent_without_pod.tries("create", "-f", "-", manifest=lease(names.agent_lease("n3"), "nobody"))
    )


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_an_agent_writes_no_spec(release: Release, node: str) -> None:
    assert denied(release.agent.patches("fipn", node, {"spec": {"virtualRouters": []}}))
    assert denied(release.agent.tries("delete", "fipn", node))


def test_a_write_of_the_status_changes_no_spec(release: Release) -> None:
    before = release.plane.get("fipn", "n1")
    change = status_of("with-spec") | {"spec": None, "metadata": {"labels": {"changed": "yes"}}}
    release.agent.patches("fipn", "n1", change, "--subresource=status")
    after = release.plane.get("fipn", "n1")
    assert (after["spec"], after["metadata"].get("labels")) == (before["spec"], before["metadata"].get("labels"))


def test_the_policy_stands_alone(release: Release) -> None:
    """Somebody's further ClusterRole that lets agents write specs does not let them."""
    plane = release.plane
    plane.kubectl(
        "create", "clusterrole", "generous", "--verb=get,patch,create,delete", "--resource=floatingipnodes.floatip.dev"
    )
    plane.kubectl(
        "create",
        "clusterrolebinding",
        "generous",
        "--clusterrole=generous",
        f"--serviceaccount={NAMESPACE}:floatip-agent",
    )
    try:
        refusal = "an agent writes nothing of a FloatingIPNode but its status"
        change = {"metadata": {"labels": {"changed": "yes"}}}
        until(lambda: refusal in release.agent.patches("fipn", "n1", change).stderr, 10, "the role counts")
        assert refusal in release.agent.tries("create", "-f", "-", manifest=floating_ip_node("n3")).stderr
        assert refusal in release.agent.tries("delete", "fipn", "n1").stderr
    finally:
        plane.kubectl("delete", "clusterrole,clusterrolebinding", "generous")


def test_an_agent_keeps_the_lease_of_its_node(release: Release) -> None:
    own = names.agent_lease("n1")
    assert allowed(release.agent.tries("create", "-f", "-", manifest=lease(own, "n1")))
    assert allowed(release.agent.patches("lease", own, {"spec": {"holderIdentity": "n1-again"}}))
    applying = ["apply", "--server-side", "--force-conflicts", "-f", "-"]
    assert allowed(release.agent.tries(*applying, manifest=lease(own, "n1")))


@pytest.mark.parametrize("name", [names.agent_lease("n2"), names.OPERATOR_LEASE, "floatip-agent-n11"])
def test_an_agent_takes_no_other_lease(release: Release, name: str) -> None:
    """Neither a fresh one nor one that is there: it would keep a dead node alive or the operator from leading."""
    refusal = f"the agent of node 'n1' may not write the Lease '{name}'"
    assert refusal in release.agent.tries("create", "-f", "-", manifest=lease(name, "n1")).stderr
    release.plane.apply(yaml.safe_dump(lease(name, "owner")))
    done = release.agent.patches("lease", name, {"spec": {"holderIdentity": "n1"}})
    assert denied(done)
    assert refusal in done.stderr
    assert denied(release.agent.tries("delete", "lease", name))


def test_an_agent_reads_nodes_documents_and_nothing_else(release: Release) -> None:
    assert allowed(release.agent.tries("get", "fipn"))
    for kind in ("fip", "nodes", "pods", "configmaps", "roles"):
        assert denied(release.agent.tries("get", kind)), kind


def test_an_agent_writes_neither_floating_ips_nor_nodes(release: Release) -> None:
    change = {"metadata": {"labels": {"changed": "yes"}}}
    assert denied(release.agent.patches("fip", "elk", change))
    assert denied(release.agent.patches("fip", "elk", {"status": {}}, "--subresource=status"))
    assert denied(release.agent.patches("node", "n1", change))


def test_the_secrets_of_the_role_and_no_others(release: Release) -> None:
    """The operator names a Secret in the Role: agents read that one, until it is named no more."""
    reads = ["get", "secret", "elk"]
    watches = ["get", "secrets", "--field-selector=metadata.name=elk"]
    assert denied(release.agent.tries(*reads))
    assert allowed(operator_grants(release, SECRETS_RULE))
    until(lambda: allowed(release.agent.tries(*reads)), 10, "the rule counts")
    assert allowed(release.agent.tries(*watches))
    assert denied(release.agent.tries("get", "secret", "other"))
    assert denied(release.agent.tries("get", "secrets"))
    assert denied(release.agent.patches("secret", "elk", {"stringData": {"password": "mine"}}))
    assert allowed(operator_grants(release))
    until(lambda: denied(release.agent.tries(*reads)), 10, "the rule is gone")


def operator_grants(release: Release, *rules: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return release.operator.patches("role", names.AGENT_SECRETS_ROLE, {"rules": list(rules)})


def operator_applies(release: Release, manifest: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    arguments = ["apply", "--server-side", "--force-conflicts", "--field-manager=floatip-operator", "-f", "-"]
    return release.operator.tries(*arguments, manifest=manifest)


@pytest.mark.parametrize("method", ["true", "false"], ids=["server-side apply", "three-way merge"])
def test_an_upgrade_leaves_the_roles_rules(release: Release, helm: Helm, method: str) -> None:
    assert allowed(operator_grants(release, SECRETS_RULE))
    upgrade(helm, release.plane, f"--server-side={method}", "--set", f"virtualRouterIDRange=30-4{len(method)}")
    role = release.plane.get("role", names.AGENT_SECRETS_ROLE, "-n", NAMESPACE)
    assert role["rules"] == [SECRETS_RULE]


def test_the_operator_reads_no_secret(release: Release) -> None:
    assert allowed(operator_grants(release, SECRETS_RULE))
    assert denied(release.operator.tries("get", "secret", "elk"))
    assert denied(release.operator.tries("get", "secrets"))


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_the_operator_grants_by_no_other_role(release: Release, kind: str) -> None:
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "rules": [SECRETS_RULE]}
    for name in ("floatip-operator", "floatip-agent", "new"):
        metadata = {"name": name, "namespace": NAMESPACE} if kind == "Role" else {"name": name}
        assert denied(operator_applies(release, head | {"metadata": metadata})), name
    change = {"subjects": [{"kind": "ServiceAccount", "name": "floatip-operator", "namespace": NAMESPACE}]}
    assert denied(release.operator.patches("rolebinding", names.AGENT_SECRETS_ROLE, change))


def test_the_operator_writes_what_is_its_own(release: Release) -> None:
    operator = release.operator
    assert allowed(operator.patches("fip", "elk", {"metadata": {"finalizers": [names.FINALIZER]}}))
    assert allowed(operator.patches("fip", "elk", {"status": {"activeNode": "n1"}}, "--subresource=status"))
    assert allowed(operator.patches("fipn", "n2", {"spec": {"virtualRouters": []}}))
    assert denied(operator.patches("fipn", "n2", status_of("the operator's"), "--subresource=status"))
    assert allowed(operator.tries("create", "-f", "-", manifest=floating_ip_node("n4")))
    assert allowed(operator.tries("delete", "fipn", "n4"))
    assert allowed(operator.tries("get", "namespace", "kube-system"))
    assert denied(operator.tries("get", "namespaces"))
    assert allowed(operator.patches("fip", "elk", {"metadata": {"finalizers": []}}))


def test_the_operator_labels_its_own_namespace_and_no_other(release: Release) -> None:
    """A rule of a Role counts for the one namespace that the Role is in."""
    change = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    assert allowed(release.operator.patches("namespace", NAMESPACE, change))
    assert denied(release.operator.patches("namespace", "default", change))
    assert denied(release.operator.patches("namespace", "kube-system", change))


def test_the_operator_replaces_pods_of_its_own_namespace_and_makes_none(release: Release) -> None:
    """For the roll-out of new agents. Their names are not known before, so the namespace is the limit."""
    for namespace, may in ((NAMESPACE, True), ("default", False)):
        pod = pod_object("n2")
        pod["metadata"] = {"name": "replaced", "namespace": namespace}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": pod["metadata"]}
        pod["spec"]["serviceAccountName"] = "replaced"
        release.plane.apply(yaml.safe_dump_all([account, pod]))
        assert denied(release.operator.tries("create", "-f", "-", manifest=pod))
        assert allowed(release.operator.tries("delete", "pod", "replaced", "-n", namespace, "--wait=false")) is may
        assert allowed(release.operator.tries("get", "pods", "-n", namespace)) is may


def test_the_operator_deletes_no_deployment(release: Release) -> None:
    """Only while it is uninstalled, by a Role of the hook."""
    assert denied(release.operator.tries("delete", "deployment", names.OPERATOR_DEPLOYMENT, f"-n={NAMESPACE}"))


def test_the_operator_touches_no_other_daemon_set_and_deletes_none(release: Release) -> None:
    """Deleting the agents' is a right of the hook that uninstalls."""
    for name, may in ((names.AGENT_DAEMON_SET, True), ("other", False)):
        assert allowed(operator_applies(release, daemon_set_object(name))) is may
        release.plane.apply(yaml.safe_dump(daemon_set_object(name)))
        assert denied(release.operator.tries("delete", "daemonset", name))


def test_the_operator_records_events_where_its_objects_are_and_nowhere_else(release: Release) -> None:
    for namespace, may in (("default", True), (NAMESPACE, True), ("kube-system", False)):
        assert allowed(release.operator.tries("create", "-f", "-", manifest=event_object(namespace))) is may


def event_object(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "elk.1", "namespace": namespace},
        "involvedObject": {"kind": "FloatingIP", "name": "elk", "namespace": namespace},
        "reason": "Tried",
        "type": "Normal",
    }


def daemon_set_object(name: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "agent", "image": "none"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}
