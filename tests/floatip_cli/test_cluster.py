"""`floatip status` and `floatip forget` against a real API server, through the real kubectl."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from floatip_api import names
from floatip_api.generate import ROOT
from floatip_cli.__main__ import main
from lab.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

NODE = "forgotten-1"
STATUS = {
    "activeNodes": [NODE],
    "activeNode": NODE,
    "virtualRouterID": 51,
    "nodes": [{"name": NODE, "family": "IPv4", "state": "Unknown", "priority": 150, "reason": "not heard of"}],
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "HolderUnknown",
            "message": "last held by it",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
}


@pytest.fixture
def plane(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    """One FloatingIP that waits for a node, one that does not."""
    for crd in ("floatingips.yaml", "floatingipnodes.yaml"):
        control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds" / crd))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    router = {"name": "waits", "family": "IPv4", "virtualRouterID": 51, "addresses": ["192.0.2.94/24"], "priority": 150}
    head = {"apiVersion": names.API_VERSION}
    control_plane.apply(
        yaml.safe_dump_all(
            [
                {**head, "kind": "FloatingIP", "metadata": {"name": name}, "spec": {"addresses": [address]}}
                for name, address in (("waits", "192.0.2.94/24"), ("other", "192.0.2.95/24"))
            ]
            + [{**head, "kind": "FloatingIPNode", "metadata": {"name": NODE}, "spec": {"virtualRouters": [router]}}]
        )
    )
    patch = json.dumps({"status": STATUS})
    control_plane.kubectl("patch", "fip", "waits", "--subresource=status", "--type=merge", "-p", patch)
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    yield control_plane
    control_plane.kubectl("delete", "fip", "waits", "other")
    control_plane.kubectl("delete", "fipn", NODE)


def _abandoned(plane: ControlPlane, name: str) -> str | None:
    annotations: dict[str, str] = plane.get("fip", name)["metadata"].get("annotations", {})
    return annotations.get(names.ABANDON)


def test_status_says_who_holds_it_and_what_is_wrong(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "waits"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"waits  192.0.2.94/24  router 51  held by {NODE}",
        f"  {NODE}  IPv4  Unknown  150  not heard of",
        "  Ready=False  HolderUnknown: last held by it",
    ]
    assert main(["status"]) == 0
    assert "other  192.0.2.95/24  router -  held by nobody" in capsys.readouterr().out


def test_a_name_that_is_not_there_is_said(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "absent"]) == 1
    assert '"absent" not found' in capsys.readouterr().err


def test_forget_marks_what_waits_and_nothing_else(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    plane.kubectl("annotate", "fip", "waits", f"{names.ABANDON}=another")
    assert main(["forget", NODE, "--yes"]) == 0
    assert _abandoned(plane, "waits") == f"another,{NODE}"
    assert _abandoned(plane, "other") is None
    assert f"waits does not wait for {NODE} any more" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "expected"), [("no\n", None), ("", None), (f"{NODE}\n", NODE)])
def test_forget_asks_for_the_nodes_name(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, answer: str, expected: str | None
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["forget", NODE]) == (0 if expected else 1)
    assert _abandoned(plane, "waits") == expected
