"""Collects which tests showed which rule, and compares docs/conformance.md with it, or writes it (`--write-conformance`)."""

from __future__ import annotations

import collections

import pytest
from conformance.catalogue import RULES
from conformance.page import PAGE, render

KNOWN = {rule.id for rule in RULES}


class Conformance:
    """Says something only of runs in which every rule was shown, or in which all tests were asked for."""

    def __init__(self, *, writes: bool) -> None:
        self._writes = writes
        self._rules: dict[str, list[str]] = {}
        self._shown: dict[str, set[str]] = collections.defaultdict(set)
        self._is_complete = True
        """No test of a rule was skipped or failed."""
        self._complaint = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            rules = [str(mark.args[0]) for mark in item.iter_markers("rule")]
            if unknown := set(rules) - KNOWN:
                raise pytest.UsageError(
                    f"{item.nodeid} names rules that tests/conformance/catalogue.py has not: {unknown}"
                )
            if rules:
                self._rules[item.nodeid] = rules

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for rule in self._rules.get(report.nodeid, ()):
            if report.when == "call" and report.passed:
                self._shown[rule].add(report.nodeid)
            elif not report.passed and str(report.outcome) != "rerun":
                self._is_complete = False

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        missing = KNOWN - self._shown.keys()
        if self._writes and not missing and self._is_complete:
            PAGE.write_text(render(self._shown))
        elif self._writes or (missing and self._is_complete and _is_whole(session.config)):
            self._complaint = f"a test did not pass, or no test shows {sorted(missing)}"
        elif not missing and self._is_complete and PAGE.read_text() != render(self._shown):
            self._complaint = "docs/conformance.md is not what this run shows: make conformance"
        if self._complaint:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._complaint:
            terminalreporter.write_line(f"conformance: {self._complaint}", red=True)


def _is_whole(config: pytest.Config) -> bool:
    is_chosen = any(config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "maxfail"))
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not is_chosen
