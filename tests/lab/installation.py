"""The product as its users install it: `helm install` on a cluster of real kubelets, from local images."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from floatip_api import names
from lab import binaries, kubelets
from lab.control_plane import ControlPlane
from lab.image import Image
from lab.image_parts import ROOT
from lab.images import TAG, Images, built
from lab.network import Lan
from lab.waiting import until

CHART = ROOT / "charts" / "floatip"
NAMESPACE = names.DEFAULT_NAMESPACE
RELEASE = "floatip"

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Release:
    """A chart and the images that belong to it."""

    chart: Path
    images: Images

    @classmethod
    def of(cls, source: Path = ROOT, tag: str = TAG) -> Release:
        """Of these sources; images are built where they are not yet. Raises `ImageError`."""
        return cls(source / "charts" / "floatip", built(source, tag))

    def values(self) -> list[str]:
        """helm's arguments that name the images."""
        return [*_image("agent", self.images.agent), *_image("operator", self.images.operator)]


class Installation:
    """`with Installation(lan, "10.9.0.10/24", {"n1": "10.9.0.1/24"}) as installed:` a cluster with floatip in it.

    `say` hears one line for every part that is up. The first of `releases` is installed, with more `values` (helm's arguments); the images
    of all are on the nodes. None given: that of the sources as they are now.
    """

    def __init__(
        self,
        lan: Lan,
        control_plane: str,
        nodes: Mapping[str, str],
        say: Say = lambda _: None,
        *,
        releases: Sequence[Release] = (),
        values: Sequence[str] = (),
    ) -> None:
        self._lan = lan
        self._say = say
        self._releases = releases
        self._more_values = values
        self._stack = contextlib.ExitStack()
        self.control_plane_host = lan.host("control-plane", control_plane)
        self._addresses = nodes
        gateway = control_plane.partition("/")[0]
        self.hosts = {name: lan.host(name, address, gateway=gateway) for name, address in nodes.items()}
        self.control_plane = ControlPlane(host=self.control_plane_host, address=gateway, controllers=True)
        self.nodes: dict[str, kubelets.Node] = {}
        self.installed_at = 0.0
        """When `helm install` was typed, by the monotonic clock."""

    def __enter__(self) -> Self:
        kubelets.sweep_cgroups(self._lan.prefix)
        self._releases = self._releases or [Release.of()]
        self._say("images of agent and operator")
        self._stack.enter_context(self.control_plane)
        self._say(f"etcd, kube-apiserver {self.control_plane.version}, controller manager, scheduler")
        try:
            with ThreadPoolExecutor() as threads:
                list(threads.map(self._start_node, range(1, len(self.hosts) + 1)))
            self.control_plane.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=60s")
            self._say(f"containerd and kubelet on {', '.join(self.nodes)}: Ready")
            self.install()
        except BaseException as error:
            self._note(error)
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def leave(self) -> None:
        """The end of the block ends nothing."""
        self._stack.pop_all()

    def install(self) -> None:
        """`helm install`, until every agent is Ready."""
        self.installed_at = time.monotonic()
        release = self._releases[0]
        waiting = ["--create-namespace", "--wait", "--timeout=120s"]
        self.helm("install", RELEASE, str(release.chart), *waiting, *release.values(), *self.values)
        self._say(f"helm install: the operator is Ready after {time.monotonic() - self.installed_at:.1f} s")
        self.wait_for_agents(60)
        self._say(f"the agents are Ready after {time.monotonic() - self.installed_at:.1f} s")

    @property
    def values(self) -> list[str]:
        """helm's arguments beside the images: there is no kube-proxy here, so the address of the Service `kubernetes` leads nowhere."""
        address, port = self.control_plane.address, self.control_plane.port
        server = [f"--set=kubernetesServiceHost={address}", f"--set-string=kubernetesServicePort={port}"]
        return [*server, *self._more_values]

    def helm(self, *arguments: str) -> str:
        """Standard output. Raises `RuntimeError` with all that helm and its hooks said."""
        with tempfile.TemporaryDirectory() as home:
            environment = [f"HELM_{name}_HOME={home}" for name in ("CACHE", "CONFIG", "DATA")]
            program = [str(binaries.path(binaries.HELM)), f"--kubeconfig={self.control_plane.kubeconfig}"]
            command = ["env", *environment, *program, f"--namespace={NAMESPACE}", *arguments]
            done = self.control_plane_host.run(command, timeout=180, check=False)
        if done.returncode:
            raise RuntimeError(f"helm {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def pods(self, name: str) -> list[dict[str, Any]]:
        """The Pods with this `app.kubernetes.io/name`."""
        selector = f"--selector=app.kubernetes.io/name={name}"
        found: list[dict[str, Any]] = self.control_plane.get("pods", "-n", NAMESPACE, selector)["items"]
        return found

    def wait_for_agents(self, seconds: float, *nodes: str) -> None:
        """Until an agent Pod is Ready on each of these nodes; on all, when none is named."""
        expected = set(nodes or self.nodes)
        until(lambda: expected <= self.ready_agents(), seconds, f"agents Ready on {', '.join(sorted(expected))}")

    def ready_agents(self) -> set[str]:
        """The nodes whose agent Pod is Ready."""
        return {pod["spec"]["nodeName"] for pod in self.pods("floatip-agent") if _is_ready(pod)}

    def power_on(self, name: str) -> None:
        """After `Node.power_off`; what was in /var is there, images too."""
        self.nodes[name].start()
        self.nodes[name].start_kubelet()

    def _start_node(self, number: int) -> None:
        (name, host) = list(self.hosts.items())[number - 1]
        address = self._addresses[name].partition("/")[0]
        node = kubelets.Node(host, self.control_plane, address, number)
        self._stack.callback(node.end)
        self.nodes[name] = node
        # What a network of Pods does: the control plane reaches them, and they reach it.
        self.control_plane_host.run(["ip", "route", "add", node.pod_subnet, "via", address])
        node.start()
        for images in (release.images for release in self._releases):
            node.load((images.pause, images.agent, images.operator))
        node.start_kubelet()
        until(lambda: self._registered(name), 60, f"{name} registers itself")

    def _registered(self, name: str) -> bool:
        return not self.control_plane.try_kubectl("get", "node", name).returncode

    def _note(self, error: BaseException) -> None:
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            error.add_note(self.control_plane.kubectl("get", "nodes,pods,events", "-A", "-o", "wide"))
        for name, text in self._lan.logs():
            error.add_note(f"last lines of {name}:\n{text}")


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _image(target: str, image: Image) -> list[str]:
    repository, _, tag = image.name.rpartition(":")
    return [f"--set=image.{target}.repository={repository}", f"--set=image.{target}.tag={tag}"]
