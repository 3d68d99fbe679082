"""The examples through `floatip validate` and `floatip render` (api.md: exit status 0 done, 2 unusable documents)."""

from __future__ import annotations

from pathlib import Path

import pytest
from floatip_api.documents import load, validate
from floatip_cli.__main__ import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_valid(example: Path) -> None:
    assert main(["validate", str(example)]) == 0


@pytest.mark.parametrize(("node", "priority"), [("elk-1", 150), ("elk-2", 100)])
def test_what_is_rendered_is_valid_and_the_same_each_time(
    node: str, priority: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = []
    for _ in range(2):
        assert main(["render", "--node", node, str(EXAMPLES / "elk.yaml")]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    path = tmp_path / "node.yaml"
    path.write_text(texts[0])
    [document] = load(path)
    assert validate(document) == []
    [router] = document.content["spec"]["virtualRouters"]
    assert (router["virtualRouterID"], router["priority"], router["vrrp"]["version"]) == (51, priority, 2)


def test_absent_router_ids_and_priorities_are_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """api.md: "absent router IDs or priorities are an error"."""
    path = EXAMPLES / "ingress.yaml"
    assert main(["render", "--node", "elk-1", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert ": spec.virtualRouterID: required" in said.err
    assert ": spec.nodes: required" in said.err
    assert all(line.startswith(f"{path}:") for line in said.err.splitlines())


def test_a_fault_is_named_with_file_line_and_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text((EXAMPLES / "elk.yaml").read_text().replace("virtualRouterID: 51", "virtualRouterID: 256"))
    [line] = [number for number, text in enumerate(path.read_text().splitlines(), 1) if "256" in text]
    assert main(["validate", str(path)]) == 2
    assert f"{path}:{line}: spec.virtualRouterID: 256: " in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.yaml"
    assert main(["validate", str(path)]) == 2
    assert capsys.readouterr().err == f"{path}: No such file or directory\n"
