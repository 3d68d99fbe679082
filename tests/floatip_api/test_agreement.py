"""`floatip validate` and the API server are of one opinion (issue 3: "the same table ... must agree")."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_api.documents import Fault, load, validate
from lab.control_plane import ControlPlane
from manifests.case import Case
from manifests.cases import CASES
from manifests.client import DryRun


@pytest.fixture(scope="module")
def dry_run(api_server: ControlPlane) -> Iterator[DryRun]:
    api_server.define_kinds()
    with DryRun(api_server) as client:
        yield client


def faults(manifest: dict[str, Any], folder: Path) -> list[Fault]:
    path = folder / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    [document] = load(path)
    return validate(document)


def by_name(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_python_finds_exactly_this_fault(case: Case, tmp_path: Path) -> None:
    found = faults(case.manifest, tmp_path)
    if case.field is None:
        assert found == []
        return
    assert len({fault.field for fault in found}) == 1, found
    assert found[0].field.endswith(case.field)
    assert case.says in str(found[0])


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_the_api_server_finds_the_same(case: Case, dry_run: DryRun) -> None:
    refusal = dry_run.refusal(case.manifest)
    if case.field is None:
        assert refusal is None
        return
    assert refusal is not None
    assert case.field in refusal
    assert case.says in refusal
