"""Debian's Prometheus and its promtool: rules and metrics are checked by what reads them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from lab import debian
from lab.network import Host
from lab.waiting import until

PACKAGE = debian.Package("prometheus", "bookworm")
PORT = 9090
SCRAPE_INTERVAL = 2
"""Seconds."""


def promtool(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Whatever its exit status. Raises `debian.DebianError` when it is not in the cache folder."""
    command = [*PACKAGE.command("usr/bin/promtool", called="usr/bin/promtool"), *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)


class Prometheus:
    """`with Prometheus(host, {"floatip-agent": {"n1": "10.9.0.1:9405"}}, rules) as prometheus:` it scrapes these, by job and node, as the
    chart's PodMonitors have it done, and evaluates the rules."""

    def __init__(self, host: Host, targets: Mapping[str, Mapping[str, str]], rules: Path) -> None:
        self.host = host
        self._folder = host.folder / "prometheus"
        self._folder.mkdir()
        jobs = [
            {
                "job_name": job,
                "static_configs": [{"targets": [at], "labels": {"node": node}} for node, at in nodes.items()],
            }
            for job, nodes in targets.items()
        ]
        interval = f"{SCRAPE_INTERVAL}s"
        configuration = {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "rule_files": [str(rules)],
            "scrape_configs": jobs,
        }
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))

    def __enter__(self) -> Self:
        command = PACKAGE.command("usr/bin/prometheus", called="usr/bin/prometheus")
        command += [f"--config.file={self._folder / 'prometheus.yml'}", f"--storage.tsdb.path={self._folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{PORT}"]
        self._process = self.host.popen(command, log=self.host.folder / "prometheus.log")
        until(self._is_ready, 30, f"prometheus is ready; its log: {self.host.folder / 'prometheus.log'}")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(timeout=10)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query. Raises `RuntimeError` with Prometheus' own words."""
        answer = self._get(f"query?{urllib.parse.urlencode({'query': expression})}")
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def metric_names(self) -> set[str]:
        """Every metric that was ever scraped."""
        return set(self._get("label/__name__/values")["data"])

    def rules(self) -> Sequence[dict[str, Any]]:
        """Every rule, with its state and its `lastError`."""
        return [rule for group in self._get("rules")["data"]["groups"] for rule in group["rules"]]

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError), self.host.entered():
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{PORT}/-/ready", timeout=5).status == 200)
        return False

    def _get(self, path: str) -> dict[str, Any]:
        with self.host.entered():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/v1/{path}", timeout=10) as answer:
                    return dict(json.load(answer))
            except urllib.error.HTTPError as error:
                raise RuntimeError(f"{path}: {json.load(error)['error']}") from error
