"""The state machine: every event in every state, with the sentences of RFC 9568 that the rows obey."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from floatip_agent.vrrp.actions import (
    Action,
    Announce,
    AssignAddresses,
    ReleaseAddresses,
    SendAdvertisement,
    Transition,
)
from floatip_agent.vrrp.router import Active, Backup, Initialize, State, VirtualRouter
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory.virtual_router import (
    ABOVE,
    BELOW,
    DOWN_100,
    MILLISECOND,
    NOW,
    OWN,
    SECOND,
    VIP,
    active,
    advertisement,
    backup,
    initialize,
    parameters,
)

rule = pytest.mark.rule
BECOMES_ACTIVE = [AssignAddresses, SendAdvertisement, Announce, Transition]
YIELDS = [SendAdvertisement, ReleaseAddresses, Transition]
Event = Callable[[VirtualRouter, int], tuple[Action, ...]]


def startup(router: VirtualRouter, now: int) -> tuple[Action, ...]:
    return router.startup(now)


def shutdown(router: VirtualRouter, now: int) -> tuple[Action, ...]:
    return router.shutdown("told to")


def timeout(router: VirtualRouter, now: int) -> tuple[Action, ...]:
    return router.handle_timeout(now)


def hear(priority: int, source: bytes = BELOW) -> Event:
    return lambda router, now: router.receive(advertisement(priority, source=source), now)


# state, event, when it happens after NOW, actions in order, next state, next deadline after NOW.
TRANSITIONS = [
    pytest.param(initialize, startup, 0, [Transition], Backup, DOWN_100, marks=rule("9568-6.4.1-backup"), id=
        'Initialize startup: "Set the Active_Down_Timer to Active_Down_Interval; Transition to the {Backup} state"'),
    pytest.param(initialize, shutdown, 0, [], Initialize, None, marks=rule("9568-6.4-initialize"),
        id="Initialize shutdown: nothing to leave"),
    pytest.param(initialize, timeout, 0, [], Initialize, None, marks=rule("9568-6.4-initialize"),
        id="Initialize timeout: no timer runs"),
    pytest.param(initialize, hear(0), 0, [], Initialize, None, marks=rule("9568-6.4-initialize"),
        id="Initialize hears priority 0: takes no part"),
    pytest.param(initialize, hear(200), 0, [], Initialize, None, marks=rule("9568-6.4-initialize"),
        id="Initialize hears: takes no part, does not fail"),
    pytest.param(backup, startup, SECOND, [], Backup, DOWN_100, id="Backup startup: runs already"),
    pytest.param(backup, shutdown, 0, [Transition], Initialize, None, marks=rule("9568-6.4.2-shutdown"), id=
        'Backup shutdown: "Cancel the Active_Down_Timer; Transition to the {Initialize} state", nothing is sent'),
    pytest.param(backup, timeout, DOWN_100 - 1, [], Backup, DOWN_100, id="Backup timeout too early: nothing"),
    pytest.param(backup, timeout, DOWN_100, BECOMES_ACTIVE, Active, DOWN_100 + SECOND, marks=rule("9568-6.4.2-timer"), id=
        'Backup: "If the Active_Down_Timer fires, then: Send an ADVERTISEMENT; [...] Transition to the {Active} state"'),
    pytest.param(backup, hear(0), SECOND, [], Backup, SECOND + 609_375_000, marks=rule("9568-6.4.2-priority-zero"), id=
        'Backup: "If the Priority in the ADVERTISEMENT is 0, then: Set the Active_Down_Timer to Skew_Time"'),
    pytest.param(backup, hear(100), SECOND, [], Backup, SECOND + DOWN_100, marks=rule("9568-6.4.2-heed"), id=
        'Backup: "greater than or equal to the local Priority, then: [...] Reset the Active_Down_Timer" (equal)'),
    pytest.param(backup, hear(101), SECOND, [], Backup, SECOND + DOWN_100, marks=rule("9568-6.4.2-heed"), id=
        'Backup: "greater than or equal to the local Priority, then: [...] Reset the Active_Down_Timer" (greater)'),
    pytest.param(backup, hear(99), SECOND, [], Backup, DOWN_100, marks=[rule("9568-6.4.2-lower"), rule("9568-6.1-preempt")], id=
        'Backup: "Preempt_Mode is True and the Priority in the ADVERTISEMENT is lower: Discard the ADVERTISEMENT"'),
    pytest.param(active, startup, 0, [], Active, SECOND, id="Active startup: runs already"),
    pytest.param(active, shutdown, 0, YIELDS, Initialize, None, marks=rule("9568-6.4.3-shutdown"), id=
        'Active shutdown: "Cancel the Adver_Timer; Send an ADVERTISEMENT with Priority = 0; Transition to {Initialize}"'),
    pytest.param(active, timeout, SECOND - 1, [], Active, SECOND, id="Active timeout too early: nothing"),
    pytest.param(active, timeout, SECOND, [SendAdvertisement], Active, 2 * SECOND, marks=rule("9568-6.4.3-timer"), id=
        'Active: "If the Adver_Timer fires, then: Send an ADVERTISEMENT; Reset the Adver_Timer to Advertisement_Interval"'),
    pytest.param(active, hear(0), SECOND // 4, [SendAdvertisement], Active, SECOND * 5 // 4, marks=rule("9568-6.4.3-priority-zero"), id=
        'Active: "If the Priority in the ADVERTISEMENT is 0, then: Send an ADVERTISEMENT; Reset the Adver_Timer"'),
    pytest.param(active, hear(101), SECOND // 2, YIELDS, Backup, SECOND // 2 + DOWN_100, marks=rule("9568-6.4.3-greater"), id=
        'Active: "greater than the local Priority [...] then: Cancel Adver_Timer; [...] Transition to the {Backup} state"'),
    pytest.param(active, hear(100, ABOVE), SECOND // 2, YIELDS, Backup, SECOND // 2 + DOWN_100, marks=rule("9568-6.4.3-tie"), id=
        'Active: "equal to the local Priority and the primary IPvX address of the sender is greater": yields'),
    pytest.param(active, hear(100, BELOW), SECOND // 2, [SendAdvertisement], Active, SECOND, marks=rule("9568-6.4.3-tie"), id=
        'Active, equal priority, sender address lower: "Discard the ADVERTISEMENT; Send an ADVERTISEMENT immediately"'),
    pytest.param(active, hear(99), SECOND // 2, [SendAdvertisement], Active, SECOND, marks=rule("9568-6.4.3-lower"), id=
        'Active, lower priority: "Discard the ADVERTISEMENT; Send an ADVERTISEMENT immediately"'),
    pytest.param(active, hear(99, ABOVE), SECOND // 2, [SendAdvertisement], Active, SECOND, id=
        "Active, lower priority from a greater address: the address decides between equals only"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "event", "after", "actions", "then", "deadline"), TRANSITIONS)
def test_transition(
    state: Callable[[], VirtualRouter],
    event: Event,
    after: int,
    actions: list[type[Action]],
    then: type[State],
    deadline: int | None,
) -> None:
    router = state()
    done = event(router, NOW + after)
    assert [type(action) for action in done] == actions
    assert type(router.state) is then
    assert router.deadline == (None if deadline is None else NOW + deadline)


def test_priorities_and_reasons_of_what_is_sent() -> None:
    assert active().shutdown("drained")[0::2] == (SendAdvertisement(0), Transition("Initialize", "drained"))
    assert backup().shutdown("drained") == (Transition("Initialize", "drained"),)
    _, sent, _, became = backup().handle_timeout(NOW + DOWN_100)
    assert sent == SendAdvertisement(100)
    assert became == Transition("Active", "no advertisement within Active_Down_Interval")
    last, _, yielded = active().receive(advertisement(150), NOW)
    assert last == SendAdvertisement(100), "the last one is not priority 0: another router has the role already"
    assert yielded == Transition("Backup", "heard priority 150, own priority 100")


@pytest.mark.rule("9568-6.4.1-owner")
def test_the_owner_is_active_at_once() -> None:
    """RFC 9568 6.4.1: "If the Priority = 255 (i.e., the router owns the IPvX address [...]), then: Send an ADVERTISEMENT"."""
    router = initialize(parameters(255))
    assert [type(action) for action in router.startup(NOW)] == BECOMES_ACTIVE


def test_the_tie_is_broken_by_the_senders_address_and_not_by_the_virtual_one() -> None:
    """The virtual address lies between the two: compared with it, both would stay or both would go."""
    assert BELOW < OWN < VIP < ABOVE
    between = socket.inet_aton("10.0.0.60")
    assert OWN < between < VIP
    router = active()
    router.receive(advertisement(100, source=between), NOW)
    assert isinstance(router.state, Backup)


@pytest.mark.rule("9568-6.4.3-tie")
def test_the_tie_compares_addresses_as_unsigned_bytes() -> None:
    router = active(parameters(source=bytes((127, 0, 0, 1))))
    router.receive(advertisement(100, source=bytes((128, 0, 0, 1))), NOW)
    assert isinstance(router.state, Backup)


# What may happen to a router, as (kind, value) pairs with the time that passes before.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 5 * MILLISECOND, 300 * MILLISECOND, SECOND, 4 * SECOND]),
        st.one_of(
            st.tuples(st.just("hear"), st.integers(0, 255)),
            st.tuples(st.sampled_from(["startup", "shutdown", "timeout"]), st.just(0)),
            st.tuples(st.just("reconfigure"), st.integers(1, 255)),
        ),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(EVENTS, st.booleans(), st.sampled_from([0, 2 * SECOND]), st.sampled_from([10 * MILLISECOND, SECOND]))
def test_whatever_happens(
    events: list[tuple[int, tuple[str, int]]], preempt: bool, preempt_delay: int, interval: int
) -> None:
    router = VirtualRouter(parameters(100, interval, preempt=preempt, preempt_delay=preempt_delay))
    now, is_held = NOW, False
    for passed, (kind, value) in events:
        now += passed
        was = router.state
        match kind:
            case "hear":
                done = router.receive(advertisement(value), now)
            case "reconfigure":
                done = router.reconfigure(
                    parameters(value, interval, preempt=preempt, preempt_delay=preempt_delay), now
                )
            case "timeout":
                done = router.handle_timeout(now)
                assert router.deadline is None or router.deadline > now, "a timeout always moves the deadline on"
            case _:
                done = router.startup(now) if kind == "startup" else router.shutdown("told to")
        if isinstance(was, Initialize) and kind != "startup":
            assert done == (), "no action in Initialize"
        for action in done:
            if isinstance(action, AssignAddresses | ReleaseAddresses):
                assert is_held != isinstance(action, AssignAddresses), "assign and release alternate"
                is_held = isinstance(action, AssignAddresses)
            if isinstance(action, SendAdvertisement):
                assert is_held, "never advertise what is not held"
        assert is_held == isinstance(router.state, Active)
        assert (type(was) is not type(router.state)) == any(isinstance(action, Transition) for action in done)
