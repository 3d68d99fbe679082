"""The `floatip` command: "Exit status of every command: 0 done, 2 unusable arguments or documents" (api.md)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from floatip_agent.keeper.entry import Entry, read_entry
from floatip_api.documents import load, validate
from floatip_api.generate import ROOT
from floatip_cli.__main__ import main

EXAMPLES = ROOT / "examples"

MANIFEST = """\
apiVersion: floatip.dev/v1alpha1
kind: FloatingIP
metadata: {name: NAME}
spec:
  addresses: [ADDRESS, "2001:db8::94/64"]
  virtualRouterID: 51
  nodes:
  - {name: node-1, priority: 150, interface: bond0, sourceAddresses: ["fe80::1"]}
  - {selector: {matchLabels: {role: web}}, priority: 90}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "web.yaml"
    path.write_text(MANIFEST.replace("NAME", "web").replace("ADDRESS", "192.0.2.94/24"))
    return path


def test_the_examples_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", *map(str, sorted(EXAMPLES.glob("*.yaml")))]) == 0
    output = capsys.readouterr()
    assert [line.partition(": ")[2] for line in output.out.splitlines()] == [
        "FloatingIP web is valid",
        "FloatingIP elk is valid",
        "FloatingIP ingress is valid",
    ]
    assert "elk-secret.yaml:2: Secret is not floatip's: not checked" in output.err


def test_faults_of_all_files_are_said(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = manifest.with_name("bad.yaml")
    bad.write_text(manifest.read_text().replace("/24", "").replace("51", "510"))
    assert main(["validate", str(bad), str(manifest), str(manifest.with_name("absent.yaml"))]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        f"{bad}:6: spec.virtualRouterID: 510: must be less than or equal to 255",
        f"{manifest.with_name('absent.yaml')}: No such file or directory",
    ]


def test_render_for_a_node_by_name(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--node", "node-1", str(manifest)]) == 0
    document = yaml.safe_load(capsys.readouterr().out)
    assert document["metadata"] == {"name": "node-1"}
    first, second = document["spec"]["virtualRouters"]
    assert (first["name"], first["family"], first["addresses"]) == ("web", "IPv4", ["192.0.2.94/24"])
    assert (second["name"], second["family"], second["addresses"]) == ("web", "IPv6", ["2001:db8::94/64"])
    assert {router["virtualRouterID"] for router in (first, second)} == {51}
    assert {router["priority"] for router in (first, second)} == {150}
    assert {router["interface"] for router in (first, second)} == {"bond0"}
    assert ("sourceAddress" in first, second["sourceAddress"]) == (False, "fe80::1")
    assert first["vrrp"]["advertisementPeriodMilliseconds"] == 1000


def test_render_by_labels(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--node", "node-2", "--node-labels", "role=web,zone=a", str(manifest)]) == 0
    routers = yaml.safe_load(capsys.readouterr().out)["spec"]["virtualRouters"]
    assert [router["priority"] for router in routers] == [90, 90]


def test_render_for_a_node_without_a_place(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--node", "node-2", str(manifest)]) == 0
    output = capsys.readouterr()
    assert yaml.safe_load(output.out)["spec"] == {"virtualRouters": []}
    assert "no FloatingIP has a place for node node-2" in output.err


def test_what_is_suspended_is_not_rendered(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """api.md: "suspend: true: held by nobody"."""
    manifest.write_text(manifest.read_text() + "  suspend: true\n")
    assert main(["render", "--node", "node-1", str(manifest)]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["spec"] == {"virtualRouters": []}


def test_render_is_what_the_agent_takes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["render", "--node", "elk-2", str(EXAMPLES / "elk.yaml"), str(EXAMPLES / "elk-secret.yaml")]) == 0
    rendered = tmp_path / "elk-2.yaml"
    rendered.write_text(capsys.readouterr().out)
    [document] = load(rendered)
    assert validate(document) == []
    [router] = document.content["spec"]["virtualRouters"]
    entry = read_entry(router, "spec.virtualRouters[0]")
    assert isinstance(entry, Entry)
    assert entry.configuration.priority == 100
    assert entry.configuration.addresses == ("172.16.69.94/24",)
    assert [probe.port for probe in entry.probes.probes] == [5044, 9200]


def test_render_is_the_same_for_any_order_of_files(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = manifest.with_name("api.yaml")
    other.write_text(
        manifest.read_text().replace("name: web}\nspec", "name: api}\nspec").replace("94/", "95/").replace("51", "52")
    )
    assert main(["render", "--node", "node-1", str(manifest), str(other)]) == 0
    one = capsys.readouterr().out
    assert main(["render", "--node", "node-1", str(other), str(manifest)]) == 0
    assert capsys.readouterr().out == one


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (("  virtualRouterID: 51\n", ""), ["4: spec.virtualRouterID: required: offline, none can be allocated"]),
        ((", priority: 150", ""), ["8: spec.nodes[0].priority: required: offline, node-1 cannot be given a priority"]),
        (
            ("kind: FloatingIP", "kind: FloatingIPNode"),
            [
                "5: spec.addresses: unknown field",
                "6: spec.virtualRouterID: unknown field",
                "7: spec.nodes: unknown field",
            ],
        ),
    ],
    ids=["no router ID", "no priority", "another kind"],
)
def test_what_cannot_be_rendered(
    manifest: Path, change: tuple[str, str], faults: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest.write_text(manifest.read_text().replace(*change))
    assert main(["render", "--node", "node-1", str(manifest)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [f"{manifest}:{fault}" for fault in faults]


def test_without_nodes_there_is_no_priority(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--node", "node-1", str(EXAMPLES / "ingress.yaml")]) == 2
    assert "spec.nodes: required: offline, node-1 cannot be given a priority" in capsys.readouterr().err


def test_a_node_document_is_not_rendered(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--node", "node-1", str(manifest)]) == 0
    manifest.write_text(capsys.readouterr().out)
    assert main(["render", "--node", "node-1", str(manifest)]) == 2
    assert f"{manifest}:2: kind: FloatingIPNode: only a FloatingIP can be rendered" in capsys.readouterr().err


def test_names_router_ids_and_addresses_have_one_owner(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """api.md: "A virtual router ID is unique among floating IPs whose nodes share a connected subnet"."""
    other = manifest.with_name("other.yaml")
    other.write_text(
        manifest.read_text().replace("name: web}\nspec", "name: api}\nspec").replace("192.0.2.94", "192.0.2.95")
    )
    assert main(["render", "--node", "node-1", str(manifest), str(other)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{other}:6: spec.virtualRouterID: 51: in use already, by {manifest}:1",
        f"{other}:5: spec.addresses: 2001:db8::94: in use already, by {manifest}:1",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["render", "--node", "Elk_1", "a.yaml"],
        [],
        ["validate"],
        ["render", "x.yaml"],
        ["render", "--node", "a", "--node-labels", "role", "x.yaml"],
        ["paint"],
    ],
    ids=" ".join,
)
def test_unusable_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_as_a_program() -> None:
    """The installed command, and what it does not import for --help."""
    program = Path(sys.executable).with_name("floatip")
    done = subprocess.run([program, "validate", EXAMPLES / "elk.yaml"], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("FloatingIP elk is valid\n")
    code = "import sys, floatip_cli.__main__; print(sorted({'pydantic', 'yaml'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_allowed_and_yet_odd_is_a_warning(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest.write_text(manifest.read_text().replace("priority: 90", "priority: 145"))
    assert main(["validate", str(manifest)]) == 0
    output = capsys.readouterr()
    assert output.out.endswith("FloatingIP web is valid\n")
    assert output.err.startswith(f"{manifest}:7: spec.nodes: warning: two priorities are closer than 10")


def test_a_sync_group_goes_to_every_router(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest.write_text(manifest.read_text().replace("  virtualRouterID", "  syncGroup: edge\n  virtualRouterID"))
    assert main(["render", "--node", "node-1", str(manifest)]) == 0
    routers = yaml.safe_load(capsys.readouterr().out)["spec"]["virtualRouters"]
    assert [router["syncGroup"] for router in routers] == ["edge", "edge"]
    read = [read_entry(router, "") for router in routers]
    assert [entry.configuration.group for entry in read if isinstance(entry, Entry)] == ["edge", "edge"]
