"""The keeper between a real API server and a real engine: as in the pod, two programs and a socket between them.

The engine runs in a node's namespace, the keeper where it reaches the API server.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_api import names
from lab.control_plane import CRDS, ControlPlane
from lab.network import Host, Lan
from lab.programs import Program, installed
from lab.tokens import Tokens
from lab.waiting import throughout, until

NAMESPACE = "keeper-tests"
WITHIN = 20.0

pytestmark = [pytest.mark.cluster, pytest.mark.linux]


def entry(address: str = "10.9.0.94", virtual_router_id: int = 51, **fields: Any) -> dict[str, Any]:
    return {
        "name": f"ip-{virtual_router_id}",
        "family": "IPv4",
        "virtualRouterID": virtual_router_id,
        "addresses": [f"{address}/24"],
        "priority": 150,
        "vrrp": {"advertisementPeriodMilliseconds": 50},
        **fields,
    }


PASSWORD = {"type": "Password", "secretRef": {"name": "elk-vrrp", "key": "password"}}
WITH_PASSWORD = entry("10.9.0.95", 52, vrrp={"version": 2, "authentication": PASSWORD})


class Agent:
    """Engine and keeper of one node."""

    def __init__(self, cluster: ControlPlane, host: Host, name: str) -> None:
        self.cluster = cluster
        self.host = host
        self.name = name
        self._folders = [f"--state-dir={host.folder}/state", f"--run-dir={host.folder}/run"]
        self.engine = Program(host, [installed("floatip-agent"), "engine", *self._folders], host.folder / "engine.log")
        self.log = host.folder / "keeper.log"
        self.keeper: subprocess.Popen[bytes] | None = None

    def start_keeper(self, kubeconfig: Path | None = None) -> None:
        command = [installed("floatip-agent"), "keeper", "--node", self.name, *self._folders]
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig or self.cluster.kubeconfig)}
        with self.log.open("ab") as log:
            arguments = ["--namespace", NAMESPACE, "--metrics-address", ""]
            self.keeper = subprocess.Popen([*command, *arguments], env=environment, stderr=log, stdout=log)

    def end_keeper(self, *, kill: bool = False) -> int:
        assert self.keeper
        (self.keeper.kill if kill else self.keeper.terminate)()
        return self.keeper.wait(timeout=15)

    def write(self, *entries: dict[str, Any]) -> None:
        """As the operator does it."""
        cluster = self.cluster.get("namespace", "kube-system")["metadata"]["uid"]
        document = {
            "apiVersion": "floatip.dev/v1alpha1",
            "kind": "FloatingIPNode",
            "metadata": {"name": self.name, "annotations": {names.CLUSTER: cluster}},
            "spec": {"virtualRouters": list(entries)},
        }
        self.cluster.apply(yaml.safe_dump(document))

    @property
    def document(self) -> dict[str, Any]:
        done = self.cluster.try_kubectl("get", "floatingipnode", self.name, "-o", "json", "--show-managed-fields")
        return json.loads(done.stdout) if done.returncode == 0 else {}

    @property
    def lease(self) -> dict[str, Any]:
        """Its spec; empty when there is none."""
        done = self.cluster.try_kubectl("get", "lease", f"floatip-agent-{self.name}", "-n", NAMESPACE, "-o", "json")
        spec: dict[str, Any] = json.loads(done.stdout)["spec"] if done.returncode == 0 else {}
        return spec

    def router(self, name: str) -> dict[str, Any]:
        """Its entry in the status; empty when there is none."""
        routers = self.document.get("status", {}).get("virtualRouters", [])
        return next((router for router in routers if router["name"] == name), {})

    def warnings(self, name: str) -> set[str]:
        return {warning["reason"] for warning in self.router(name).get("warnings", [])}

    def until(self, condition: Callable[[], object], what: str) -> None:
        until(condition, WITHIN, f"{what}; the keeper's log: {self.log.read_text()}")

    def until_active(self, name: str) -> None:
        self.until(lambda: self.router(name).get("state") == "Active", f"{name} Active")


def _install(cluster: ControlPlane) -> None:
    cluster.define_kinds()
    cluster.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}")


@pytest.fixture
def agent(control_plane: ControlPlane, lan: Lan, request: pytest.FixtureRequest) -> Iterator[Agent]:
    _install(control_plane)
    name = re.sub("[^a-z0-9]+", "-", request.node.name)[:60].strip("-")
    agent = Agent(control_plane, lan.host("node", "10.9.0.1/24"), name)
    agent.engine.start()
    agent.start_keeper()
    yield agent
    agent.end_keeper(kill=True)
    agent.engine.kill()
    control_plane.kubectl("delete", "floatingipnode", name, "--ignore-not-found")
    control_plane.kubectl("delete", "secret", "elk-vrrp", "-n", NAMESPACE, "--ignore-not-found")


def test_the_document_runs_and_the_node_says_so(agent: Agent) -> None:
    agent.write(entry())
    agent.until_active("ip-51")
    assert agent.host.holds("10.9.0.94")
    found = agent.document
    status = found["status"]
    assert status["observedGeneration"] == found["metadata"]["generation"]
    assert status["agent"]["fence"] == "AddressLifetime"
    assert status["virtualRouters"][0]["sourceAddress"] == "10.9.0.1"
    owners = {entry["manager"] for entry in found["metadata"]["managedFields"] if entry.get("subresource") == "status"}
    assert owners == {"floatip-agent"}
    agent.until(lambda: agent.lease.get("leaseDurationSeconds") == 40, "its Lease")


def test_the_lease_vouches_for_no_status_of_a_former_life(agent: Agent) -> None:
    """A node that was Active and comes back when another one is must not be taken for a second holder: it speaks first. Here it may not."""
    agent.write(entry())
    agent.until_active("ip-51")
    agent.until(lambda: agent.lease, "its Lease")
    agent.end_keeper(kill=True)
    renewed = agent.lease["renewTime"]
    reads = {"apiGroups": ["floatip.dev"], "resources": ["floatingipnodes"], "verbs": ["get", "list", "watch"]}
    renews = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}
    _allow(agent, reads, renews)
    agent.start_keeper(agent.cluster.kubeconfig_for(agent.name, agent.cluster.token(agent.name, NAMESPACE)))
    agent.until(lambda: "the status could not be written" in agent.log.read_text(), "it is refused")
    throughout(lambda: agent.lease["renewTime"] == renewed, 2.5, "the Lease is not renewed")
    _allow(
        agent, {"apiGroups": ["floatip.dev"], "resources": ["floatingipnodes/status"], "verbs": ["*"]}, reads, renews
    )
    agent.until(lambda: agent.lease["renewTime"] != renewed, "it has spoken")


def _allow(agent: Agent, *rules: dict[str, Any]) -> None:
    """To a service account of the agent's name, and nothing else."""
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": agent.name}}
    subject = {"kind": "ServiceAccount", "name": agent.name, "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": agent.name}
    documents = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": agent.name, "namespace": NAMESPACE}},
        {**head, "kind": "ClusterRole", "rules": rules},
        {**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]},
    ]
    agent.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))


def test_status_is_written_when_something_changed_never_on_a_timer(agent: Agent) -> None:
    agent.write(entry())
    agent.until_active("ip-51")
    until(lambda: agent.router("ip-51").get("activeRouter"), WITHIN, "the last word of the takeover")
    before = agent.document["metadata"]["resourceVersion"]
    throughout(lambda: agent.document["metadata"]["resourceVersion"] == before, 3.0, "nothing is written")


def test_what_is_never_an_order(agent: Agent) -> None:
    """api.md: "A missing entry, an empty list, a 404 [...] are never an order: the agent serves on and says so"."""
    agent.write(entry(), entry("10.9.0.96", 53))
    agent.until_active("ip-51")
    agent.until_active("ip-53")
    agent.write(entry())
    agent.until(lambda: agent.warnings("ip-53") == {"NotInDocument"}, "a missing entry is told")
    agent.write()
    agent.until(lambda: agent.warnings("ip-51") == {"NotInDocument"}, "an empty list is told")
    agent.cluster.kubectl("delete", "floatingipnode", agent.name)
    throughout(lambda: agent.host.holds("10.9.0.94") and agent.host.holds("10.9.0.96"), 2.0, "both addresses are held")
    agent.write(entry())
    agent.until(lambda: agent.warnings("ip-53") == {"NotInDocument"}, "told of the object made anew")
    assert agent.warnings("ip-51") == set()


def test_release_lets_go_and_is_confirmed(agent: Agent) -> None:
    agent.write(entry())
    agent.until_active("ip-51")
    agent.write(entry(release={"requestID": "r1"}))
    agent.until(lambda: agent.router("ip-51").get("releasedRequestID") == "r1", "confirmed")
    assert not agent.host.holds("10.9.0.94")
    agent.write()
    agent.until(lambda: not agent.router("ip-51"), "off the list, and so off the status")


def test_a_secret_that_comes_changes_and_goes(agent: Agent) -> None:
    agent.write(WITH_PASSWORD, entry())
    agent.until_active("ip-51")  # one router that cannot run does not keep the others from it
    assert agent.router("ip-52")["reason"] == "refused: Secret elk-vrrp does not exist"
    secret = ["create", "secret", "generic", "elk-vrrp", "-n", NAMESPACE]
    agent.cluster.kubectl(*secret, "--from-literal=password=tan124")
    agent.until_active("ip-52")
    agent.cluster.kubectl("delete", "secret", "elk-vrrp", "-n", NAMESPACE)
    agent.until(lambda: "SecretMissing" in agent.warnings("ip-52"), "told that it is gone")
    assert agent.host.holds("10.9.0.95")
    agent.cluster.kubectl(*secret, "--from-literal=password=other")
    saved = agent.host.folder / "state" / "engine.json"
    agent.until(lambda: '"password":"other"' in saved.read_text(), "the new one is in force")
    agent.until(lambda: agent.warnings("ip-52") == set(), "all well again")
    assert "other" not in (agent.host.folder / "state" / "node.json").read_text()


def test_a_keeper_that_restarts_with_the_api_away_serves_from_the_saved_copy(agent: Agent, tmp_path: Path) -> None:
    agent.write(entry(), WITH_PASSWORD)
    agent.cluster.kubectl("create", "secret", "generic", "elk-vrrp", "-n", NAMESPACE, "--from-literal=password=tan124")
    agent.until_active("ip-52")
    agent.end_keeper(kill=True)
    away = tmp_path / "away.kubeconfig"
    away.write_text(agent.cluster.kubeconfig.read_text().replace(agent.cluster.server, "https://127.0.0.1:1"))
    agent.start_keeper(away)
    agent.until(lambda: "2 routers from the saved copy" in agent.log.read_text(), "said")
    throughout(lambda: agent.host.holds("10.9.0.94") and agent.host.holds("10.9.0.95"), 4.0, "both are held")
    agent.end_keeper(kill=True)
    agent.start_keeper()
    agent.until(lambda: agent.router("ip-51").get("state") == "Active", "Active all the time")
    assert agent.router("ip-51")["transitions"] == 2


@pytest.mark.parametrize("broken", [["node.json"], ["node.json", "engine.json"]])
def test_broken_saved_copies_are_no_order(agent: Agent, broken: list[str]) -> None:
    """api.md: "a broken saved copy" is never an order: what the engine runs stays, even with a document that lacks it."""
    agent.write(entry())
    agent.until_active("ip-51")
    agent.end_keeper(kill=True)
    agent.write()
    state = agent.host.folder / "state"
    for name in broken:
        (state / name).write_text("{")
    agent.start_keeper()
    agent.until(lambda: agent.warnings("ip-51") == {"NotInDocument"}, "said")
    assert all((state / f"{name}.broken").read_text() == "{" for name in broken)
    throughout(lambda: agent.host.holds("10.9.0.94"), 2.0, "the address is held")
    agent.write(entry(release={"requestID": "r1"}))
    agent.until(lambda: agent.router("ip-51").get("releasedRequestID") == "r1", "an order is an order")


def test_the_last_status_says_that_the_engine_left(agent: Agent) -> None:
    agent.write(entry())
    agent.until_active("ip-51")
    agent.engine.process.terminate()
    assert agent.end_keeper() == 0
    router = agent.router("ip-51")
    assert (router["state"], router["reason"]) == ("Initialize", "the agent stops")


def test_a_token_that_was_replaced_is_read_anew(agent: Agent) -> None:
    """Issue: "Tokens are re-read after long outages": the kubelet replaces the file, the old token ends."""
    tokens = Tokens(agent.cluster, agent.name, NAMESPACE)
    first, second = tokens.issue(f"{agent.name}-1"), tokens.issue(f"{agent.name}-2")
    kubeconfig = agent.cluster.kubeconfig_for(agent.name, "")
    text = yaml.safe_load(kubeconfig.read_text())
    text["users"][0]["user"] = {"tokenFile": f"{agent.name}.token"}
    kubeconfig.write_text(yaml.safe_dump(text))
    file = kubeconfig.with_name(f"{agent.name}.token")
    file.write_text(first)
    agent.end_keeper()
    agent.start_keeper(kubeconfig)
    agent.write(entry())
    agent.until_active("ip-51")
    file.write_text(second)
    tokens.end(f"{agent.name}-1", first)
    agent.write(entry(), entry("10.9.0.96", 53))
    agent.until_active("ip-53")


def test_a_disk_from_another_cluster_is_served_on_and_said_until_a_release(agent: Agent) -> None:
    """Issue: "a node's disk moved to another cluster". That the document there lacks what the disk knows is no order either: VRRP keeps it
    to one holder. The new cluster sees it in the node's status and can let it go."""
    agent.write(entry())
    agent.until_active("ip-51")
    agent.end_keeper(kill=True)
    with ControlPlane() as other:
        _install(other)
        before, agent.cluster = agent.cluster, other
        agent.start_keeper()
        agent.write(entry("10.9.0.96", 53))
        agent.until_active("ip-53")
        agent.until(lambda: agent.warnings("ip-51") == {"OtherCluster"}, "said in the new cluster")
        assert agent.warnings("ip-53") == set()
        agent.end_keeper(kill=True)
        agent.start_keeper()
        agent.write(entry("10.9.0.96", 53), entry("10.9.0.97", 54))
        agent.until_active("ip-54")
        assert agent.warnings("ip-51") == {"OtherCluster"}, "an agent that is started again knows it, too"
        assert agent.host.holds("10.9.0.94")
        agent.write(entry("10.9.0.96", 53), entry(release={"requestID": "r1"}))
        agent.until(lambda: agent.router("ip-51").get("releasedRequestID") == "r1", "let go")
        assert not agent.host.holds("10.9.0.94")
        agent.end_keeper(kill=True)
        agent.cluster = before


def test_a_full_disk_is_said_and_served_on_with_and_the_copy_follows_when_there_is_room(agent: Agent) -> None:
    """Issue: "full disk for the saved copy (serve on, say it)"."""
    state = agent.host.folder / "state"
    agent.write(entry())
    agent.until_active("ip-51")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "full", str(state)], check=True)
    try:
        (state / "filler").write_bytes(b"x" * 4096)
        agent.write(entry(), entry("10.9.0.96", 53))
        agent.until_active("ip-53")
        agent.until(lambda: agent.warnings("ip-51") == {"NotSaved"}, "said")
        assert "No space left on device" in agent.router("ip-53")["warnings"][0]["message"]
        assert not (state / "engine.json").exists()
        assert agent.host.holds("10.9.0.94")
        (state / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=1m", str(state)], check=True)
        agent.until(lambda: agent.warnings("ip-51") == set(), "saved")
        assert "10.9.0.96" in (state / "engine.json").read_text()
    finally:
        agent.end_keeper(kill=True)
        agent.engine.kill()
        subprocess.run(["umount", str(state)], check=True)


def test_an_agent_is_heard_under_older_crds(agent: Agent) -> None:
    """As after `helm rollback`: the CRDs, and the operator, are older than the agents until these are replaced too."""
    whole = CRDS / "floatingipnodes.yaml"
    older = yaml.safe_load(whole.read_text())
    status = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    for name in ("digest", "addresses", "warnings"):
        del status["virtualRouters"]["items"]["properties"][name]
    del status["ignoredFields"]
    agent.cluster.apply(yaml.safe_dump(older))
    try:
        agent.write(entry())
        agent.until_active("ip-51")
        assert "digest" not in agent.router("ip-51")
        assert "the CRDs are older than this agent" in agent.log.read_text()
    finally:
        agent.cluster.apply(whole)
