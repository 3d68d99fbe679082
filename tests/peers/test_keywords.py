"""docs/keepalived.md has every keyword of keepalived.conf(5), with our field or why there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lab import debian, keepalived

pytestmark = pytest.mark.peers

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = ".SH GLOBAL CONFIGURATION", ".SH LVS CONFIGURATION"
"""What stands between them is not about the load balancer."""


def _rows() -> dict[str, tuple[str, str]]:
    """Keyword: the field (as written) and the remark."""
    rows: dict[str, tuple[str, str]] = {}
    for line in (DOCS / "keepalived.md").read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3:
            rows |= dict.fromkeys(re.findall(r"`([a-z][a-z0-9_]*)`", cells[0]), (cells[1], cells[2]))
    return rows


def _keywords(version: str) -> set[str]:
    """Those in bold at the beginning of a line, and those that open a block."""
    try:
        page = keepalived.manual(version)
    except debian.DebianError as missing:
        pytest.skip(str(missing))
    lines = page[page.index(BEGIN) : page.index(END)].splitlines()
    patterns = r"\s*(?:\\fR)?\\fB\s*([a-z][a-z0-9_]*)\b", r"\s+([a-z]+_[a-z_]+) (?:\S+ )?\{"
    return {match[1] for line in lines for pattern in patterns if (match := re.match(pattern, line))}


@pytest.mark.parametrize("version", keepalived.PACKAGES)
def test_every_keyword_of_the_page_is_in_the_table(version: str) -> None:
    keywords = _keywords(version)
    assert len(keywords) > 200, "the page is written otherwise now"
    assert keywords - set(_rows()) == set()


def test_every_row_has_a_field_or_a_reason() -> None:
    for keyword, (field, remark) in _rows().items():
        assert field, keyword
        assert remark or "`" in field, f"{keyword}: no field, and no reason"


def test_every_field_is_one_of_the_reference() -> None:
    reference = (DOCS / "reference.md").read_text()
    for keyword, (field, _) in _rows().items():
        for path in re.findall(r"`([^`]+)`", field):
            for name in re.findall(r"\w+", path):
                assert re.search(rf"\b{name}\b", reference), f"{keyword}: {path}"
