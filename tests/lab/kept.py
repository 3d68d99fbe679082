"""A lab that outlives the process that made it, with a kubeconfig that works where the user is."""

from __future__ import annotations

from pathlib import Path

import yaml
from lab.cluster import Cluster
from lab.network import NAMESPACES, Lan
from lab.services import forwarded


def leave_running(lan: Lan, cluster: Cluster) -> None:
    """Nothing ends when this process does; print how to look at it."""
    cluster.leave()
    lan.keep()
    kubeconfig = _reachable_kubeconfig(lan, cluster)
    print(f"\nexport KUBECONFIG={kubeconfig}\n.venv/bin/kubectl get fip -o wide")
    for node in cluster.nodes.values():
        print(f"nsenter --net={NAMESPACES / node.namespace} ip address show eth0    # {node.name}")
    for program in (cluster.operator, *cluster.agents.values()):
        print(f"tail -f {program.log}")


def _reachable_kubeconfig(lan: Lan, cluster: Cluster) -> Path:
    """The API server listens in a namespace; its certificate is good for 127.0.0.1 too, where a forwarder listens."""
    port = forwarded(cluster.control_plane_host, cluster.control_plane.port, lan.folder / "forwarder")
    document = yaml.safe_load(cluster.control_plane.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = lan.folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document))
    return path
