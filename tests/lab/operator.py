"""The real operator on a host, with a kubeconfig."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from lab.network import Host
from lab.programs import Program, installed

RESTARTED = 'while :; do "$@"; sleep 1; done'


class Operator(Program):
    """`floatip-operator run`, started again when it ends, as its Pod's kubelet would; `kill` ends it for good."""

    def __init__(self, host: Host, kubeconfig: Path, arguments: Sequence[str]) -> None:
        command = ["sh", "-c", RESTARTED, "operator", installed("floatip-operator"), "run", *arguments]
        super().__init__(host, command, host.folder / "operator.log", {"KUBECONFIG": str(kubeconfig)})

    def restart(self) -> None:
        """SIGTERM to the operator itself; the loop starts another."""
        for process in self.processes()[1:]:
            os.kill(process, signal.SIGTERM)
