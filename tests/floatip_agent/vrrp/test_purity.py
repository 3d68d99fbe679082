"""The core takes bytes and times and gives values: what it may import is listed, everything else is I/O or a clock."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from floatip_agent import vrrp

ALLOWED = {"__future__", "collections.abc", "dataclasses", "enum", "floatip_agent.vrrp", "hmac", "struct", "typing"}
FOLDER = Path(vrrp.__file__).parent


def imported(source: str) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    return modules


def test_the_core_imports_only_what_is_allowed() -> None:
    files = sorted(FOLDER.glob("*.py"))
    assert len(files) > 5
    for path in files:
        for module in imported(path.read_text()):
            allowed = module in ALLOWED or module.startswith("floatip_agent.vrrp.")
            assert allowed, f"{path.name} imports {module}"


def test_importing_it_loads_no_socket_and_no_event_loop() -> None:
    script = "import sys, floatip_agent.vrrp.group; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    loaded = set(done.stdout.split())
    assert "floatip_agent.vrrp.router" in loaded
    assert not loaded & {"socket", "_socket", "asyncio", "logging", "select", "random", "pydantic", "kubernetes"}
