"""The agent fed by a file: guard, engine and keeper as one program, in a node's namespace."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from lab.agents import Agent, StaticAgent
from lab.network import Host, Lan
from lab.programs import installed
from lab.waiting import throughout, until

WITHIN = 15.0
PERIOD = {"advertisementPeriodMilliseconds": 50}

pytestmark = pytest.mark.linux


def entry(name: str = "elk", address: str = "10.9.0.94", number: int = 51, **fields: Any) -> dict[str, Any]:
    found = {"name": name, "family": "IPv4", "virtualRouterID": number, "addresses": [f"{address}/24"], "priority": 150}
    return {**found, "vrrp": PERIOD, **fields}


@pytest.fixture
def node(lan: Lan) -> Host:
    return lan.host("node", "10.9.0.1/24")


@pytest.fixture
def agent(node: Host) -> Iterator[StaticAgent]:
    agent = Agent.static(node, entry(), entry("other", "10.9.0.95", 52))
    agent.start()
    agent.wait_for("Active", WITHIN)
    yield agent
    agent.kill()


def said(agent: StaticAgent, text: str) -> None:
    until(lambda: text in agent.log.read_text(), WITHIN, f"{text!r} in {agent.log.read_text()}")


def test_an_accepted_file_that_lacks_a_router_lets_it_go(agent: StaticAgent, node: Host) -> None:
    agent.write(entry())
    until(lambda: not node.holds("10.9.0.95"), WITHIN, "let go")
    assert node.holds("10.9.0.94")
    assert list(agent.states()) == ["elk/IPv4"]


def test_a_broken_file_is_refused_and_the_old_one_stays(agent: StaticAgent, node: Host) -> None:
    agent.write(entry(priority=300))
    said(agent, "spec.virtualRouters[0].priority: 300")
    said(agent, "the document in force stays")
    throughout(lambda: node.holds("10.9.0.94") and node.holds("10.9.0.95"), 1.0, "both are held")
    agent.document.unlink()
    said(agent, "No such file or directory; the document in force stays")
    throughout(lambda: node.holds("10.9.0.94") and node.holds("10.9.0.95"), 1.0, "both are held")
    agent.write(entry(priority=90))
    agent.reload()
    until(lambda: _priorities(agent) == {"elk": 90}, WITHIN, "the good one is followed")


def _priorities(agent: StaticAgent) -> dict[str, int]:
    status = agent.status() or {}
    return {router["name"]: router["effectivePriority"] for router in status.get("virtualRouters", [])}


def test_a_restart_with_a_broken_file_serves_from_the_saved_copy(agent: StaticAgent, node: Host) -> None:
    agent.write(entry(priority=300))
    said(agent, "the document in force stays")
    agent.kill()
    agent.start()
    agent.wait_for("Active", WITHIN)
    assert node.holds("10.9.0.94")
    assert node.holds("10.9.0.95")


def test_without_anything_to_run_a_broken_file_ends_it_with_2(node: Host) -> None:
    """api.md: "Exit status: 2 unusable arguments or documents (each fault with file, line and field on standard error)"."""
    agent = Agent.static(node, entry(priority=300))
    agent.start()
    assert agent.process.wait(WITHIN) == 2
    assert "node.yaml" in agent.log.read_text()
    assert "spec.virtualRouters[0].priority: 300" in agent.log.read_text()


def test_a_router_without_its_secret_is_refused_by_name_until_it_is_there(agent: StaticAgent, node: Host) -> None:
    authentication = {"type": "Password", "secretRef": {"name": "elk-vrrp", "key": "password"}}
    agent.write(entry(), entry("third", "10.9.0.96", 53, vrrp={"version": 2, "authentication": authentication}))
    until(lambda: agent.states().get("third/IPv4") == "Fault", WITHIN, "refused")
    assert agent.states()["elk/IPv4"] == "Active"
    agent.write_secret("elk-vrrp", "password", "tan124\n")
    until(lambda: node.holds("10.9.0.96"), WITHIN, "runs once the file is there")


def test_a_failing_probe_lowers_the_priority_and_says_why(agent: StaticAgent, node: Host) -> None:
    with node.entered():
        listener = http.server.HTTPServer(("10.9.0.1", 9200), http.server.BaseHTTPRequestHandler)
    serving = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    probe = {"name": "es", "tcpSocket": {"port": 9200}, "periodSeconds": 0.2, "timeoutSeconds": 0.2}
    agent.write(entry(probes=[{**probe, "lowerPriorityBy": 60}]), entry("other", "10.9.0.95", 52, probes=[probe]))
    try:
        until(lambda: agent.log.read_text().count("probe es is Passing") == 2, WITHIN, "both pass")
        assert _priorities(agent) == {"elk": 150, "other": 150}
    finally:
        listener.shutdown()
        listener.server_close()
        serving.join()
    until(lambda: agent.states() == {"elk/IPv4": "Active", "other/IPv4": "Fault"}, WITHIN, "the probes say so")
    assert _priorities(agent)["elk"] == 90
    status = agent.status() or {}
    assert status["virtualRouters"][1]["reason"] == "probe es: 10.9.0.1:9200 refused the connection"


def test_metrics_health_and_a_port_that_is_taken(agent: StaticAgent, node: Host) -> None:
    """api.md: "a taken port is said and does not stop the agent"."""

    def get(path: str) -> str:
        return node.run(["curl", "-s", f"http://127.0.0.1:9405{path}"]).stdout

    assert get("/healthz") == get("/readyz") == "ok\n"
    metrics = get("/metrics").splitlines()
    assert 'floatip_virtual_router_state{family="IPv4",floatingip="elk",state="Active"} 1.0' in metrics
    assert 'floatip_effective_priority{family="IPv4",floatingip="elk"} 150.0' in metrics
    assert any(line.startswith("floatip_advertisement_lateness_seconds_bucket") for line in metrics)
    agent.stop()
    with node.entered():
        taken = http.server.HTTPServer(("127.0.0.1", 9405), http.server.BaseHTTPRequestHandler)
    try:
        agent.start()
        said(agent, "127.0.0.1:9405 cannot be had: ")
        agent.wait_for("Active", WITHIN)
    finally:
        taken.server_close()


@pytest.mark.parametrize(("address", "url"), [("10.9.0.1", "10.9.0.1"), ("fd09::1", "[fd09::1]")])
def test_a_metrics_address_in_brackets_is_of_either_family(lan: Lan, address: str, url: str) -> None:
    """The Pod's is `[$(HOST_IP)]:9405`: nobody knows the family before."""
    node = lan.host("node", "10.9.0.1/24", "fd09::1/64")
    agent = Agent.static(node, entry(), arguments=["--metrics-address", f"[{address}]:9405"])
    agent.start()
    asked = ["curl", "-s", "-g", f"http://{url}:9405/healthz"]
    until(lambda: node.run(asked, check=False).stdout == "ok\n", WITHIN, f"it answers on {url}")
    agent.kill()


def test_status_for_people(agent: StaticAgent, node: Host) -> None:
    program = installed("floatip-agent")
    shown = node.run([program, "status", f"--run-dir={agent.run}"]).stdout.splitlines()
    assert shown[0].startswith("agent: version ")
    assert shown[1].split()[:4] == ["NAME", "FAMILY", "STATE", "PRIORITY"]
    assert shown[2].split()[:6] == ["elk", "IPv4", "Active", "150", "eth0", "10.9.0.1"]
    agent.stop()
    done = node.run([program, "status", f"--run-dir={agent.run}"], check=False)
    assert done.returncode == 1
    assert "no agent answers" in done.stderr
