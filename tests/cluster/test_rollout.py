"""New agents on real kubelets, node by node, while a client asks every millisecond. The tests run in this order, on one cluster."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.conftest import ADDRESS, FLOATING_IP, World
from floatip_api import names
from lab import images
from lab.installation import CHART, NAMESPACE, RELEASE
from lab.prober import Prober, Window
from lab.waiting import throughout, until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

SECOND_ADDRESS = "10.9.0.101"
LONELY_ADDRESS = "10.9.0.102"
SKEW = (256 - 180) / 256
"""Seconds, RFC 9568 6.1: Skew_Time of the one that takes over, at a period of 1 s."""
MARGIN = 0.2
"""Seconds; the issue: "at most the skew time + 0.2 s per move"."""
REPLACED = 20.0
"""Seconds, generously: a Pod ends, the next one is made and starts, and nobody advertises for an Active_Down_Interval."""
DIGEST = "floatip.dev/settings-digest"


class Clients:
    """One for each address: `ingress`, `other`, which the other node holds, and `lonely`, which only n1 may hold."""

    def __init__(self, world: World, second: Prober, lonely: Prober) -> None:
        self.world = world
        self._probers = {ADDRESS: world.prober, SECOND_ADDRESS: second, LONELY_ADDRESS: lonely}

    @contextlib.contextmanager
    def watching(self, what: str, *, most: float = SKEW + MARGIN, away: float | None = None) -> Iterator[None]:
        """No gap is longer than `most` seconds, at any address; `away` for the lonely one, when n1's agent is replaced."""
        start = time.monotonic_ns()
        yield
        for address, prober in self._probers.items():
            bound = away if away is not None and address == LONELY_ADDRESS else most
            window: Window = prober.window(start)
            turns = ", ".join(window.answered_by)
            print(f"{what}: {address} answered by {turns}; longest gap {window.longest_gap:.0f} ms, {window.lost} lost")
            assert window.longest_gap < bound * 1000
        print(f"{what}: {(time.monotonic_ns() - start) / 1e9:.0f} s")


@pytest.fixture(scope="module")
def clients(world: World) -> Iterator[Clients]:
    """Two floating IPs, one Active on each node, and one that only n1 may hold."""
    world.plane.kubectl("apply", "-f", "-", stdin=FLOATING_IP)
    first = until(world.prober.answerer, 30, f"{ADDRESS} answers")
    (second,) = set(world.installed.hosts) - {first}
    nodes = f"[{{name: {second}, priority: 200}}, {{name: {first}, priority: 180}}]"
    manifest = FLOATING_IP.replace("ingress", "other").replace(ADDRESS, SECOND_ADDRESS) + f"  nodes: {nodes}\n"
    world.plane.kubectl("apply", "-f", "-", stdin=manifest)
    lonely = FLOATING_IP.replace("ingress", "lonely").replace(ADDRESS, LONELY_ADDRESS) + "  nodes: [{name: n1}]\n"
    world.plane.kubectl("apply", "-f", "-", stdin=lonely)
    client = world.lan.host("client-2", "10.9.0.98/24")
    hosts = world.installed.hosts.values()
    with (
        Prober(client, SECOND_ADDRESS, hosts, port=7008) as prober,
        Prober(client, LONELY_ADDRESS, hosts, port=7009) as of_lonely,
    ):
        prober.wait_for(second, 30)
        of_lonely.wait_for("n1", 30)
        made = Clients(world, prober, of_lonely)
        _finished(world)
        yield made


def test_a_changed_setting_reaches_one_node_after_the_other(world: World, clients: Clients) -> None:
    before = _uids(world)
    with clients.watching("a changed setting on two nodes, each Active", away=REPLACED):
        _upgrade(world, "--set=agent.resources.requests.cpu=60m")
        until(lambda: not before & _uids(world), 180, "no agent of before is left")
        _finished(world)
    first, second = sorted(world.installed.pods("floatip-agent"), key=lambda pod: pod["metadata"]["creationTimestamp"])
    assert _ready_since(first) <= second["metadata"]["creationTimestamp"], "one at a time"
    assert second["spec"]["nodeName"] == "n1", "what only n1 can hold waits until the new agent works elsewhere"


def test_an_operator_that_is_killed_in_the_middle_is_followed_by_one_that_goes_on(
    world: World, clients: Clients
) -> None:
    before = _uids(world)
    with clients.watching("the operators killed in the middle", away=REPLACED):
        _upgrade(world, "--set=agent.resources.requests.cpu=70m")
        until(lambda: len(before & _uids(world)) == 1, 120, "the first node has a new agent")
        operator = ["pods", "-n", NAMESPACE, "--selector=app.kubernetes.io/name=floatip-operator"]
        world.plane.kubectl("delete", *operator, "--force", "--grace-period=0")
        until(lambda: not before & _uids(world), 180, "no agent of before is left")
        _finished(world)


def test_a_missing_image_stops_it_and_is_said(world: World, clients: Clients) -> None:
    """The issue: "a failing new version stops the roll-out with a condition and an Event, not with a dead cluster"."""
    before = _uids(world)
    with clients.watching("an image that is missing"):
        _upgrade(world, "--set=image.agent.tag=absent")
        until(lambda: "absent" in (_stopped(world) or ""), 180, "the DaemonSet says why it stopped")
        until(lambda: _told(world) == {"ingress", "other"}, 20, "both floating IPs say so")
        throughout(lambda: len(before & _uids(world)) == 1, 10, "the other node keeps its agent")
    print(f"{_stopped(world)}")
    events = world.plane.get("events", "-n", NAMESPACE, "--field-selector=reason=RolloutStopped")["items"]
    assert {event["involvedObject"]["kind"] for event in events} == {"DaemonSet"}


def test_so_does_an_image_that_starts_and_exits(world: World, clients: Clients) -> None:
    """In place of the missing one: what does not work is replaced at once."""
    crashing = images.crashing(world.lan.folder)
    for node in world.installed.nodes.values():
        node.load([crashing])
    before = _uids(world)
    with clients.watching("an image that crashes"):
        _upgrade(world, "--set=image.agent.tag=crashing")
        until(lambda: "CrashLoopBackOff" in (_stopped(world) or ""), 180, "the DaemonSet says why it stopped")
        until(lambda: _told(world) == {"ingress", "other"}, 20, "both floating IPs say so")
        throughout(lambda: len(before & _uids(world)) == 1, 10, "the other node keeps its agent")
    print(f"{_stopped(world)}")


def test_rolling_back_goes_on_from_there(world: World, clients: Clients) -> None:
    with clients.watching("helm rollback"):
        world.installed.helm("rollback", RELEASE, str(_revision(world) - 2))
        until(lambda: _stopped(world) is None and len(world.installed.ready_agents()) == 2, 180, "it goes on")
        _finished(world)


def test_an_upgrade_of_the_operator_alone_touches_no_address(world: World, clients: Clients) -> None:
    agents, operators = _uids(world), _uids(world, "floatip-operator")
    with clients.watching("the operator alone", most=0.2):
        _upgrade(world, "--set=operator.resources.requests.cpu=60m")
        until(lambda: not operators & _uids(world, "floatip-operator"), 180, "new operators")
        throughout(lambda: _uids(world) == agents, 15, "the agents stay")


def _upgrade(world: World, *values: str) -> None:
    world.installed.helm("upgrade", RELEASE, str(CHART), "--reset-then-reuse-values", *values)


def _revision(world: World) -> int:
    """Of the release, as helm counts."""
    return int(json.loads(world.installed.helm("history", RELEASE, "--max=1", "-o", "json"))[0]["revision"])


def _daemon_set(world: World) -> dict[str, Any]:
    return world.plane.get("daemonset", "-n", NAMESPACE, names.AGENT_DAEMON_SET)


def _stopped(world: World) -> str | None:
    annotations: dict[str, str] = _daemon_set(world)["metadata"]["annotations"]
    return annotations.get(names.ROLLOUT_STOPPED)


def _uids(world: World, name: str = "floatip-agent") -> set[str]:
    return {pod["metadata"]["uid"] for pod in world.installed.pods(name)}


def _finished(world: World) -> None:
    """Every agent is of the wanted settings and Ready, nobody is asked to leave, and each node holds what it held."""

    def is_finished() -> bool:
        wanted = _daemon_set(world)["metadata"]["annotations"][DIGEST]
        pods = world.installed.pods("floatip-agent")
        digests = [pod["metadata"].get("annotations", {}).get(DIGEST) for pod in pods]
        documents = world.plane.get("floatingipnodes")["items"]
        routers = [router for document in documents for router in document["spec"].get("virtualRouters", [])]
        is_new = digests == [wanted] * len(world.installed.hosts) and len(world.installed.ready_agents()) == len(
            digests
        )
        is_told = set(_degraded(world)) == {"ingress", "other", "lonely"}
        return is_new and is_told and not any("leave" in router for router in routers)

    until(is_finished, 120, "the roll-out is through")
    until(
        lambda: all(_holds_by_priority(world, name) for name in ("ingress", "other")), 60, "the usual nodes hold them"
    )


def _holds_by_priority(world: World, name: str) -> bool:
    status = world.plane.get("floatingip", name).get("status", {})
    nodes = status.get("nodes", [])
    highest = max(nodes, key=lambda entry: int(entry.get("effectivePriority", 0)), default=None)
    states = sorted(entry["state"] for entry in nodes)
    return highest is not None and status.get("activeNode") == highest["name"] and states == ["Active", "Backup"]


def _degraded(world: World) -> dict[str, str]:
    """The reason of the condition, by FloatingIP."""
    return {
        entry["metadata"]["name"]: condition["reason"]
        for entry in world.plane.get("floatingips")["items"]
        for condition in entry.get("status", {}).get("conditions", [])
        if condition["type"] == "Degraded"
    }


def _told(world: World) -> set[str]:
    """The FloatingIPs that say that the roll-out stopped."""
    return {name for name, reason in _degraded(world).items() if reason == "RolloutStopped"}


def _ready_since(pod: dict[str, Any]) -> str:
    return next(str(c["lastTransitionTime"]) for c in pod["status"]["conditions"] if c["type"] == "Ready")
