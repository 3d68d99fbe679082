"""A lab that outlives the process that made it, with a kubeconfig that works where the user is."""

from __future__ import annotations

from pathlib import Path

import yaml
from lab.control_plane import ControlPlane
from lab.network import NAMESPACES, Host, Lan
from lab.services import forwarded


def leave_running(lan: Lan, control_plane_host: Host, control_plane: ControlPlane) -> None:
    """Print how to look at what the caller leaves, and leave the LAN too."""
    lan.keep()
    kubeconfig = _reachable_kubeconfig(lan, control_plane_host, control_plane)
    print(f"\nexport KUBECONFIG={kubeconfig}\n.venv/bin/kubectl get fip -o wide")
    for host in lan.hosts.values():
        print(f"nsenter --net={NAMESPACES / host.namespace} ip address show eth0    # {host.name}")


def _reachable_kubeconfig(lan: Lan, host: Host, control_plane: ControlPlane) -> Path:
    """The API server listens in a namespace; its certificate is good for 127.0.0.1 too, where a forwarder listens."""
    port = forwarded(host, control_plane.port, lan.folder / "forwarder")
    document = yaml.safe_load(control_plane.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = lan.folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document))
    return path
