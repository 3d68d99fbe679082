"""How to reach the API server: from inside a pod, or by a kubeconfig."""

from __future__ import annotations

import base64
import dataclasses
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class AccessError(Exception):
    """No usable way to an API server; the text names the file and the field."""


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """Files are named, not read: certificates and tokens are replaced while the keeper runs."""

    server: str
    token: Callable[[], str | None]
    """Raises OSError."""
    context: Callable[[], ssl.SSLContext | None]
    """Raises OSError. None: plain HTTP."""


def find(environment: Mapping[str, str] = os.environ) -> Access:
    """KUBECONFIG when it is set, else the pod's service account. Raises `AccessError`."""
    if path := environment.get("KUBECONFIG"):
        return from_kubeconfig(Path(path))
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise AccessError("neither KUBECONFIG nor a pod's service account: there is no API server to ask")
    return in_cluster(host, port)


def in_cluster(host: str, port: str, folder: Path = SERVICE_ACCOUNT) -> Access:
    """By the token and the authority that the kubelet keeps in the pod."""
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        token=lambda: (folder / "token").read_text().strip(),
        context=lambda: ssl.create_default_context(cafile=folder / "ca.crt"),
    )


def from_kubeconfig(path: Path) -> Access:
    """By its current context: token, tokenFile or client certificate, as text or as files. Raises `AccessError`."""
    try:
        document = yaml.safe_load(path.read_text())
        context = _named(document, "contexts", "context", document["current-context"])
        cluster = _named(document, "clusters", "cluster", context["cluster"])
        user = _named(document, "users", "user", context["user"])
        server = str(cluster["server"]).rstrip("/")
    except OSError as error:
        raise AccessError(f"{path}: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:  # its own text quotes the line, which may hold a token
        line = f" on line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise AccessError(f"{path}: not a usable kubeconfig: {error.problem}{line}") from None
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise AccessError(f"{path}: not a usable kubeconfig: {error}") from error
    for field in ("exec", "auth-provider"):
        if field in user:
            raise AccessError(
                f"{path}: users[].user.{field}: not supported; use token, tokenFile or a client certificate"
            )
    return Access(
        server=server,
        token=lambda: _token(path.parent, user),
        context=lambda: _context(path.parent, cluster, user) if server.startswith("https:") else None,
    )


def _named(document: dict[str, Any], many: str, one: str, name: str) -> dict[str, Any]:
    for entry in document[many]:
        if entry["name"] == name:
            return dict(entry[one])
    raise KeyError(f"{many}: none is named {name!r}")


def _token(folder: Path, user: dict[str, Any]) -> str | None:
    if file := user.get("tokenFile"):
        return (folder / str(file)).read_text().strip()
    token = user.get("token")
    return None if token is None else str(token)


def _context(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority = _text(folder, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _text(folder, user, "client-certificate"), _text(folder, user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile() as both:  # ssl takes a client certificate from a file only; mode 0600
            both.write(certificate.rstrip() + b"\n" + key)
            both.flush()
            context.load_cert_chain(both.name)
    return context


def _text(folder: Path, fields: dict[str, Any], name: str) -> bytes | None:
    if data := fields.get(f"{name}-data"):
        return base64.b64decode(data)
    if file := fields.get(name):
        return (folder / str(file)).read_bytes()
    return None
