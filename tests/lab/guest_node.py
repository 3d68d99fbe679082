"""A node with a kernel of its own, on which the real agent runs in static mode."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Any

import yaml
from lab.guest import INTERFACE, TESTS, Guest
from lab.network import Lan
from lab.prober import PORT
from lab.programs import installed

JOB = """
ip address add {address} dev {interface}
ip link set {interface} up
{beside}
ip -oneline -tshort monitor address > holds &
PYTHONPATH={tests} {python} -m lab.probing answer {name} {port} &
exec {agent} run --config=node.yaml --state-dir=/run/state --run-dir=/run/floatip --metrics-address= > agent.log 2>&1
"""


class GuestNode(Guest):
    """It answers the lab's prober, and says in `holds` what its kernel tells of addresses (`wire.holders`)."""

    def __init__(self, lan: Lan, name: str, address: str, *routers: Mapping[str, Any], beside: str = "") -> None:
        """With these entries of `spec.virtualRouters`; `beside` is a script that runs before the agent starts. Raises `MissingKernel`."""
        python, agent = shlex.quote(sys.executable), shlex.quote(installed("floatip-agent"))
        words = {
            "name": name,
            "address": address,
            "interface": INTERFACE,
            "tests": TESTS,
            "port": PORT,
            "beside": beside,
        }
        super().__init__(lan, name, JOB.format(**words, python=python, agent=agent))
        document = {
            "apiVersion": "floatip.dev/v1alpha1",
            "kind": "FloatingIPNode",
            "metadata": {"name": name},
            "spec": {"virtualRouters": [dict(router) for router in routers]},
        }
        (self.folder / "node.yaml").write_text(yaml.safe_dump(document))
        self.holds = self.folder / "holds"
