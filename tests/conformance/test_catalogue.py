"""The catalogue is what it says it is; that each rule is shown by a test is checked at the end of every whole run."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest
from conformance.catalogue import CODE, LAB, RULES
from conformance.page import PAGE, render

PEERS = Path(__file__).parents[1] / "peers"


def test_no_rule_is_there_twice() -> None:
    assert [name for name, count in collections.Counter(rule.id for rule in RULES).items() if count > 1] == []


@pytest.mark.parametrize("source", sorted({rule.source for rule in RULES} - {LAB, CODE}))
def test_what_is_said_of_keepalived_and_frr_is_a_fact_that_was_measured(source: str) -> None:
    texts = [path.read_text() for path in PEERS.glob("test_facts_*.py")]
    assert any(f'"{source}"' in text or f"def {source}(" in text for text in texts)


def test_the_page_has_each_rule_and_where_it_was_shown() -> None:
    shown = {RULES[0].id: {"tests/a/test_b.py::test_c[1]", "tests/a/test_b.py::test_c[2]"}}
    lines = render(shown).splitlines()
    assert sum(line.startswith("| RFC") for line in lines) == len(RULES)
    assert any("[test_c](../tests/a/test_b.py)" in line for line in lines)


def test_the_page_that_is_there_names_every_rule() -> None:
    page = PAGE.read_text()
    assert [rule.id for rule in RULES if f"| {rule.section} | {rule.text} |" not in page] == []
