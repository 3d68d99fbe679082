"""What is generated from the models is fresh."""

from __future__ import annotations

from floatip_api import generate


def test_generated_files_are_fresh() -> None:
    """Issue 3: "`crds/*.yaml` is generated from them (CI fails when stale)"."""
    assert [path for path, text in generate.files().items() if path.read_text() != text] == []
