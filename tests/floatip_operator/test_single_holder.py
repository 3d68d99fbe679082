"""SingleHolder by api.md, from the operator's picture on: no false page on a crash, a fail-over or a restart, a true one when two claim it.

"A dead node's last word is no sign: its Active counts only until another candidate is Active, or it is Unknown. Agents' clocks are never
compared." So each agent's clock is hours off here, another way in each run.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from floatip_api import names
from floatip_operator.cluster import Cluster
from floatip_operator.decide.plan import decide
from in_memory.cluster import document, floating_ip, router

RENEWAL, DOWN_INTERVAL, LOOK = 10.0, 3.6, 0.5
GRACE = 2.0
"""Seconds: a Lease's, an Active_Down_Interval's at 1 s, between two decisions; and max(2 s, 2 periods)."""
NODES = ("n1", "n2")


class World:
    """Two agents with clocks of their own, and an operator that looks twice a second. Time is turned by hand."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.now = 1000.0
        self._version = 0
        self._off = {node: self._chance.uniform(-8, 8) * 3600 for node in NODES}
        self.states = {"n1": "Active", "n2": "Backup"}
        self._since = dict.fromkeys(NODES, self.now)
        self._alive = set(NODES)
        self._renew_at = {node: self.now + self._chance.uniform(0, RENEWAL) for node in NODES}
        self.said: list[tuple[float, str, str]] = []
        self.restart_operator()

    def restart_operator(self) -> None:
        """One that knows nothing: it lists what is there."""
        self.cluster = Cluster(clock=lambda: self.now)
        self.cluster.put(names.FLOATING_IP, self._manifest(floating_ip(virtualRouterID=51)))
        for node in NODES:
            self.cluster.put("Node", self._manifest_of({"metadata": {"name": node}, "spec": {}}))
            self._report(node)
            self._renew(node, at=self._renew_at[node] - RENEWAL)

    def become(self, node: str, state: str) -> None:
        self.states[node], self._since[node] = state, self.now
        self._report(node)

    def die(self, node: str) -> None:
        self._alive.discard(node)

    def revive(self, node: str, state: str) -> None:
        self._alive.add(node)
        self._renew_at[node] = self.now
        self.become(node, state)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += LOOK
            for node in sorted(self._alive):
                if self.now >= self._renew_at[node]:
                    self._renew(node, at=self.now)
                    self._renew_at[node] = self.now + RENEWAL
            self._decide()

    def pages(self, since: float = 0.0) -> list[tuple[float, str, str]]:
        return [entry for entry in self.said if entry[0] >= since and entry[1] == "False"]

    def _decide(self) -> None:
        plan = decide(
            self.cluster.snapshot(cluster_uid="c", cluster_ranges=(), virtual_router_ids=(20, 250), node_selector={})
        )
        for entry, status in plan.statuses:
            single = next(c for c in status.conditions if c.type == "SingleHolder")
            self.said.append((self.now, single.status, single.message))
            written = entry.model_copy(update={"status": status})
            self.cluster.put(names.FLOATING_IP, self._manifest(written))

    def _clock(self, node: str, at: float) -> str:
        """RFC 3339 text by the node's clock."""
        seconds = int(at + self._off[node]) % 86400
        return f"2026-01-02T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.000000Z"

    def _renew(self, node: str, at: float) -> None:
        lease = {"metadata": {"name": names.agent_lease(node)}, "spec": {"renewTime": self._clock(node, at)}}
        self.cluster.put("Lease", self._manifest_of(lease))

    def _report(self, node: str) -> None:
        said = {"name": "web", "family": "IPv4", "state": self.states[node], "priority": 200, "interface": "eth0"}
        since = {"since": self._clock(node, self._since[node])[:19] + "Z"}
        priority = 200 if node == "n1" else 180
        entry = document(node, [router(priority=priority)], [said | since | {"priority": priority}])
        self.cluster.put(names.FLOATING_IP_NODE, self._manifest(entry))

    def _manifest(self, entry: Any) -> dict[str, Any]:
        return self._manifest_of(entry.to_manifest())

    def _manifest_of(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        metadata = {
            "uid": f"uid-{manifest['metadata']['name']}",
            **manifest["metadata"],
            "resourceVersion": str(self._version),
        }
        return {**manifest, "metadata": metadata}


def after_a_crash(seed: int) -> World:
    """n1 has died, n2 has just taken over."""
    world = World(seed)
    world.run(30)
    world.die("n1")
    world.run(DOWN_INTERVAL)
    world.become("n2", "Active")
    return world


seeds = pytest.mark.parametrize("seed", range(25))


@seeds
def test_a_crash_is_no_second_holder(seed: int) -> None:
    """The dead node's Active stands in its status for ever; the other takes over."""
    world = after_a_crash(seed)
    world.run(90)
    assert world.pages() == []


@seeds
def test_nor_is_it_when_the_operator_is_restarted_meanwhile(seed: int) -> None:
    """It finds two claims and two Leases, all of one age to it; only one agent is heard again."""
    world = after_a_crash(seed)
    world.run(seed % 12)
    world.restart_operator()
    world.run(90)
    assert world.pages() == []


@seeds
def test_nor_is_the_return_of_the_dead_one(seed: int) -> None:
    world = after_a_crash(seed)
    world.run(20 + seed * 3)
    world.revive("n1", "Backup")
    world.run(DOWN_INTERVAL)
    world.become("n1", "Active")
    world.run(0.5 + seed % 2)  # the status of the other comes a second later
    world.become("n2", "Backup")
    world.run(60)
    assert world.pages() == []


@seeds
def test_nor_is_a_planned_move_whose_words_come_in_the_other_order(seed: int) -> None:
    world = World(seed)
    world.run(30)
    world.become("n2", "Active")
    world.run(1.0)
    world.become("n1", "Backup")
    world.run(60)
    assert world.pages() == []


@seeds
@pytest.mark.parametrize("is_restarted", [False, True], ids=["", "operator restarted"])
def test_two_that_both_live_and_claim_it_are_told_and_it_is_over_when_one_lets_go(
    seed: int, *, is_restarted: bool
) -> None:
    world = World(seed)
    world.run(30)
    world.become("n2", "Active")
    if is_restarted:
        world.restart_operator()
    split = world.now
    world.run(2 * RENEWAL + GRACE + 2 * LOOK)
    assert [text for _, _, text in world.pages(split)], "it is told within two renewals of the Leases"
    assert world.said[-1][1] == "False"
    world.become("n1", "Backup")
    world.run(2 * LOOK)
    assert world.said[-1][1] == "True"
