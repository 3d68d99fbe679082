"""A real Prometheus scrapes real agents and a real operator: every query of the dashboard has data, and every alert can be evaluated."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_agent.vrrp.packet import MULTICAST_IPV4, Wire, encode
from lab.cluster import Cluster, missing
from lab.network import Host, Lan
from lab.prober import TESTS
from lab.prometheus import SCRAPE_INTERVAL, Prometheus, promtool
from lab.services import Listener
from lab.waiting import throughout, until
from scapy.layers.inet import IP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from wire.sniffer import send

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "charts" / "floatip" / "monitoring"
MONITORING_PAGE = ROOT / "docs" / "monitoring.md"
NODES = {"n1": ["10.9.0.1/24"], "n2": ["10.9.0.2/24"]}
OPERATOR, STRANGER = "10.9.0.10", "10.9.0.66"
ADDRESS = "10.9.0.100"
PORT, CLOSED = 8080, 8081
VIRTUAL_ROUTER_ID = 51

FLOATING_IPS = f"""
apiVersion: floatip.dev/v1alpha1
kind: FloatingIP
metadata: {{name: served}}
spec:
  addresses: [{ADDRESS}/24]
  virtualRouterID: {VIRTUAL_ROUTER_ID}
  probes: [{{name: open, tcpSocket: {{port: {PORT}}}}}]
---
apiVersion: floatip.dev/v1alpha1
kind: FloatingIP
metadata: {{name: broken}}
spec:
  addresses: [10.9.0.101/24]
  probes: [{{name: closed, tcpSocket: {{port: {CLOSED}}}}}]
"""


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Prometheus, Cluster]]:
    """Two nodes; one floating IP is held, the other is kept out by its probe; a stranger sends its own and odd advertisements."""
    if reason := missing():
        pytest.skip(reason)
    targets = {
        "floatip-agent": {name: f"{address.partition('/')[0]}:9405" for name, (address,) in NODES.items()},
        "floatip-operator": {"control-plane": f"{OPERATOR}:9405"},
    }
    with Lan() as lan, Cluster(lan, f"{OPERATOR}/24", NODES) as cluster:
        for node in cluster.nodes.values():
            Listener(node, PORT)
        cluster.control_plane.apply(FLOATING_IPS)
        until(lambda: ready(cluster) == {"served": "True", "broken": "False"}, 60, "served is held, broken is not")
        stranger = lan.host("stranger", f"{STRANGER}/24")
        odd = [sys.executable, "-m", "lab.hostile", str(VIRTUAL_ROUTER_ID), "20", "600"]
        stranger.popen(odd, env={"PYTHONPATH": str(TESTS)}, log=stranger.folder / "hostile.log")
        with Prometheus(lan.host("prometheus", "10.9.0.90/24"), targets, MONITORING / "alerts.yaml") as prometheus:
            until(lambda: prometheus.query("floatip_wire_mismatch"), 30, "the stranger's packets are odd")
            until(lambda: prometheus.query("floatip_foreign_router_seen"), 30, "the stranger is seen")
            until(lambda: is_rival(prometheus, stranger), 30, "it is heard beside the Active")
            until(lambda: is_claimed(prometheus, stranger), 30, "its claim is heard")
            until(lambda: not prometheus.query("floatip_rival_heard"), 30, "it speaks beside the Active no more")
            time.sleep(3 * SCRAPE_INTERVAL)  # a rate needs two samples
            yield prometheus, cluster


@pytest.fixture
def scraped(world: tuple[Prometheus, Cluster]) -> Prometheus:
    return world[0]


def is_claimed(prometheus: Prometheus, host: Host) -> bool:
    """After a gratuitous ARP of this host for the address that is held."""
    mac = "02:00:00:00:00:66"
    send(host, Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac, psrc=ADDRESS, pdst=ADDRESS))
    return bool(prometheus.query("floatip_address_claimed"))


def is_rival(prometheus: Prometheus, host: Host) -> bool:
    """After an advertisement of this host for the router that another one is Active for."""
    wire = Wire(3, VIRTUAL_ROUTER_ID, 1_000_000_000, (socket.inet_aton(ADDRESS),))
    message = encode(wire, 1, socket.inet_aton(STRANGER), MULTICAST_IPV4)
    to_all_routers = Ether(dst="01:00:5e:00:00:12") / IP(src=STRANGER, dst="224.0.0.18", proto=112, ttl=255)
    send(host, to_all_routers / Raw(message))
    return bool(prometheus.query("floatip_rival_heard"))


def ready(cluster: Cluster) -> dict[str, str]:
    found = {}
    for floating_ip in cluster.control_plane.get("fip")["items"]:
        for condition in floating_ip.get("status", {}).get("conditions", []):
            if condition["type"] == "Ready":
                found[floating_ip["metadata"]["name"]] = condition["status"]
    return found


def dashboard() -> list[tuple[str, str]]:
    """Panel and query; "All" is chosen in the dashboard's variable."""
    document: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return [
        (panel["title"], target["expr"].replace("$floatingip", ".*"))
        for panel in document["panels"]
        for target in panel.get("targets", [])
    ]


def test_every_query_of_the_dashboard_has_data(scraped: Prometheus) -> None:
    assert [(title, query) for title, query in dashboard() if not has_value(scraped, query)] == []


def has_value(prometheus: Prometheus, query: str) -> bool:
    """NaN is what a quotient of nothing is."""
    return any(sample["value"][1] != "NaN" for sample in prometheus.query(query))


def test_every_metric_that_an_alert_asks_for_is_there(scraped: Prometheus) -> None:
    rules = [
        rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]
    asked = {name for rule in rules for name in re.findall(r"\bfloatip_\w+", rule["expr"])}
    assert asked
    assert asked - scraped.metric_names() == set()


def test_every_alert_can_be_evaluated_and_says_what_is_so(scraped: Prometheus) -> None:
    def evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in scraped.rules())

    until(evaluated, 30, "every rule is evaluated")
    assert [rule["lastError"] for rule in scraped.rules() if rule["health"] != "ok"] == []
    states = {rule["name"]: rule["state"] for rule in scraped.rules()}
    on = {name for name, state in states.items() if state != "inactive"} - {"FloatipEngineNotRealTime"}
    assert on == {
        "FloatingIPNoHolder",
        "FloatingIPNodeFault",
        "FloatingIPWireMismatch",
        "FloatingIPAddressClaimed",
    }


@pytest.mark.parametrize("target", ["10.9.0.1", OPERATOR], ids=["agent", "operator"])
def test_names_and_forms_are_prometheus_own(scraped: Prometheus, target: str) -> None:
    """`promtool check metrics` knows the conventions: units, suffixes, help texts."""
    done = promtool("check", "metrics", stdin=exposition(scraped, target))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_docs_have_every_metric_and_no_other(scraped: Prometheus) -> None:
    shown = exposition(scraped, "10.9.0.1") + exposition(scraped, OPERATOR)
    types = dict(re.findall(r"^# TYPE (floatip_\w+) (\w+)$", shown, re.MULTILINE))
    told = re.findall(r"`(floatip_\w+)[{`]", MONITORING_PAGE.read_text())
    created = {name for name in types if name.endswith("_created")}
    assert set(types) - created == set(told)


def test_a_real_failover_leaves_no_alert_behind(world: tuple[Prometheus, Cluster]) -> None:
    """What `alerts.test.yaml` has as series: the dead holder is neither a second one nor a stranger afterwards."""
    prometheus, cluster = world
    (holder,) = (name for name, node in cluster.nodes.items() if node.holds(ADDRESS))
    (other,) = set(cluster.nodes) - {holder}
    cluster.agents[holder].kill()
    until(lambda: cluster.nodes[other].holds(ADDRESS), 20, f"{other} takes over")
    until(lambda: not told_of(prometheus, "served"), 30, "nothing is told of it any more")
    throughout(lambda: not told_of(prometheus, "served"), 3 * SCRAPE_INTERVAL, "and it stays so")
    assert told_of(prometheus, "broken"), "the rules are evaluated"


def told_of(prometheus: Prometheus, name: str) -> set[str]:
    """The alerts of this floating IP that fire or would soon, without those that the stranger goes on causing."""
    alerts = prometheus.query(f'ALERTS{{floatingip="{name}"}}')
    found = {entry["metric"]["alertname"] for entry in alerts}
    return found - {"FloatingIPWireMismatch", "FloatingIPAddressClaimed"}


def exposition(prometheus: Prometheus, address: str) -> str:
    with prometheus.host.entered(), urllib.request.urlopen(f"http://{address}:9405/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text
