"""Ways to the API server."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_agent.keeper import access
from lab.certificates import Authority


def write(path: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None) -> Path:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_token_file_is_read_each_time(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    found = access.from_kubeconfig(write(tmp_path / "config", {"tokenFile": "token"}))
    assert (found.server, found.token()) == ("https://10.0.0.1:6443", "one")
    (tmp_path / "token").write_text("two\n")
    assert found.token() == "two"


def test_certificates_as_text_and_as_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    certificate, key = authority.issue("node", user="node")
    files = {"client-certificate": str(certificate), "client-key": str(key)}
    data = {f"{name}-data": base64.b64encode(Path(path).read_bytes()).decode() for name, path in files.items()}
    for user in (files, data):
        cluster = {"certificate-authority": str(authority.certificate)}
        context = access.from_kubeconfig(write(tmp_path / "config", user, cluster)).context()
        assert context is not None
        assert len(context.get_ca_certs()) == 1


def test_in_a_pod(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    found = access.in_cluster("fd00::1", "443", tmp_path)
    assert (found.server, found.token()) == ("https://[fd00::1]:443", "t")
    variables = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    assert access.find(variables).server == "https://10.96.0.1:6443"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not a usable kubeconfig"),
        ("{", "not a usable kubeconfig"),
        ("current-context: x\ncontexts: []\n", "contexts: none is named 'x'"),
        (None, "No such file"),
    ],
)
def test_an_unusable_kubeconfig_is_named(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(access.AccessError, match=f"{path}: .*{reason}"):
        access.find({"KUBECONFIG": str(path)})


def test_a_broken_line_is_named_not_shown(tmp_path: Path) -> None:
    """It may be the one with the token."""
    path = tmp_path / "config"
    path.write_text("users:\n- user: {token: geheim: x}\n")
    with pytest.raises(access.AccessError, match=r"line 2$") as refused:
        access.find({"KUBECONFIG": str(path)})
    assert "geheim" not in str(refused.value)


def test_what_is_not_supported_is_said(tmp_path: Path) -> None:
    with pytest.raises(access.AccessError, match=r"users\[\].user.exec: not supported"):
        access.from_kubeconfig(write(tmp_path / "config", {"exec": {}}))
    with pytest.raises(access.AccessError, match="there is no API server to ask"):
        access.find({})
