"""The log: JSON that a machine can read, and no floods."""

from __future__ import annotations

import json
import logging

import pytest
from floatip_agent.keeper import logs


def test_at_most_one_line_a_minute_about_the_same_reason_and_router(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    sparing = logs.Sparing(lambda: now)
    with caplog.at_level(logging.INFO):
        for second in range(125):
            now = float(second)
            sparing.info(("elk", "refused"), "elk is refused")
            if second == 3:
                sparing.info(("other", "refused"), "other is refused")
    assert [record.getMessage() for record in caplog.records] == [
        "elk is refused",
        "other is refused",
        "elk is refused (59 more of this kind since the last line)",
        "elk is refused (59 more of this kind since the last line)",
    ]


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    try:
        logs.set_up("json", "info")
        logs.LOG.info("a %s", "b\nc")
        logs.LOG.debug("not shown")
    finally:
        logging.getLogger().handlers[:] = before
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"]) == ("info", "a b\nc")


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        logs.set_up("text", "loud")
