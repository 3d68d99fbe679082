"""The saved form of the high-water marks."""

from __future__ import annotations

import pytest
from floatip_agent import marks
from floatip_agent.reading import ConfigurationError

KNOWN: dict[marks.Key, dict[str, int]] = {("elk", "IPv4"): {"sent": 1 << 63, "1/c633640a": 7}, ("elk", "IPv6"): {}}


def test_they_come_back_as_they_were() -> None:
    assert marks.loads(marks.dumps(KNOWN)) == KNOWN


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b'{"format":2,"routers":[]}', b'{"format":1,"routers":[{"name":"elk"}]}',
     b'{"format":1,"routers":[{"name":"elk","family":"IPv5","marks":{}}]}',
     b'{"format":1,"routers":[{"name":"elk","family":"IPv4","marks":{"sent":"x"}}]}', b"\xff"],
)  # fmt: skip
def test_anything_else_is_refused_with_a_reason(text: bytes) -> None:
    with pytest.raises(ConfigurationError):
        marks.loads(text)
