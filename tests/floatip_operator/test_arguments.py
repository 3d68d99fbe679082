"""api.md: "Exit status of every command: ... 2 unusable arguments or documents"."""

from __future__ import annotations

import pytest
from floatip_operator.__main__ import main


@pytest.mark.parametrize(
    "arguments",
    [["--metrics-address", "host:http"], ["--metrics-address", "9405"], ["--virtual-router-id-range", "0-9"]],
    ids=" ".join,
)
def test_unusable_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments])
    assert ended.value.code == 2
