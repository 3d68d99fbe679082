"""`floatip status`, `floatip forget` and `floatip move` against a real API server, through the real kubectl."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from floatip_api import names
from floatip_cli.__main__ import main
from lab.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

NODE = "forgotten-1"
STATUS = {
    "activeNodes": [NODE],
    "activeNode": NODE,
    "virtualRouterID": 51,
    "nodes": [
        {
            "name": NODE,
            "family": "IPv4",
            "state": "Unknown",
            "priority": 150,
            "reason": "not heard of",
            "warnings": [{"reason": "LoopedBack", "message": "its advertisements come back"}],
        }
    ],
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

STRAY = {
    "name": "lost",
    "family": "IPv4",
    "state": "Active",
    "virtualRouterID": 52,
    "warnings": [{"reason": "NotInDocument", "message": "it is served on"}],
}


@pytest.fixture
def plane(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    """One FloatingIP that waits for a node, one that is run there without an entry, one that has nothing to do with it."""
    control_plane.define_kinds()
    router = {"name": "waits", "family": "IPv4", "virtualRouterID": 51, "addresses": ["192.0.2.94/24"], "priority": 150}
    head = {"apiVersion": names.API_VERSION}
    control_plane.apply(
        yaml.safe_dump_all(
            [
                {**head, "kind": "FloatingIP", "metadata": {"name": name}, "spec": {"addresses": [address]}}
                for name, address in (
                    ("waits", "192.0.2.94/24"),
                    ("other", "192.0.2.95/24"),
                    ("third", "192.0.2.96/24"),
                )
            ]
            + [{**head, "kind": "FloatingIPNode", "metadata": {"name": NODE}, "spec": {"virtualRouters": [router]}}]
        )
    )
    unlisted = {"name": "other", "family": "IPv4", "state": "Backup", "virtualRouterID": 53}
    said = json.dumps(
        {"status": {"virtualRouters": [unlisted, STRAY, {**STRAY, "name": "gone", "releasedRequestID": "r"}]}}
    )
    control_plane.kubectl("patch", "fipn", NODE, "--subresource=status", "--type=merge", "-p", said)
    patch = json.dumps({"status": STATUS})
    control_plane.kubectl("patch", "fip", "waits", "--subresource=status", "--type=merge", "-p", patch)
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    yield control_plane
    control_plane.kubectl("delete", "fip", "waits", "other", "third")
    control_plane.kubectl("delete", "fipn", NODE)


def _abandoned(plane: ControlPlane, name: str) -> str | None:
    annotations: dict[str, str] = plane.get("fip", name)["metadata"].get("annotations", {})
    return annotations.get(names.ABANDON)


def test_status_says_who_holds_it_and_what_is_wrong(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "waits"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"waits  192.0.2.94/24  router 51  held by {NODE}",
        f"  {NODE}  IPv4  Unknown  150  not heard of",
        "    LoopedBack: its advertisements come back",
        "  Ready=False  HolderUnknown: last held by it",
    ]
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "other  192.0.2.95/24  router -  held by nobody" in lines
    assert lines[-3:] == [
        "lost  router 52  there is no such FloatingIP",
        f"  {NODE}  IPv4  Active",
        "    NotInDocument: it is served on",
    ]
    assert not any(line.startswith("gone") for line in lines)


def test_a_name_that_is_not_there_is_said(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "absent"]) == 1
    assert '"absent" not found' in capsys.readouterr().err


def test_forget_marks_what_waits_and_nothing_else(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    plane.kubectl("annotate", "fip", "waits", f"{names.ABANDON}=another")
    assert main(["forget", NODE, "--yes"]) == 0
    assert _abandoned(plane, "waits") == f"another,{NODE}"
    assert _abandoned(plane, "other") == NODE, "it is run there without an entry"
    assert _abandoned(plane, "third") is None
    assert f"waits does not wait for {NODE} any more" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "expected"), [("no\n", None), ("", None), (f"{NODE}\n", NODE)])
def test_forget_asks_for_the_nodes_name(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, answer: str, expected: str | None
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["forget", NODE]) == (0 if expected else 1)
    assert _abandoned(plane, "waits") == expected


MOVABLE = [
    {"name": "n1", "family": "IPv4", "state": "Active", "priority": 200},
    {"name": "n2", "family": "IPv4", "state": "Backup", "priority": 180},
    {"name": "n3", "family": "IPv4", "state": "Fault", "priority": 160, "reason": "probe web fails"},
]


def _say(plane: ControlPlane, **status: object) -> None:
    """The operator's word about `other`."""
    patch = json.dumps({"status": status})
    plane.kubectl("patch", "fip", "other", "--subresource=status", "--type=merge", "-p", patch)


def _preferred(plane: ControlPlane) -> str | None:
    annotations: dict[str, str] = plane.get("fip", "other")["metadata"].get("annotations", {})
    return annotations.get(names.PREFER_NODE)


@pytest.mark.parametrize(
    ("node", "nodes", "reason"),
    [
        ("n9", MOVABLE, "other: n9 takes no part; the nodes that do: n1, n2, n3"),
        ("n9", [], "other: n9 takes no part; the nodes that do: none"),
        ("n3", MOVABLE, "other: n3 cannot hold it, it is in Fault (IPv4): probe web fails"),
        ("n2", [MOVABLE[0] | {"priority": 255}, MOVABLE[1]], "other: n1 owns the address (priority 255)"),
    ],
    ids=["no candidate", "nobody", "in Fault", "an owner"],
)
def test_move_refuses_a_node_that_cannot_take_it(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str], node: str, nodes: list[dict[str, object]], reason: str
) -> None:
    _say(plane, nodes=nodes)
    assert main(["move", "other", "--to", node]) == 1
    assert reason in capsys.readouterr().err
    assert _preferred(plane) is None


def test_move_asks_and_says_when_it_is_done(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    _say(plane, nodes=MOVABLE, activeNode="n1")
    assert main(["move", "other", "--to", "n2", "--no-wait"]) == 0
    assert _preferred(plane) == "n2"
    assert main(["move", "other", "--to", "n2", "--timeout", "1"]) == 1
    assert "after 1 s still held by n1" in capsys.readouterr().err
    _say(plane, activeNode="n2")
    assert main(["move", "other", "--to", "n2"]) == 0
    assert "other: held by n2" in capsys.readouterr().out


def test_move_takes_a_whole_sync_group_along(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    _say(plane, nodes=MOVABLE, activeNode="n1")
    for name in ("other", "waits"):
        plane.kubectl("patch", "fip", name, "--type=merge", "-p", json.dumps({"spec": {"syncGroup": "edge"}}))
    assert main(["move", "other", "--to", "n2", "--no-wait"]) == 0
    assert "kubectl annotate fip other waits floatip.dev/prefer-node-" in capsys.readouterr().out
    for name in ("other", "waits"):
        assert plane.get("fip", name)["metadata"]["annotations"][names.PREFER_NODE] == "n2"


@pytest.mark.parametrize("arguments", [["other"], ["other", "--to", "N 1"], ["other", "--to", "n1", "--timeout", "0"]])
def test_move_refuses_unusable_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["move", *arguments])
    assert ended.value.code == 2
