"""Nodes with a real kubelet: containerd and kubelet in a host's network namespace.

Each node also has a mount and a process namespace of its own. So it has its own /var and /run, and when its first process
is killed everything on it dies at once, as in a power cut: containers, shims and mounts too. What the machine keeps are
the cgroups, which `Node.power_off` removes, and `sweep_cgroups` after a run that died.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from lab import binaries
from lab.control_plane import ControlPlane
from lab.image import Image
from lab.images import PAUSE
from lab.network import NAMESPACES, Host
from lab.waiting import until

CGROUPS = Path("/sys/fs/cgroup")
HIERARCHIES = ("cpu", "cpuacct", "cpuset", "memory", "pids", "systemd")
"""What a kubelet wants to find its cgroup in, of version 1."""
CNI_PLUGINS = Path("/usr/lib/cni")
PROGRAMS = ("containerd", "ctr", "runc", "catatonit", "unshare", "iptables")
POD_NETWORK = "10.244.0.0/16"
SOCKET = "/run/containerd/containerd.sock"

# The first process reaps what loses its parent. /var and /run are the node's own; the cgroups are the machine's. There is
# no name server, and a kubelet that asks for its node's name is told so at once.
FIRST_PROCESS = """set -e
mount --bind "$1" /var
mount -t tmpfs run /run
touch /run/resolv.conf
mount --bind /run/resolv.conf /etc/resolv.conf
exec catatonit -- sleep infinity
"""

CONTAINERD = f"""
version = 2
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Without CAP_SYS_RESOURCE no process may lower its oom_score_adj.
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  disable_tcp_service = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "/var/lib/cni/net.d"
"""


def missing() -> str | None:
    """Why no kubelet can run on this machine, or None."""
    if os.geteuid() != 0:
        return "kubelets need root"
    if lacking := [program for program in PROGRAMS if not shutil.which(program)]:
        return f"not installed: {', '.join(lacking)}"
    if not (CNI_PLUGINS / "bridge").exists():
        return f"no CNI plugins in {CNI_PLUGINS}: containernetworking-plugins"
    if lacking := [name for name in HIERARCHIES if not (CGROUPS / name / "cgroup.procs").exists()]:
        return f"no cgroup version 1 hierarchy for {', '.join(lacking)}"
    try:
        binaries.path(binaries.kubernetes("kubelet"))
    except binaries.MissingBinary as error:
        return str(error)
    return None


class Node:
    """One node of a cluster. `number` gives its Pods the subnet 10.244.NUMBER.0/24.

    Its kubelet is told no address, as is usual: it takes the first one of the interface of the host's default route.
    """

    def __init__(self, host: Host, plane: ControlPlane, address: str, number: int) -> None:
        self.host = host
        self.address = address
        self.pod_subnet = f"10.244.{number}.0/24"
        self._kubelet = binaries.path(binaries.kubernetes("kubelet"))
        self._kubeconfig = plane.kubeconfig_of_node(host.name)
        self._first = 0
        self._write_settings(plane)

    def start(self) -> None:
        """Power on; also again, with everything that lies in /var. What it needs of images must be loaded next."""
        _make_cgroups(self.host.namespace)
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command += ["sh", "-c", FIRST_PROCESS, "node", str(self._var)]
        outside = self.host.popen(command, log=self.host.folder / "first-process.log")
        children = _children(outside)
        self._first = int(until(children.read_text, 10, f"{self.host}: first process"))
        until(lambda: Path(f"/proc/{self._first}/comm").read_text() == "catatonit\n", 10, f"{self.host}: /var, /run")
        self._popen(["containerd", f"--config={self._folder / 'containerd.toml'}"], "containerd.log")
        until(lambda: not self.run("ctr", "version", check=False).returncode, 30, f"{self.host}: containerd answers")

    def load(self, images: Iterable[Image]) -> None:
        for image in images:
            self.run("ctr", "--namespace=k8s.io", "images", "import", str(image.archive), timeout=120)

    def start_kubelet(self) -> None:
        """After the images: there is no registry to pull them from."""
        arguments = [f"--config={self._folder / 'kubelet.yaml'}", f"--kubeconfig={self._kubeconfig}"]
        arguments += [f"--hostname-override={self.host.name}"]
        self._running_kubelet = self._popen([str(self._kubelet), *arguments], "kubelet.log")

    def kill_kubelet(self) -> None:
        """SIGKILL. Its containers live on."""
        os.kill(int(_children(self._running_kubelet).read_text()), signal.SIGKILL)
        self._running_kubelet.wait(timeout=10)

    def start_kube_proxy(self, kubeconfig: Path, mode: str) -> None:
        """In the mode "nftables" or "iptables", and with a way to the Pods of the other nodes that the caller has to make."""
        proxy = kube_proxy_configuration(self.host.name, kubeconfig, mode)
        (self._folder / "kube-proxy.yaml").write_text(yaml.safe_dump(proxy))
        program = binaries.path(binaries.kubernetes("kube-proxy"))
        self._popen([str(program), f"--config={self._folder / 'kube-proxy.yaml'}"], "kube-proxy.log")

    def run(self, *command: str, check: bool = True, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """On the node: with its files, processes and network."""
        return self.host.run([*self._inside(), *command], check=check, timeout=timeout)

    def kill_containers(self, *names: str) -> None:
        """SIGKILL to the first process of every running container of these names, at once; the others go with it."""
        tasks = [line.split() for line in self._ctr("tasks", "list").splitlines()[1:]]
        running = {identity: process for identity, process, status in tasks if status == "RUNNING"}
        processes = [process for identity, process in running.items() if self._container_name(identity) in names]
        if len(processes) != len(names):
            raise RuntimeError(f"{self.host}: {len(processes)} containers run of {', '.join(names)}")
        self.run("kill", "-KILL", *processes)

    def power_off(self) -> None:
        """Every process of the node dies at once, and its cgroups go as they do with a kernel that is booted anew: a kubelet
        would look for the containers of those that it finds, 30 s long. Network namespace and addresses live on.
        """
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._first, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{self._first}").exists(), 20, f"{self.host} is off")
        remove_cgroups(self.host.namespace)

    def end(self) -> None:
        """Power off for good; also when it never was on."""
        if self._first:
            self.power_off()
        remove_cgroups(self.host.namespace)

    def _container_name(self, identity: str) -> str:
        labels: dict[str, str] = json.loads(self._ctr("containers", "info", identity))["Labels"]
        return labels.get("io.kubernetes.container.name", "")

    def _ctr(self, *arguments: str) -> str:
        return self.run("ctr", "--namespace=k8s.io", *arguments).stdout

    def _inside(self) -> list[str]:
        return ["nsenter", f"--target={self._first}", "--mount", "--pid", "--"]

    def _popen(self, command: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        """What `nsenter` waits for is its only child."""
        return self.host.popen([*self._inside(), *command], log=self.host.folder / log)

    def _write_settings(self, plane: ControlPlane) -> None:
        self._folder = self.host.folder / "settings"
        self._var = self.host.folder / "var"
        network = self._var / "lib" / "cni" / "net.d" / "pods.conflist"
        for folder in (self._folder, network.parent):
            folder.mkdir(parents=True)
        (self._folder / "containerd.toml").write_text(CONTAINERD)
        kubelet = _kubelet_configuration(self.host.namespace, self.address, plane.authority_certificate)
        (self._folder / "kubelet.yaml").write_text(yaml.safe_dump(kubelet))
        addresses = {"type": "host-local", "ranges": [[{"subnet": self.pod_subnet}]], "dataDir": "/run/cni"}
        bridge = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "ipam": addresses}
        network.write_text(json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}))


def sweep_cgroups(prefix: str) -> None:
    """Remove those of nodes whose network namespace is gone."""
    for cgroup in CGROUPS.glob(f"*/{prefix}-*"):
        if not (NAMESPACES / cgroup.name).exists():
            remove_cgroups(cgroup.name)


def remove_cgroups(name: str) -> None:
    """In every hierarchy; those of the children first. A process that was just killed may still be in one."""

    def gone() -> bool:
        for top in CGROUPS.glob(f"*/{name}"):
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        return not list(CGROUPS.glob(f"*/{name}"))

    until(gone, 10, f"the cgroups of {name} are empty")


def _children(process: subprocess.Popen[bytes]) -> Path:
    """The file with their numbers."""
    return Path(f"/proc/{process.pid}/task/{process.pid}/children")


def _make_cgroups(name: str) -> None:
    """The kubelet's root must be there, and a fresh cpuset allows nothing."""
    for hierarchy in HIERARCHIES:
        (CGROUPS / hierarchy / name).mkdir(exist_ok=True)
    for setting in ("cpuset.cpus", "cpuset.mems"):
        value = (CGROUPS / "cpuset" / setting).read_text()
        (CGROUPS / "cpuset" / name / setting).write_text(value)


def kube_proxy_configuration(node: str, kubeconfig: Path, mode: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": mode,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "hostnameOverride": node,
        "clusterCIDR": POD_NETWORK,
        "detectLocalMode": "ClusterCIDR",
        # The machine's own settings of connection tracking are not a node's to change.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _kubelet_configuration(cgroup: str, address: str, authority: Path) -> dict[str, Any]:
    thresholds = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        # Other values need CAP_SYS_RESOURCE.
        "oomScoreAdj": 0,
        "maxOpenFiles": 20000,
        # The machine is shared: its disk and memory are not the node's to judge.
        "evictionHard": dict.fromkeys(thresholds, "0%"),
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "2s",
    }
