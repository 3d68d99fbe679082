"""What the holder has on its node beside the address, ordered by a FloatingIP: a link with a virtual MAC, routes and rules."""

from __future__ import annotations

import pytest
from lab.network import Host
from lab.waiting import until

from end_to_end.world import Apply, World

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

ADDRESS = "10.9.0.126"


def shown(host: Host, *words: str) -> str:
    return host.run(["ip", *words]).stdout


def has_everything(host: Host) -> bool:
    links, routes, rules = (shown(host, *words) for words in (("link",), ("route", "show", "table", "100"), ("rule",)))
    return (
        "00:00:5e:00:01:78" in links
        and "10.50.0.0/16 via 10.9.0.99" in routes
        and f"from {ADDRESS} lookup 100" in rules
    )


def has_nothing(host: Host) -> bool:
    links, routes, rules = (shown(host, *words) for words in (("link",), ("route", "show", "table", "all"), ("rule",)))
    return "00:00:5e:00:01" not in links and "10.50.0.0/16" not in routes and "lookup 100" not in rules


def test_it_moves_with_the_address_and_goes_with_the_floating_ip(world: World, apply: Apply) -> None:
    apply(
        "equipped",
        addresses=[f"{ADDRESS}/24"],
        virtualRouterID=120,
        vrrp={"virtualMAC": "Enabled"},
        routes=[{"to": "10.50.0.0/16", "via": "10.9.0.99", "table": 100}],
        rules=[{"from": f"{ADDRESS}/32", "table": 100, "priority": 1000}],
    )
    holder = world.settled("equipped", ADDRESS)
    until(lambda: has_everything(world.nodes[holder]), 5, f"{holder} has it all")
    assert all(has_nothing(host) for name, host in world.nodes.items() if name != holder)

    with world.prober(ADDRESS) as prober:
        prober.wait_for(holder, 5)
        world.cluster.agents[holder].kill()
        successor = world.wait_for_holder(ADDRESS, among=lambda name: name != holder)
        prober.wait_for(successor, 5)
    until(lambda: has_everything(world.nodes[successor]), 5, f"{successor} has it all")
    world.cluster.agents[holder].start()
    assert world.settled("equipped", ADDRESS) == holder
    until(lambda: has_nothing(world.nodes[successor]), 5, f"{successor} let go of it")

    world.plane.kubectl("delete", "floatingip", "equipped", "--timeout=30s")
    until(lambda: all(map(has_nothing, world.nodes.values())), 10, "nobody has anything of it")
