"""Handing the role over on purpose: priority 0 as on Shutdown, and then to stand by."""

from __future__ import annotations

import dataclasses
import socket

import pytest
from floatip_agent.vrrp.actions import ReleaseAddresses, SendAdvertisement, Transition
from floatip_agent.vrrp.group import Group
from floatip_agent.vrrp.packet import Advertisement, Wire
from floatip_agent.vrrp.router import Active, Backup, Parameters, VirtualRouter
from floatip_agent.vrrp.timers import skew_time
from simulation.lan import FAMILIES, SECOND, Conditions, Lan, Node
from simulation.scenario import address

NOW = 5_000 * SECOND
VIP, OWN, PEER = (socket.inet_aton(f"10.0.0.{last}") for last in (100, 50, 9))


def active(version: int = 3, interval: int = SECOND, priority: int = 1) -> VirtualRouter:
    """Active since NOW, with the priority of one that was asked to leave."""
    router = VirtualRouter(Parameters(Wire(version, 51, interval, (VIP,)), priority, OWN))
    router.become_active(NOW, "test")
    return router


def test_an_active_says_priority_zero_lets_go_and_stands_by() -> None:
    """RFC 9568 6.4.3, the Shutdown event: "Send an ADVERTISEMENT with Priority = 0", and no Initialize after it."""
    router = active()
    assert router.hand_over(NOW + 1, "why") == (SendAdvertisement(0), ReleaseAddresses(), Transition("Backup", "why"))
    assert isinstance(router.state, Backup)


@pytest.mark.parametrize("version", [2, 3])
def test_it_takes_the_role_back_only_after_every_other_could_have(version: int) -> None:
    """RFC 9568 6.4.2: "If the Priority in the ADVERTISEMENT is 0, then: Set the Active_Down_Timer to Skew_Time"."""
    router = active(version)
    router.hand_over(NOW, "test")
    assert router.deadline == NOW + 2 * SECOND > NOW + skew_time(version, 1, SECOND)
    assert router.handle_timeout(NOW + 2 * SECOND) != ()
    assert isinstance(router.state, Active), "nobody was there"


def test_it_follows_whoever_takes_over() -> None:
    router = active()
    router.hand_over(NOW, "test")
    router.receive(Advertisement(3, 51, 1, SECOND, (VIP,), PEER), NOW + SECOND)
    assert router.deadline is not None
    assert router.deadline > NOW + 4 * SECOND, "a whole Active_Down_Interval from there, even of an equal priority"


def test_a_slower_interval_that_peers_still_count_with_is_waited_for() -> None:
    """A Backup's Skew_Time is made of the interval that the Active advertised last."""
    router = active(interval=SECOND)
    faster = dataclasses.replace(
        router.parameters, wire=dataclasses.replace(router.parameters.wire, interval=SECOND // 10)
    )
    router.reconfigure(faster, NOW)
    router.hand_over(NOW, "test")
    assert router.deadline == NOW + 2 * SECOND


def test_one_that_is_not_active_does_nothing() -> None:
    router = VirtualRouter(active().parameters)
    assert router.hand_over(NOW, "test") == ()
    router.startup(NOW)
    before = router.state
    assert router.hand_over(NOW, "test") == ()
    assert router.state == before


def test_a_group_leaves_as_a_whole() -> None:
    group: Group[str] = Group()
    for key in FAMILIES:
        group.add(key, active().parameters)
    group.startup(NOW)
    group.handle_timeout(NOW + 4 * SECOND)
    done = group.hand_over(NOW + 5 * SECOND, "why")
    assert [key for key, action in done if action == SendAdvertisement(0)] == list(FAMILIES)
    assert [action.reason for _, action in done if isinstance(action, Transition)] == ["why", "why"]
    assert not group.is_active


@pytest.mark.parametrize("preempt", [True, False], ids=["PreemptLowerPriority", "Never"])
@pytest.mark.parametrize("others", [(100,), (1,), (1, 20, 180), ()], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_on_a_lan_the_highest_of_the_others_takes_over_and_keeps_it(
    seed: int, others: tuple[int, ...], *, preempt: bool
) -> None:
    """Both families, packets up to 5 ms late. With nobody else there it has the role again after two intervals."""
    nodes = [Node(number, of(number, p, preempt=preempt)) for number, p in enumerate((200, *others), 1)]
    lan = Lan(seed, nodes, Conditions())
    leaver = nodes[0]
    lan.boot(leaver)
    lan.run(5 * SECOND)
    for node in nodes[1:]:
        lan.boot(node)
    lan.run(5 * SECOND)
    assert lan.active == [leaver]
    lan.hand_over(leaver)
    assert lan.active == []
    successor = max(nodes[1:], key=lambda node: node.effective.priority, default=leaver)
    lan.run(skew_time(3, successor.effective.priority, SECOND) + SECOND // 20 if others else 2 * SECOND + SECOND // 20)
    lan.promises.expect(successor, "the highest of the others takes over")
    lan.run(30 * SECOND)


def of(number: int, priority: int, *, preempt: bool) -> dict[str, Parameters]:
    """Both families of one node."""
    return {
        family: Parameters(
            Wire(3, 51, SECOND, (address(family, 100),)),
            priority,
            address(family, number),
            preempt,
            breaks_ties=not place,
        )
        for place, family in enumerate(FAMILIES)
    }
