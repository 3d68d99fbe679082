"""A real control plane: etcd, kube-apiserver and, when asked for, controller manager and scheduler."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

import yaml
from lab import binaries, certificates
from lab.network import Host
from lab.waiting import until

CRDS = Path(__file__).parents[2] / "crds"
READY_WITHIN = 60
"""Seconds; a loaded machine of two cores takes ten."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Ports:
    api: int
    etcd: int
    etcd_peers: int


class ControlPlane:
    """`with ControlPlane() as cluster:` a cluster without nodes, gone afterwards.

    With a `host` it runs in that host's namespace and listens on `address`, which the other hosts of the LAN can reach;
    otherwise it runs where the caller runs, on free ports of 127.0.0.1.
    """

    def __init__(
        self,
        version: str = binaries.RELEASE,
        *,
        host: Host | None = None,
        address: str = "127.0.0.1",
        controllers: bool = False,
    ) -> None:
        self.version = version
        self.address = address
        self._host = host
        names = ["kube-apiserver", *(["kube-controller-manager", "kube-scheduler"] if controllers else [])]
        self._programs = {name: binaries.path(binaries.kubernetes(name, version)) for name in names}
        self._etcd = binaries.path(binaries.ETCD)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        if self._host:
            self.folder = self._host.folder / "control-plane"
            self.folder.mkdir()
            self._ports = _Ports(6443, 2379, 2380)
        else:
            self.folder = Path(tempfile.mkdtemp(prefix="lab-control-plane-"))
            self._ports = _free_ports()
        self.port = self._ports.api
        self.server = f"https://{self.address}:{self.port}"
        self._make_certificates()
        try:
            self._start_etcd()
            self.start_api_server()
            self._start_controllers()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        for name in reversed(list(self._running)):
            self._kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "admin.kubeconfig"

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Standard output. Raises `RuntimeError` with kubectl's own words when it fails and `check` is on."""
        done = self.try_kubectl(*arguments, stdin=stdin)
        if check and done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def try_kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """As `kubectl`, for a command whose refusal is the point."""
        command = [str(binaries.kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments]
        if self._host:
            return self._host.run(command, check=False, stdin=stdin, timeout=60)
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)

    def apply(self, manifest: str | Path) -> None:
        """Text of one or more YAML documents, or a file of them; server-side, so that large CRDs fit."""
        text = manifest.read_text() if isinstance(manifest, Path) else manifest
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def define_kinds(self) -> None:
        """floatip's CRDs; returns when their kinds are served."""
        for path in sorted(CRDS.glob("*.yaml")):
            self.apply(path)
        self.wait_for_kinds()

    def wait_for_kinds(self) -> None:
        """Of a CRD that has no conditions yet `kubectl wait` does not wait, but fails."""
        wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]
        until(lambda: self.try_kubectl(*wait).returncode == 0, READY_WITHIN, "every CRD is established")

    def get(self, *arguments: str) -> dict[str, Any]:
        """One object, or one List."""
        document: dict[str, Any] = json.loads(self.kubectl("get", "-o", "json", *arguments))
        return document

    def token(self, service_account: str, namespace: str, pod: str | None = None) -> str:
        """A token of the service account, bound to a Pod when one is named, as a kubelet would project it."""
        bound = [f"--bound-object-kind=Pod --bound-object-name={pod}"] if pod else []
        arguments = [word for option in bound for word in option.split()]
        return self.kubectl("create", "token", service_account, "-n", namespace, "--duration=24h", *arguments).strip()

    def kubeconfig_for(self, name: str, token: str, namespace: str = "default") -> Path:
        """A kubeconfig that holds the token."""
        return self._write_kubeconfig(name, {"token": token}, namespace)

    def kubeconfig_of_node(self, name: str) -> Path:
        """What a kubelet of this node name uses."""
        issued = self._authority.issue(f"node-{name}", user=f"system:node:{name}", groups=["system:nodes"])
        return self._write_kubeconfig(f"node-{name}", _certificate_user(*issued))

    def kubeconfig_of_proxy(self) -> Path:
        """What a kube-proxy uses."""
        issued = self._authority.issue("kube-proxy", user="system:kube-proxy")
        return self._write_kubeconfig("kube-proxy", _certificate_user(*issued))

    @property
    def authority_certificate(self) -> Path:
        """What signed every certificate of this cluster."""
        return self._authority.certificate

    def stop_api_server(self) -> None:
        """SIGKILL: clients see refused connections."""
        self._kill("kube-apiserver")

    def start_api_server(self) -> None:
        """Start, also again, and wait until it is ready."""
        pki, (private, public) = self._authority, self._service_accounts
        certificate, key = pki.folder / "apiserver.crt", pki.folder / "apiserver.key"
        arguments = {
            "etcd-servers": f"http://127.0.0.1:{self._ports.etcd}",
            "advertise-address": self.address if self._host else _own_address(),
            "bind-address": "0.0.0.0" if self._host else self.address,
            "secure-port": self._ports.api,
            "service-cluster-ip-range": "10.96.0.0/16",
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "client-ca-file": pki.certificate,
            "tls-cert-file": certificate,
            "tls-private-key-file": key,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": public,
            "service-account-signing-key-file": private,
            "cert-dir": self.folder / "api-server",
            # For `kubectl logs` and `exec`: nodes are known by address, there is no DNS for their names.
            "kubelet-client-certificate": pki.folder / "admin.crt",
            "kubelet-client-key": pki.folder / "admin.key",
            "kubelet-preferred-address-types": "InternalIP",
        }
        self._start("kube-apiserver", self._programs["kube-apiserver"], arguments)
        until(self._ready, READY_WITHIN, f"kube-apiserver {self.version} ready; its log: {self._log('kube-apiserver')}")

    def end_all_tokens(self) -> None:
        """Service accounts' tokens are signed with another key from here on, and those of before are refused."""
        self.stop_api_server()
        self._service_accounts = certificates.service_account_key(self._authority.folder)
        self.start_api_server()

    def save_store(self, folder: Path) -> None:
        """A copy of all that etcd has; etcd stands still for a moment."""
        self._kill("etcd")
        shutil.copytree(self.folder / "etcd", folder)
        self._start_etcd()
        until(self._ready, READY_WITHIN, "kube-apiserver has found etcd again")

    def restore_store(self, folder: Path) -> None:
        """etcd as it was when the copy was made, and an API server that has seen nothing since."""
        self.stop_api_server()
        self._kill("etcd")
        shutil.rmtree(self.folder / "etcd")
        shutil.copytree(folder, self.folder / "etcd")
        self._start_etcd()
        self.start_api_server()

    def _ready(self) -> bool:
        if self._running["kube-apiserver"].poll() is not None:
            raise RuntimeError(f"kube-apiserver ended: {_tail(self._log('kube-apiserver'))}")
        return self.try_kubectl("get", "--raw", "/readyz", "--request-timeout=2s").returncode == 0

    def _start_etcd(self) -> None:
        clients, peers = (f"http://127.0.0.1:{port}" for port in (self._ports.etcd, self._ports.etcd_peers))
        arguments = {
            "name": "lab",
            "data-dir": self.folder / "etcd",
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"lab={peers}",
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }
        self._start("etcd", self._etcd, arguments)

    def _start_controllers(self) -> None:
        for name in ("kube-controller-manager", "kube-scheduler"):
            if name not in self._programs:
                continue
            certificate, key = self._authority.issue(name, user=f"system:{name}")
            kubeconfig = self._write_kubeconfig(name, _certificate_user(certificate, key))
            arguments: dict[str, object] = {
                "kubeconfig": kubeconfig,
                "authentication-kubeconfig": kubeconfig,
                "authorization-kubeconfig": kubeconfig,
                "leader-elect": "false",
                "bind-address": "127.0.0.1",
                "secure-port": 0,
            }
            if name == "kube-controller-manager":
                arguments |= {
                    "use-service-account-credentials": "true",
                    "service-account-private-key-file": self._service_accounts[0],
                    "root-ca-file": self._authority.certificate,
                }
            self._start(name, self._programs[name], arguments)

    def _make_certificates(self) -> None:
        self._authority = certificates.Authority(self.folder / "pki")
        names = ["127.0.0.1", "10.96.0.1", "kubernetes", "kubernetes.default.svc", self.address]
        self._authority.issue("apiserver", user="kube-apiserver", hosts=dict.fromkeys(names))
        admin = self._authority.issue("admin", user="admin", groups=["system:masters"])
        self._service_accounts = certificates.service_account_key(self._authority.folder)
        self._write_kubeconfig("admin", _certificate_user(*admin))

    def _write_kubeconfig(self, name: str, user: dict[str, str], namespace: str = "default") -> Path:
        cluster = {"server": self.server, "certificate-authority": str(self._authority.certificate)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name, "namespace": namespace}}],
            "current-context": "lab",
        }
        path = self.folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(document))
        return path

    def _start(self, name: str, program: Path, arguments: dict[str, Any]) -> None:
        command = [str(program), *(f"--{option}={value}" for option, value in arguments.items())]
        log = self._log(name)
        if self._host:
            self._running[name] = self._host.popen(command, log=log)
        else:
            self._running[name] = _popen(command, log)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _kill(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        process.wait(timeout=10)


OwnControlPlane = Callable[..., AbstractContextManager[ControlPlane]]
"""The fixture `control_plane_of_ones_own`."""


def _certificate_user(certificate: Path, key: Path) -> dict[str, str]:
    return {"client-certificate": str(certificate), "client-key": str(key)}


def _popen(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=os.environ
        )


def _free_ports() -> _Ports:
    """Ports that were free a moment ago."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for listener in (one, two, three):
            listener.bind(("127.0.0.1", 0))
        return _Ports(*(int(listener.getsockname()[1]) for listener in (one, two, three)))


def _own_address() -> str:
    """What the kubernetes Service points at; the API server refuses a loopback address here. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "192.0.2.1"
        return str(probe.getsockname()[0])


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])
