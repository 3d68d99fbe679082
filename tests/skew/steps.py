"""The steps, in the order in which they are done: each leaves the world as the next one finds it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from floatip_api import names
from lab import images
from lab.image import Image
from lab.installation import NAMESPACE, RELEASE
from lab.waiting import until
from skew.world import ACTIVE_DOWN, ADDED, GUEST, MARGIN, NAMES, NODES, World

SECOND = (256 - 150) / 256
"""Seconds, RFC 9568 6.1: Skew_Time of the second of three at a period of 1 s, by the given priorities."""
MOVED = SECOND + MARGIN
STILL = 0.2
"""Seconds: no address moves, and the machine is busy."""
REUSED = "--reset-then-reuse-values"


class StepError(Exception):
    """Something was not as promised; the text says what."""


def operator_first(world: World) -> None:
    """Our operator, chart and CRDs; the agents' image stays the other release's, in Pods as our operator makes them."""
    with world.step("our operator, the other's agents (started anew from our settings)", most=MOVED):
        world.upgrade(world.ours, REUSED, f"--set=image.operator.tag={_tag(world.ours.images.operator)}")
        until(world.settings_digest, 120, "our operator has written the DaemonSet")
        world.wait_for_agents(world.other)


def ours_with_others_agents(world: World) -> None:
    with world.step(
        "edits, a new floating IP, a move; our operator, the other's agents", most=MOVED, still=("elk", "pair")
    ):
        _edit(world)
        _come_and_go(world)
        _move(world)
        _ask_for_news(world)


def forward(world: World) -> None:
    with world.step("the agents become ours, node by node", most=MOVED):
        world.upgrade(world.ours, REUSED, f"--set=image.agent.tag={_tag(world.ours.images.agent)}")
        world.wait_for_agents(world.ours)


def broken(world: World) -> None:
    """Three nodes: the first gets it, the other two stay as they are."""
    crashing = images.crashing(world.lan.folder)
    for node in world.installed.nodes.values():
        node.load([crashing])
    with world.step("an image of ours that crashes, then the one before", most=MOVED):
        world.upgrade(world.ours, REUSED, f"--set=image.agent.tag={_tag(crashing)}")
        until(lambda: "CrashLoopBackOff" in _stopped(world), 120, "the roll-out says why it stopped")
        time.sleep(30)
        told = [name for name in NAMES if world.condition(name, "Degraded")[1] == "RolloutStopped"]
        tags = sorted(tag for tag, _ in world.agents().values())
        if tags != [_tag(crashing), *2 * [_tag(world.ours.images.agent)]] or told != list(NAMES):
            raise StepError(f"the agents are {tags}, {told} say that it stopped")
        world.upgrade(world.ours, REUSED, f"--set=image.agent.tag={_tag(world.ours.images.agent)}")
        world.wait_for_agents(world.ours)


def saved_copies(world: World) -> None:
    """Containers of the same Pod, killed, come back from the other image: with the API server away the saved copy is all they have."""
    node = world.installed.nodes["n2"]
    ours, other = world.ours.images.agent.name, world.other.images.agent.name
    before = world.holders()
    with world.step("the API server away: n2's agent becomes the other's, then ours again", most=ACTIVE_DOWN + 0.3):
        world.plane.stop_api_server()
        node.run("ctr", "--namespace=k8s.io", "images", "tag", ours, "localhost/kept:1")
        for image in (other, "localhost/kept:1"):
            node.run("ctr", "--namespace=k8s.io", "images", "tag", "--force", image, ours)
            node.kill_containers("engine", "keeper")
            until(lambda: world.holders() != before, 20, "somebody else takes over")
            until(lambda: world.holders() == before, 60, f"n2 takes its role back with {image}")
            time.sleep(5)
            until(lambda: world.holders() == before, 2, "and keeps it")
        world.plane.start_api_server()
        world.wait_for_agents(world.ours)


def backward(world: World) -> None:
    with world.step("the agents become the other's again, by our operator", most=MOVED):
        world.upgrade(world.ours, REUSED, f"--set=image.agent.tag={_tag(world.other.images.agent)}")
        world.wait_for_agents(world.other)


def plainly(world: World) -> None:
    with world.step("helm upgrade with all values given anew: the agents become ours", most=MOVED):
        world.upgrade(world.ours, *world.ours.values(), *world.installed.values)
        world.wait_for_agents(world.ours)


def rolled_back(world: World) -> None:
    """The operator and the CRDs of before; 0.1.0 replaces no Pods, so the agents stay ours."""
    with world.step("helm rollback: the other's operator and CRDs, our agents", most=STILL, still=NAMES):
        world.installed.helm("rollback", RELEASE, "1", "--wait", "--timeout=120s")
        until(lambda: not world.settings_digest(), 120, "the other's operator has written the DaemonSet")
        time.sleep(20)
        world.wait_for_agents(world.ours)


def others_with_our_agents(world: World) -> None:
    with world.step(
        "edits, a new floating IP, a killed agent; the other's operator, our agents", most=ACTIVE_DOWN + 0.3
    ):
        _edit(world)
        _come_and_go(world)
        before = world.restarts("n1")
        world.installed.nodes["n1"].kill_containers("engine", "keeper")
        until(lambda: world.restarts("n1") >= before + 2, 60, "the kubelet starts both again")
        world.wait_for_agents(world.ours)


def by_hand(world: World) -> None:
    with world.step("the Pods deleted by hand, one by one: the other's agents", most=MOVED):
        for pod in world.installed.pods("floatip-agent"):
            world.plane.kubectl("delete", "pod", "-n", pod["metadata"]["namespace"], pod["metadata"]["name"])
            until(
                lambda: all(ready for _, ready in world.agents().values()) and len(world.agents()) == len(NODES),
                90,
                "it is back",
            )
            world.wait_until_usual()
        world.wait_for_agents(world.other)


def all_at_once(world: World) -> None:
    with world.step("helm upgrade of all at once", most=MOVED):
        world.upgrade(world.ours, REUSED, *world.ours.values())
        world.wait_for_agents(world.ours)


STEPS: dict[str, Callable[[World], None]] = {
    "operator-first": operator_first,
    "ours-with-others-agents": ours_with_others_agents,
    "forward": forward,
    "broken": broken,
    "saved-copies": saved_copies,
    "backward": backward,
    "plainly": plainly,
    "rolled-back": rolled_back,
    "others-with-our-agents": others_with_our_agents,
    "by-hand": by_hand,
    "all-at-once": all_at_once,
}


def _edit(world: World) -> None:
    """An address more, with another preemption, and less: taken up by the holder, without a move."""
    _change_elk(world, [NAMES["elk"], ADDED], preemption={"delaySeconds": 3})
    _change_elk(world, [NAMES["elk"]], preemption=None)
    world.wait_until_usual()


def _change_elk(world: World, addresses: list[str], *, preemption: dict[str, int] | None) -> None:
    holders = world.holders()
    change = {"spec": {"addresses": [f"{address}/24" for address in addresses], "preemption": preemption}}
    world.plane.kubectl("patch", "fip", "elk", "--type=merge", "-p", json.dumps(change))
    host = world.installed.hosts[holders["elk"]]
    until(lambda: host.holds(ADDED) is (ADDED in addresses), 20, f"{host} takes the change up")
    time.sleep(3)


def _come_and_go(world: World) -> None:
    """A FloatingIP more gets a router ID and a holder, and is gone when every node has confirmed that."""
    metadata, spec = {"name": "guest"}, {"addresses": [f"{GUEST}/24"]}
    guest = {"apiVersion": names.API_VERSION, "kind": names.FLOATING_IP, "metadata": metadata, "spec": spec}
    world.plane.kubectl("apply", "-f", "-", stdin=json.dumps(guest))
    until(lambda: world.condition("guest", "Ready")[0] == "True", 30, "a floating IP more is held")
    world.plane.kubectl("delete", "fip", "guest", "--timeout=30s")
    if holding := [name for name, host in world.installed.hosts.items() if host.holds(GUEST)]:
        raise StepError(f"{', '.join(holding)} still has {GUEST}")
    world.wait_until_usual()


def _move(world: World) -> None:
    holder = world.holders()["small"]
    to = min(set(NODES) - {holder})
    world.floatip("move", "small", "--to", to)
    world.probers["small"].wait_for(to, 10)
    world.plane.kubectl("annotate", "fip", "small", "floatip.dev/prefer-node-")
    world.probers["small"].wait_for(holder, 30)
    world.wait_until_usual()


def _ask_for_news(world: World) -> None:
    """What the other's agents do not know is said, and keeps nothing from being served."""
    change = {"spec": {"linkDamping": {"upMilliseconds": 2000}}}
    world.plane.kubectl("patch", "fip", "pair", "--type=merge", "-p", json.dumps(change))
    until(lambda: world.condition("pair", "Accepted")[1] == "UnsupportedByAgents", 20, "UnsupportedByAgents")
    if "linkDamping" not in (message := world.condition("pair", "Accepted")[2]):
        raise StepError(f"UnsupportedByAgents names another field: {message}")
    world.plane.kubectl("patch", "fip", "pair", "--type=merge", "-p", '{"spec": {"linkDamping": null}}')
    world.wait_until_usual()


def _stopped(world: World) -> str:
    """Where and why the roll-out stands still; empty: it does not."""
    annotations = world.plane.get("daemonset", "-n", NAMESPACE, "floatip-agent")["metadata"].get("annotations", {})
    return str(annotations.get(names.ROLLOUT_STOPPED, ""))


def _tag(image: Image) -> str:
    return image.name.rpartition(":")[2]
