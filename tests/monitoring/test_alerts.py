"""The alerts by Debian's promtool, and the page of each."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from lab.prometheus import promtool

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "charts" / "floatip" / "monitoring" / "alerts.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_promtool_finds_no_fault() -> None:
    done = promtool("check", "rules", "--lint-fatal", ALERTS)
    assert done.returncode == 0, done.stderr


def test_each_fires_when_it_should_and_an_ordinary_failover_fires_none(tmp_path: Path) -> None:
    for file in (ALERTS, Path(__file__).with_name("alerts.test.yaml")):
        shutil.copy(file, tmp_path)
    done = promtool("test", "rules", tmp_path / "alerts.test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_is_tested() -> None:
    cases = yaml.safe_load(Path(__file__).with_name("alerts.test.yaml").read_text())["tests"]
    fired = {test["alertname"] for case in cases for test in case.get("alert_rule_test", []) if test["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}


def test_each_has_a_severity_and_its_page_and_there_is_no_other_page() -> None:
    pages = {path.stem: path for path in RUNBOOKS.glob("*.md")}
    assert set(pages) == {rule["alert"] for rule in RULES}
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert ROOT / rule["annotations"]["runbook_url"] == pages[rule["alert"]]


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_says_what_it_means_how_to_look_and_what_to_do(page: Path) -> None:
    title, meaning, *_ = page.read_text().splitlines()
    assert title == f"# {page.stem}"
    assert meaning
    assert re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE) == ["Look", "Do"]
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
