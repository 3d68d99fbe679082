"""The cluster, through the user's own kubectl: its kubeconfig, contexts and credential plugins are what they are used to."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any


class ClusterError(Exception):
    """kubectl is missing or was refused; the text is its own."""


def get(*arguments: str) -> dict[str, Any]:
    """`kubectl get ... -o json`."""
    return dict(json.loads(_run("get", *arguments, "-o", "json")))


def annotate(kind: str, name: str, annotation: str, value: str) -> None:
    _run("annotate", kind, name, f"{annotation}={value}", "--overwrite")


def _run(*arguments: str) -> str:
    program = shutil.which("kubectl")
    if program is None:
        raise ClusterError("kubectl is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(done.stderr.strip() or f"kubectl ended with {done.returncode}")
    return done.stdout
