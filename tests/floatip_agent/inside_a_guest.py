"""Containers that are killed by their memory limits, as cgroups of version 2. test_out_of_memory.py runs these tests in a guest.

There is no kubelet: the test starts a killed container again, at once. The limits and `memory.oom.group` are what a kubelet sets.
"""

from __future__ import annotations

import itertools
import os
import signal

import pytest
import yaml
from lab.cgroup import Cgroup
from lab.network import Host, Lan
from lab.programs import Program, installed
from lab.waiting import until
from wire.engine import EngineAgent
from wire.holders import Holders
from wire.interface_life import OWN, PERIOD, VIP, router, standing
from wire.sniffer import Sniffer

pytestmark = pytest.mark.linux

MEBIBYTE = 1 << 20
KILLS = 5


class Node:
    """The agent's two containers; the engine is told by the keeper, from a document, what to run."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.engine_container, self.keeper_container = Cgroup("engine"), Cgroup("keeper")
        self.agent = EngineAgent(host, within=self.engine_container.within)
        document = host.folder / "node.yaml"
        entry = {
            "name": "elk",
            "family": "IPv4",
            "virtualRouterID": 51,
            "addresses": [f"{VIP}/24"],
            "priority": 200,
            "vrrp": {"advertisementPeriodMilliseconds": PERIOD // 1_000_000},
        }
        head = {"apiVersion": "floatip.dev/v1alpha1", "kind": "FloatingIPNode", "metadata": {"name": host.name}}
        document.write_text(yaml.safe_dump({**head, "spec": {"virtualRouters": [entry]}}))
        folders = [f"--state-dir={self.agent.state_dir}", f"--run-dir={self.agent.run_dir}"]
        command = [installed("floatip-agent"), "keeper", f"--config={document}", "--metrics-address=", *folders]
        self.keeper = Program(host, [*self.keeper_container.within, *command], host.folder / "keeper.log")


def test_out_of_memory(lan: Lan) -> None:
    node, n2 = Node(lan.host("n1", OWN[0])), lan.host("n2", OWN[1])
    peer = EngineAgent(n2, router(100))
    with Holders(VIP, [node.host, n2]) as holders, Sniffer(n2) as seen:
        node.agent.start()
        node.keeper.start()
        node.agent.wait_for("Active", 10)
        peer.start()
        peer.wait_for("Backup", 10)
        _keeper_killed_in_a_loop(node, seen)
        assert [len(spans) for spans in holders.spans()] == [1, 0]
        _engine_killed_without_a_keeper(node)
        assert len(holders.spans()[0]) == 2, "the guard took the address off; meanwhile the peer may have had it"
        _engines_container_killed(node, peer)
        assert holders.longest_overlap() < 3
    assert node.keeper_container.kills == KILLS
    assert node.engine_container.kills == 1


def _keeper_killed_in_a_loop(node: Node, seen: Sniffer) -> None:
    """Issue: "keeper killed by its memory limit, in a loop: the engine does not notice"."""
    before = standing(node.agent)
    node.keeper_container.limit(16 * MEBIBYTE)
    for kill in range(KILLS):
        if kill:
            node.keeper.start()
        assert node.keeper.process.wait(timeout=20) == -signal.SIGKILL
    assert standing(node.agent) == before
    sent = [at for at, _ in seen.advertisements("10.9.0.1")]
    assert len(sent) > 5
    assert max(later - earlier for earlier, later in itertools.pairwise(sent)) < 2 * PERIOD
    assert not seen.advertisements("10.9.0.2")


def _engine_killed_without_a_keeper(node: Node) -> None:
    """architecture.md: the guard "keeps every configuration that the engine accepted"."""
    old = node.agent.engine
    os.kill(old, signal.SIGKILL)
    until(lambda: node.agent.engine not in (0, old), 5, "the guard has forked another")
    node.agent.wait_for("Active", 10)
    until(lambda: node.host.holds(VIP), 2, "it holds the address")


def _engines_container_killed(node: Node, peer: EngineAgent) -> None:
    """Guard and engine at once: the kernel ends the address, and the container comes back with the saved copy."""
    node.engine_container.limit(2 * MEBIBYTE)
    assert node.agent.process.wait(timeout=10) == -signal.SIGKILL
    peer.wait_for("Active", 10)
    until(lambda: not node.host.holds(VIP), 4, "the kernel dropped the address")
    node.engine_container.limit(None)
    node.agent.start()
    node.agent.wait_for("Active", 10)
    peer.wait_for("Backup", 5)
