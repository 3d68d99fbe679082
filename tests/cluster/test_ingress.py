"""The floating IP of an ingress: HTTP through it across a move and a lost node, on real kubelets and a real kube-proxy.

Two ways that are common on bare metal: a proxy in the host's network on every node, and a Service with externalIPs.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from typing import Any

import pytest
from cluster.conftest import World
from lab import web_image
from lab.browser import PATIENCE, Browser
from lab.image_parts import ImageError
from lab.network import Host
from lab.programs import installed
from lab.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

PROXIED, CLUSTER, LOCAL = "10.9.0.100", "10.9.0.101", "10.9.0.102"
CLIENT = "10.9.0.98"
PROXY_PORT = 8088
SKEW, ACTIVE_DOWN = (256 - 180) / 256, 3 + (256 - 180) / 256
"""Seconds, RFC 9568 6.1, of the second of two nodes at a period of 1 s."""
MODES = os.environ.get("LAB_KUBE_PROXY", "nftables,iptables").split(",")
"""Of kube-proxy, on one node after the other."""
RULES = {"nftables": ["nft", "list", "table", "ip", "kube-proxy"], "iptables": ["iptables-save", "--table=nat"]}

BACKEND = "error_log stderr; events {} http { access_log off; server { listen 8080; location / { return 200 $remote_addr; } } }"
# The kernel of the node itself leads the proxy's connections to the Service.
PROXY = (
    "error_log stderr; events {} http { access_log off; proxy_temp_path /tmp/p; client_body_temp_path /tmp/b; fastcgi_temp_path /tmp/f; "
    f"uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s; server {{ listen {PROXY_PORT}; location / {{ proxy_pass http://SERVICE; }} }} }}"
)
PATHS = "pid /tmp/nginx.pid; user root; "


def configuration(name: str, text: str) -> dict[str, Any]:
    data = {"nginx.conf": PATHS + text}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def daemon_set(name: str, *, host_network: bool) -> dict[str, Any]:
    """An nginx on every node, as its ConfigMap says."""
    container = {
        "name": "nginx",
        "image": web_image.NAME,
        "imagePullPolicy": "Never",
        "volumeMounts": [
            {"name": "configuration", "mountPath": "/etc/floatip"},
            *({"name": "space", "mountPath": path} for path in ("/tmp", "/var/log/nginx", "/var/lib/nginx")),
        ],
    }
    volumes = [{"name": "configuration", "configMap": {"name": name}}, {"name": "space", "emptyDir": {}}]
    pod = {
        "hostNetwork": host_network,
        "containers": [container],
        "volumes": volumes,
        "terminationGracePeriodSeconds": 1,
    }
    labels = {"app": name}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name}, "spec": spec}


def service(
    name: str, policy: str = "Cluster", address: str | None = None, *, internal: str = "Cluster"
) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080}]
    spec: dict[str, Any] = {"selector": {"app": "backend"}, "ports": ports, "internalTrafficPolicy": internal}
    if address:
        spec |= {"externalIPs": [address], "externalTrafficPolicy": policy}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def floating_ip(name: str, address: str) -> dict[str, Any]:
    head = {"apiVersion": "floatip.dev/v1alpha1", "kind": "FloatingIP", "metadata": {"name": name}}
    return {**head, "spec": {"addresses": [f"{address}/24"]}}


@pytest.fixture(scope="module")
def client(world: World) -> Host:
    """Everything of this file on the cluster: kube-proxy, the ways between Pods, proxies and backends."""
    try:
        image = web_image.image()
    except ImageError as missing:
        pytest.skip(str(missing))
    nodes = world.installed.nodes
    kubeconfig = world.plane.kubeconfig_of_proxy()
    for node, mode in zip(nodes.values(), itertools.cycle(MODES), strict=False):
        node.load([image])
        node.start_kube_proxy(kubeconfig, mode)
        for other in nodes.values():
            if other is not node:
                node.host.run(["ip", "route", "add", other.pod_subnet, "via", other.address])
    apply(
        world,
        configuration("backend", BACKEND),
        daemon_set("backend", host_network=False),
        service("backend", internal="Local"),
    )
    address = world.plane.get("service", "backend")["spec"]["clusterIP"]
    proxy = configuration("proxy", PROXY.replace("SERVICE", address))
    apply(world, proxy, daemon_set("proxy", host_network=True))
    apply(world, service("cluster", "Cluster", CLUSTER), service("local", "Local", LOCAL))
    apply(world, floating_ip("proxied", PROXIED), floating_ip("cluster", CLUSTER), floating_ip("local", LOCAL))
    for name in ("backend", "proxy"):
        world.plane.kubectl("rollout", "status", f"daemonset/{name}", "--timeout=60s")
    return world.lan.host("browser", f"{CLIENT}/24")


def apply(world: World, *documents: dict[str, Any]) -> None:
    world.plane.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
    )


def holder(world: World, name: str) -> str:
    """Once it is reported and nobody else has it."""

    def said() -> str | None:
        status = world.plane.get("floatingip", name).get("status", {})
        active: str | None = status.get("activeNode")
        return active

    return until(said, 30, f"{name} has a holder")


def other(world: World, node: str) -> str:
    (found,) = set(world.installed.hosts) - {node}
    return found


WAYS = pytest.mark.parametrize(
    ("name", "address", "port"),
    [("proxied", PROXIED, PROXY_PORT), ("cluster", CLUSTER, 80), ("local", LOCAL, 80)],
    ids=["proxy in the host's network", "externalTrafficPolicy Cluster", "externalTrafficPolicy Local"],
)


@WAYS
def test_http_goes_on_across_a_planned_move(world: World, client: Host, name: str, address: str, port: int) -> None:
    before = holder(world, name)
    to = other(world, before)
    with Browser(client, address, port) as browser:
        browser.answered()
        start = time.monotonic()
        floatip(world, "move", name, "--to", to)
        until(lambda: holder(world, name) == to, 30, f"{name} is with {to}")
        browser.answered()
        gap = browser.longest_gap(start)
        print(f"\n{name}: moved to {to}, longest time without an answer {gap * 1000:.0f} ms")
        assert gap < SKEW + 0.2 + PATIENCE
    world.plane.kubectl("annotate", "floatingip", name, "floatip.dev/prefer-node-")


def test_each_kube_proxy_translates_in_its_mode(world: World, client: Host) -> None:
    for node, mode in zip(world.installed.nodes.values(), itertools.cycle(MODES), strict=False):
        assert CLUSTER in node.host.run(RULES[mode]).stdout, f"{node.host}: {mode}"


def test_with_local_the_server_sees_the_client(world: World, client: Host) -> None:
    """And with Cluster a node: kube-proxy masquerades what it may have to send on."""
    with Browser(client, LOCAL, 80) as local, Browser(client, CLUSTER, 80) as cluster:
        assert local.answered() == CLIENT
        assert cluster.answered() != CLIENT


@WAYS
def test_kubelets_and_kube_proxy_leave_the_nodes_addresses_alone(
    world: World, client: Host, name: str, address: str, port: int
) -> None:
    for node in world.installed.nodes.values():
        reported = world.plane.get("node", node.host.name)["status"]["addresses"]
        assert address not in {entry["address"] for entry in reported}


def test_http_goes_on_when_the_node_is_lost(world: World, client: Host) -> None:
    """All ways at once, from one node to the other. With Cluster its backend is tried until the cluster knows that it is gone."""
    lost = holder(world, "proxied")
    places = {"proxied": (PROXIED, PROXY_PORT), "cluster": (CLUSTER, 80), "local": (LOCAL, 80)}
    for name in places:
        if holder(world, name) != lost:
            floatip(world, "move", name, "--to", lost)
    with contextlib.ExitStack() as stack:
        browsers = {name: stack.enter_context(Browser(client, *place)) for name, place in places.items()}
        for browser in browsers.values():
            browser.answered()
        start = time.monotonic()
        world.installed.hosts[lost].unplug()
        world.installed.nodes[lost].power_off()
        for name, browser in browsers.items():
            browser.answered(60, after=start + 1)
            gap = browser.longest_gap(start)
            print(f"\n{name}: node lost, longest time without an answer {gap * 1000:.0f} ms")
            assert gap < ACTIVE_DOWN + 0.3 + PATIENCE or name == "cluster"


def floatip(world: World, *arguments: str) -> None:
    command = ["env", f"KUBECONFIG={world.plane.kubeconfig}", installed("floatip"), *arguments]
    world.lan.hosts["control-plane"].run(command, timeout=90)
