"""`PYTHONPATH=tests python -m benchmarks.ipvs` (root): kube-proxy in IPVS mode under a floating IP, without strictARP and with it.

The nodes are User Mode Linux guests, whose kernel has IPVS, with agents in static mode. A Service has the floating address among its
externalIPs, and a backend beside the nodes; a client asks over a new connection again and again while the holder loses its power.
"""

from __future__ import annotations

import json
import select
import shlex
import socket
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from lab import binaries, debian
from lab.browser import Browser
from lab.control_plane import ControlPlane
from lab.guest_node import GuestNode
from lab.kubelets import kube_proxy_configuration
from lab.network import Host, Lan
from lab.waiting import until
from scapy.layers.l2 import ARP, Ether

ADDRESS, BACKEND, CONTROL_PLANE = "10.9.0.100", "10.9.0.50", "10.9.0.10"
NODES = {"n1": ("10.9.0.1", 200), "n2": ("10.9.0.2", 100)}
IPSET = debian.Package("ipset", "bookworm")
BOOT = 90

# What the guest's kernel does not have is nftables, and what this machine does not have is ipset.
KUBE_PROXY = """
for module in ip_vs ip_vs_rr nf_conntrack dummy ip_set xt_set iptable_nat iptable_filter; do "$MODPROBE" --quiet $module; done
mkdir /run/tools
for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -s /usr/sbin/xtables-legacy-multi /run/tools/$tool
done
ln -s $PWD/ipset /run/tools/ipset
ip route add default via {gateway}
PATH=/run/tools:$PATH {program} --config=kube-proxy.yaml > kube-proxy.log 2>&1 &
"""


def main() -> None:
    IPSET.fetch()
    for is_strict in (False, True):
        with (
            Lan("ipvs") as lan,
            ControlPlane(host=lan.host("control-plane", f"{CONTROL_PLANE}/24"), address=CONTROL_PLANE) as plane,
        ):
            print(f"strictARP: {is_strict}: {_seen(lan, plane, is_strict=is_strict)}", flush=True)


def _seen(lan: Lan, plane: ControlPlane, *, is_strict: bool) -> str:
    backend, client = lan.host("backend", f"{BACKEND}/24"), lan.host("client", "10.9.0.99/24")
    backend.popen([sys.executable, "-m", "http.server", "8080", f"--directory={backend.folder}"])
    plane.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*_service(), *map(_node, NODES)]}))
    for name, (address, _) in NODES.items():
        status = {"status": {"addresses": [{"type": "InternalIP", "address": address}]}}
        plane.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps(status))
    guests = {name: _guest(lan, plane, name, is_strict=is_strict) for name in NODES}
    for guest in guests.values():
        guest.start()
        until(lambda: ADDRESS in _text(guest.holds), BOOT, f"kube-ipvs0 of {guest.name}: {guest.folder}")  # noqa: B023
    with Browser(client, ADDRESS, 80) as browser:
        browser.answered(BOOT)
        time.sleep(8)  # n2 has heard n1, and kube-proxy has done its work
        answering = _answering(client)
        start = time.monotonic()
        guests["n1"].kill()
        browser.answered(30, after=start + 1)
        gap = browser.longest_gap(start)
    return f"{answering} nodes answer ARP for the address; the holder loses its power: {gap:.2f} s without an answer"


def _guest(lan: Lan, plane: ControlPlane, name: str, *, is_strict: bool) -> GuestNode:
    address, priority = NODES[name]
    router = {
        "name": "web",
        "family": "IPv4",
        "virtualRouterID": 51,
        "addresses": [f"{ADDRESS}/24"],
        "priority": priority,
    }
    program = shlex.quote(str(binaries.path(binaries.kubernetes("kube-proxy"))))
    beside = KUBE_PROXY.format(gateway=CONTROL_PLANE, program=program)
    guest = GuestNode(lan, name, f"{address}/24", router, beside=beside)
    proxy = kube_proxy_configuration(name, plane.kubeconfig_of_proxy(), "ipvs")
    (guest.folder / "kube-proxy.yaml").write_text(yaml.safe_dump({**proxy, "ipvs": {"strictARP": is_strict}}))
    ipset = guest.folder / "ipset"
    ipset.write_text(f'#!/bin/sh\nexec {shlex.join(IPSET.command("usr/sbin/ipset"))} "$@"\n')
    ipset.chmod(0o755)
    return guest


def _answering(client: Host) -> int:
    """How many stations say that the address is theirs, each asked three times."""
    with client.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as wire:
        wire.bind(("eth0", 0))
        request = ARP(pdst=ADDRESS, psrc="10.9.0.99", hwsrc=wire.getsockname()[4])
        seen = set()
        for _ in range(3):
            wire.send(bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src=wire.getsockname()[4]) / request))
            end = time.monotonic() + 0.5
            while select.select([wire], [], [], max(0.0, end - time.monotonic()))[0]:
                reply = Ether(wire.recv(100))
                if reply[ARP].op == 2 and reply[ARP].psrc == ADDRESS:
                    seen.add(reply[ARP].hwsrc)
    return len(seen)


def _service() -> list[dict[str, Any]]:
    ports = [{"name": "", "port": 8080, "protocol": "TCP"}]
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [BACKEND], "conditions": {"ready": True}}],
        "ports": ports,
    }
    spec = {"ports": [{"port": 80, "targetPort": 8080}], "externalIPs": [ADDRESS]}
    metadata = {"name": "web", "namespace": "default"}
    return [{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}, endpoints]


def _node(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    main()
