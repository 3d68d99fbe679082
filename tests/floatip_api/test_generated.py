"""The generated files are as the models are, and what they promise to kubectl holds."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from floatip_api.generate import ROOT, files


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_fresh(path: Any) -> None:
    assert path.read_text() == files()[path], "run `make generate`"


def definitions() -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition["spec"]["names"]["kind"])
def test_every_field_is_described(definition: dict[str, Any]) -> None:
    """`kubectl explain` has a word on each."""
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    silent = [path for path, field in fields(schema) if not field.get("description")]
    assert silent == ["apiVersion", "kind", "metadata"]  # the API server puts its own there


def fields(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every field at every depth."""
    found = []
    for name, field in schema.get("properties", {}).items():
        at = f"{path}.{name}".lstrip(".")
        found += [(at, field), *fields(field, at), *fields(field.get("items", {}), f"{at}[]")]
    return found
