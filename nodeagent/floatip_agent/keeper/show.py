"""`floatip-agent status`: asks the running agent. Standard library only, so that it starts at once."""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

SOCKET_NAME = "agent.sock"
_TIMEOUT = 5.0
_COLUMNS = ("NAME", "FAMILY", "STATE", "PRIORITY", "INTERFACE", "SOURCE", "ACTIVE ROUTER", "SINCE", "CHANGES", "REASON")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def main(run_dir: Path, output: Literal["table", "json"]) -> int:
    """Exit status: 0 shown, 1 no agent answered."""
    path = run_dir / SOCKET_NAME
    try:
        status = ask(path)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        sys.stderr.write(f"floatip-agent: no agent answers on {path}: {reason}\n")
        return 1
    sys.stdout.write(json.dumps(status, indent=2) + "\n" if output == "json" else table(status))
    return 0


def ask(path: Path) -> dict[str, Any]:
    """The FloatingIPNode's status document. Raises OSError, HTTPException, ValueError."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/status")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise ValueError(f"HTTP {answer.status}: {body[:200].decode(errors='replace')}")
    status: dict[str, Any] = json.loads(body)
    return status


def table(status: dict[str, Any]) -> str:
    """For people. Sentences about the node as a whole come first."""
    agent = status.get("agent") or {}
    about = ", ".join(f"{name} {value}" for name, value in agent.items())
    lines = [f"agent: {about or 'unknown'}"]
    lines += [f"ignored field: {field}" for field in status.get("ignoredFields", [])]
    routers = status.get("virtualRouters", [])
    if not routers:
        return "\n".join([*lines, "no virtual routers", ""])
    warnings = [line for router in routers for line in _warnings(router)]
    return "\n".join([*lines, *_aligned([_COLUMNS, *map(_row, routers)]), *warnings, ""])


def _warnings(router: dict[str, Any]) -> list[str]:
    name = f"{router.get('name')}/{router.get('family')}"
    return [f"warning: {name}: {said['reason']}: {said['message']}" for said in router.get("warnings", [])]


def _row(router: dict[str, Any]) -> Sequence[str]:
    fields = ("name", "family", "state", "effectivePriority", "interface", "sourceAddress", "activeRouter", "since")
    shown = [str(router.get(field) or "-") for field in fields]
    return [*shown, str(router.get("transitions", "-")), str(router.get("reason") or "")]


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
