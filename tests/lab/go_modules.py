"""Modules that build upstream's programs: each is a `go.mod` of our own that depends on theirs. And one whose files are read."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

ETCD_MAIN = """package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
"""


def kubernetes(go: str, folder: Path, version: str, programs: list[str]) -> list[str]:
    """Write go.mod into `folder`; the result is what to `go build`.

    Kubernetes replaces its staging modules by folders of its own repository; a dependent does not inherit that and
    needs the published module of the same release (v0.36.3 for 1.36.3) in each one's place.
    """
    upstream = _upstream(go, f"k8s.io/kubernetes@v{version}")
    staging = re.findall(r"^\s*(?:replace )?(\S+) => \./staging/", upstream, re.MULTILINE)
    release = f"v0.{version.partition('.')[2]}"
    replaces = "\n".join(f"replace {module} => {module} {release}" for module in staging)
    _write(folder, upstream, f"require k8s.io/kubernetes v{version}\n\n{replaces}\n")
    return [f"k8s.io/kubernetes/cmd/{program}" for program in programs]


def etcd(go: str, folder: Path, version: str, programs: list[str]) -> list[str]:
    """As `kubernetes`. The program gets its name from the module's last word."""
    upstream = _upstream(go, f"go.etcd.io/etcd/server/v3@v{version}")
    (program,) = programs
    (folder / "main.go").write_text(ETCD_MAIN)
    _write(folder, upstream, f"require go.etcd.io/etcd/server/v3 v{version}\n", program)
    return ["."]


def folder(go: str, module: str) -> Path:
    """A module's files as published. Raises `subprocess.CalledProcessError` or `OSError`."""
    return Path(_download(go, module)["Dir"])


def _write(folder: Path, upstream: str, requirements: str, name: str = "build") -> None:
    match = re.search(r"^go \S+$", upstream, re.MULTILINE)
    language = match[0] if match else "go 1.21"
    (folder / "go.mod").write_text(f"module floatip.dev/lab/{name}\n\n{language}\n\n{requirements}")


def _upstream(go: str, module: str) -> str:
    """The module's own go.mod."""
    return Path(_download(go, module)["GoMod"]).read_text()


def _download(go: str, module: str) -> dict[str, str]:
    """Raises `subprocess.CalledProcessError` or `OSError`."""
    command = [go, "mod", "download", "-json", module]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600, cwd="/")
    found: dict[str, str] = json.loads(done.stdout)
    return found
