"""The real operator on a host, with a kubeconfig."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.network import Host
from lab.programs import Program


class Operator(Program):
    """`floatip-operator run`."""

    def __init__(self, host: Host, kubeconfig: Path, arguments: Sequence[str]) -> None:
        command = ["floatip-operator", "run", *arguments]
        super().__init__(host, command, host.folder / "operator.log", {"KUBECONFIG": str(kubeconfig)})
