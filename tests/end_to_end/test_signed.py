"""HMACSHA256 the whole way: Secrets that are named by floating IPs, keys that rotate, and nothing left when the floating IP is deleted."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from floatip_api import names
from lab.waiting import until

from end_to_end.world import Apply, World

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

ADDRESS = "10.9.0.125"
OLD, NEW = "0123456789abcdef" * 4, "fedcba9876543210" * 4


def signed(*ids: int, active: int) -> dict[str, Any]:
    keys = [{"id": key, "secretRef": {"name": "signed-keys", "key": f"key-{key}"}} for key in ids]
    return {"authentication": {"type": "HMACSHA256", "keys": keys, "activeKeyID": active}}


def saved(world: World, name: str) -> str:
    """What a node's disk holds of floating IPs."""
    files = world.cluster.agents[name].state.iterdir()
    return "".join(file.read_text() for file in files if file.is_file())


def transitions(world: World, holder: str) -> int:
    found = world.floating_ip("signed")["status"]["nodes"]
    return next(int(entry["transitions"]) for entry in found if entry["name"] == holder)


def test_keys_rotate_without_a_lost_probe_and_end_with_the_floating_ip(world: World, apply: Apply) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "signed-keys", "namespace": names.DEFAULT_NAMESPACE},
        "stringData": {"key-1": OLD, "key-2": f"hex:{NEW}"},
    }
    world.plane.apply(yaml.safe_dump(secret))
    apply("signed", addresses=[f"{ADDRESS}/24"], vrrp=signed(1, active=1))
    holder = world.settled("signed", ADDRESS)
    until(lambda: all(OLD.encode().hex() in saved(world, name) for name in world.nodes), 10, "every node saved the key")
    before = transitions(world, holder)
    with world.prober(ADDRESS) as prober:
        prober.wait_for(holder, 5)
        start = time.monotonic_ns()
        for step in (signed(1, 2, active=1), signed(1, 2, active=2), signed(2, active=2)):
            apply("signed", addresses=[f"{ADDRESS}/24"], vrrp=step)
            until(lambda: is_observed(world), 30, "the operator saw it")
            assert world.settled("signed", ADDRESS) == holder
        assert prober.window(start).lost == 0
    assert transitions(world, holder) == before
    until(lambda: not any(OLD.encode().hex() in saved(world, name) for name in world.nodes), 10, "the old key is gone")
    until(lambda: all(NEW in saved(world, name) for name in world.nodes), 10, "every node saved the new key")

    world.plane.kubectl("delete", "floatingip", "signed", "--timeout=30s")
    until(lambda: not any(NEW in saved(world, name) for name in world.nodes), 10, "the new key is gone")
    until(lambda: not any('"signed"' in saved(world, name) for name in world.nodes), 10, "and so are the marks")


def is_observed(world: World) -> bool:
    found = world.floating_ip("signed")
    return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])
