"""A slice of the simulation (all of it: `make simulation`), and the proof that each of its promises can be broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from floatip_agent.vrrp import packet, timers
from floatip_agent.vrrp.actions import Action, ReleaseAddresses, SendAdvertisement, Transition
from floatip_agent.vrrp.group import Group
from floatip_agent.vrrp.router import Active, Backup, VirtualRouter
from simulation import promises
from simulation.scenario import Scenario

SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_holds(seed: int) -> None:
    Scenario(seed).run()


def test_equal_seeds_give_equal_traces_and_others_do_not() -> None:
    first, again, other = (Scenario(seed, trace=True) for seed in (7, 7, 8))
    for scenario in (first, again, other):
        scenario.run()
    assert first.lan.trace == again.lan.trace != other.lan.trace
    assert len(first.lan.trace or ()) > 100


@pytest.mark.parametrize("seed", range(100, 110))
@pytest.mark.rule("9568-7.1-no-effect")
def test_packets_that_are_dropped_change_nothing_at_all(seed: int) -> None:
    """(e) what was dropped moved no deadline: to the nanosecond, the same happens with and without them."""
    quiet, attacked = (Scenario(seed, trace=True, hostility=hostility) for hostility in (0.0, 0.9))
    quiet.run()
    attacked.run()
    assert quiet.lan.trace == attacked.lan.trace


def deaf_active(router: VirtualRouter, active: Active, advertisement: packet.Advertisement, now: int) -> tuple[()]:
    return ()


def never_due(router: VirtualRouter, now: int, **_: Any) -> tuple[Action, ...]:
    if isinstance(router.state, Backup):
        router.state = dataclasses.replace(router.state, active_down_at=now + timers.SECOND)
    return ()


def meek(router: VirtualRouter, backup: Backup, advertisement: packet.Advertisement, now: int) -> Backup:
    """Takes every advertisement for a better router's."""
    return router._backup(now, advertisement.interval)


def bold(router: VirtualRouter, backup: Backup, advertisement: packet.Advertisement, now: int) -> Backup:
    """Preempts whatever Preempt_Mode says."""
    is_lower = advertisement.priority < router.parameters.priority
    return backup if is_lower else router._backup(now, advertisement.interval)


def sliding(router: VirtualRouter, active: Active, now: int) -> tuple[Action, ...]:
    """The next one counts from when this one left."""
    router.state = router._sent(active, now, now + router.parameters.interval)
    return (SendAdvertisement(router.parameters.priority),)


def alone(group: Group[str], key: str, advertisement: packet.Advertisement, now: int) -> list[tuple[str, Action]]:
    """A member that yields leaves the others where they are."""
    return [(key, action) for action in group.members[key].receive(advertisement, now)]


def late_farewell(router: VirtualRouter, advertisement: packet.Advertisement) -> tuple[Action, ...]:
    return ReleaseAddresses(), SendAdvertisement(0), Transition("Backup", "sabotage")


SABOTAGE: list[tuple[str, type, str, Callable[..., Any]]] = [
    (promises.AT_MOST_ONE, VirtualRouter, "_contested", deaf_active),
    (promises.AT_LEAST_ONE, VirtualRouter, "handle_timeout", never_due),
    (promises.HIGHEST, VirtualRouter, "_heard", meek),
    (promises.STAYS, VirtualRouter, "_heard", bold),
    (promises.GRID, VirtualRouter, "_tick", sliding),
    (promises.TOGETHER, Group, "receive", alone),
    (promises.HELD, VirtualRouter, "_last_word", late_farewell),
    (promises.LISTENS, VirtualRouter, "has_stalled", lambda *_: False),
]


@pytest.mark.parametrize(("promise", "of", "name", "sabotage"), SABOTAGE, ids=[row[0] for row in SABOTAGE])
def test_a_core_that_breaks_a_promise_is_caught(
    promise: str, of: type, name: str, sabotage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of, name, sabotage)
    assert any(promise in outcome(seed) for seed in range(60)), "no seed shows it"


def test_a_codec_that_lets_a_bad_packet_pass_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """(e): a router that believes what came through a gateway."""
    decode = packet.decode

    def trusting(
        wire: packet.Wire, message: bytes, source: bytes, to: bytes, ttl: int
    ) -> packet.Advertisement | packet.DropReason:
        return decode(wire, message, source, to, packet.TTL)

    monkeypatch.setattr(packet, "decode", trusting)
    assert any("accepted, although its TTL is not 255" in outcome(seed) for seed in range(60)), "no seed shows it"


def outcome(seed: int) -> str:
    """What the simulation has to say; nothing when all is well."""
    try:
        Scenario(seed).run()
    except (AssertionError, KeyError) as error:
        return str(error)
    return ""
