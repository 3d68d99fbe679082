"""Which program is taken, and which is skipped with a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import binaries, go_modules
from lab.binaries import ETCD, NEWEST, OLDEST, MissingBinary, kubernetes


@pytest.fixture(autouse=True)
def _looked_up_anew() -> Iterator[None]:
    binaries.look.cache_clear()
    yield
    binaries.look.cache_clear()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Empty folders for the three places."""
    places = {"assets": tmp_path / "assets", "path": tmp_path / "path", "cache": tmp_path / "cache"}
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(places["assets"]))
    monkeypatch.setenv("PATH", f"{places['path']}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(places["cache"]))
    return places


def _program(path: Path, output: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)
    return path


def test_kubebuilder_assets_come_before_path_before_cache(places: dict[str, Path]) -> None:
    expected = [_program(places["assets"] / "etcd", "etcd Version: 3.6.9")]
    expected.append(_program(places["path"] / "etcd", "etcd Version: 3.6.5"))
    expected.append(_program(ETCD.cached, "etcd Version: 3.6.5"))
    for place in expected:
        binaries.look.cache_clear()
        assert binaries.path(ETCD) == place
        place.unlink()


def test_one_that_is_too_old_is_skipped_with_a_line(
    places: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    old = _program(places["path"] / "etcd", "etcd Version: 3.4.23")
    cached = _program(ETCD.cached, "etcd Version: 3.6.5")
    assert binaries.path(ETCD) == cached
    assert capsys.readouterr().out == f"skipped {old} (PATH): version 3.4.23, 3.6 or later is needed\n"


def test_a_newer_api_server_is_no_stand_in_for_the_oldest(places: dict[str, Path]) -> None:
    newest = _program(places["assets"] / "kube-apiserver", f"Kubernetes v{NEWEST}")
    assert binaries.path(kubernetes("kube-apiserver", NEWEST)) == newest
    with pytest.raises(MissingBinary, match=f"kube-apiserver {OLDEST} is not in"):
        binaries.path(kubernetes("kube-apiserver", OLDEST))


def test_staging_modules_are_replaced_by_the_published_ones(tmp_path: Path) -> None:
    upstream = tmp_path / "upstream.mod"
    upstream.write_text(
        "module k8s.io/kubernetes\n\ngo 1.26.0\n\nrequire k8s.io/api v0.0.0\n\nreplace (\n"
        "\tk8s.io/api => ./staging/src/k8s.io/api\n\tk8s.io/client-go => ./staging/src/k8s.io/client-go\n)\n"
    )
    go = _program(tmp_path / "go", f'{{"GoMod": "{upstream}"}}')
    packages = go_modules.kubernetes(str(go), tmp_path, "1.36.3", ["kube-apiserver"])
    assert packages == ["k8s.io/kubernetes/cmd/kube-apiserver"]
    assert (tmp_path / "go.mod").read_text() == (
        "module floatip.dev/lab/build\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v1.36.3\n\n"
        "replace k8s.io/api => k8s.io/api v0.36.3\nreplace k8s.io/client-go => k8s.io/client-go v0.36.3\n"
    )
