"""The state machine: every event in every state, with the sentences of RFC 9568 that the rows obey."""

from __future__ import annotations

import dataclasses
import itertools
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
from floatip_agent.vrrp.packet import Advertisement, Wire
from floatip_agent.vrrp.router import Active, Backup, Initialize, Parameters, State, VirtualRouter
from hypothesis import given, settings
from hypothesis import strategies as st

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
NOW = 5_000 * SECOND
rule = pytest.mark.rule
VIP = socket.inet_aton("10.0.0.100")
OWN = socket.inet_aton("10.0.0.50")
BELOW, ABOVE = socket.inet_aton("10.0.0.9"), socket.inet_aton("10.0.0.200")


def parameters(priority: int = 100, interval: int = SECOND, version: int = 3, **more: object) -> Parameters:
    return dataclasses.replace(Parameters(Wire(version, 51, interval, (VIP,)), priority, OWN), **more)  # type: ignore[arg-type]


def advertisement(priority: int, interval: int = SECOND, source: bytes = BELOW, version: int = 3) -> Advertisement:
    return Advertisement(version, 51, priority, interval, (VIP,), source)


def backup(given: Parameters | None = None) -> VirtualRouter:
    """Started at NOW."""
    router = VirtualRouter(given or parameters())
    router.startup(NOW)
    assert isinstance(router.state, Backup)
    return router


def active(given: Parameters | None = None) -> VirtualRouter:
    """Active since NOW."""
    router = VirtualRouter(given or parameters())
    router.become_active(NOW, "test")
    return router


def initialize(given: Parameters | None = None) -> VirtualRouter:
    return VirtualRouter(given or parameters())


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


DOWN_100 = 3_609_375_000
"""Active_Down_Interval of priority 100 at 1 s."""

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


class TestLearnedInterval:
    @pytest.mark.rule("9568-6.4.2-learn")
    def test_a_backup_adopts_the_senders_interval(self) -> None:
        """RFC 9568 6.4.2: "Set Active_Adver_Interval to Max Advertise Interval contained in the ADVERTISEMENT; Recompute
        the Skew_Time; Recompute the Active_Down_Interval". keepalived measured 10.832 s; 10.828 s in theory."""
        router = backup()
        router.receive(advertisement(150, interval=3 * SECOND), NOW)
        assert router.deadline == NOW + 10_828_125_000

    def test_priority_zero_uses_what_was_learned_and_not_what_it_carries(self) -> None:
        """keepalived measured 1.8304 s; 1.828 s in theory."""
        router = backup()
        router.receive(advertisement(150, interval=3 * SECOND), NOW)
        router.receive(advertisement(0, interval=SECOND), NOW + SECOND)
        assert router.deadline == NOW + SECOND + 1_828_125_000

    def test_nothing_is_learned_from_a_discarded_advertisement(self) -> None:
        router = backup()
        router.receive(advertisement(99, interval=10 * SECOND), NOW + SECOND)
        router.receive(advertisement(0, interval=10 * SECOND), NOW + 2 * SECOND)
        assert router.deadline == NOW + 2 * SECOND + 609_375_000

    @pytest.mark.rule("9568-6.4.2-learn")
    def test_an_active_learns_from_the_one_it_yields_to(self) -> None:
        """RFC 9568 6.4.3: "Set Active_Adver_Interval to Max Advertise Interval contained in the ADVERTISEMENT"."""
        router = active()
        router.receive(advertisement(150, interval=3 * SECOND), NOW)
        assert router.deadline == NOW + 10_828_125_000

    def test_a_new_active_sends_at_its_own_interval(self) -> None:
        router = backup()
        router.receive(advertisement(150, interval=3 * SECOND), NOW)
        router.handle_timeout(NOW + 10_828_125_000)
        assert router.deadline == NOW + 10_828_125_000 + SECOND

    def test_priority_zero_of_version_2_has_a_skew_in_seconds(self) -> None:
        """RFC 3768 6.1: "((256 - Priority) / 256)" seconds, whatever the interval."""
        router = backup(parameters(version=2, interval=3 * SECOND))
        router.receive(advertisement(0, interval=3 * SECOND, version=2), NOW)
        assert router.deadline == NOW + 609_375_000

    @pytest.mark.rule("3768-6.1-own-interval")
    def test_version_2_learns_nothing(self) -> None:
        """RFC 3768 has no learning: both sides are configured alike, and the codec drops what differs."""
        router = backup(parameters(version=2))
        router.receive(advertisement(150, interval=3 * SECOND, version=2), NOW)
        assert router.deadline == NOW + DOWN_100


class TestPreemption:
    @pytest.mark.rule("9568-6.4.2-no-preempt")
    def test_never_lets_a_lower_active_be(self) -> None:
        """RFC 9568 6.4.2: "If Preempt_Mode is False, [...] Reset the Active_Down_Timer to Active_Down_Interval"."""
        router = backup(parameters(preempt=False))
        for second in range(1, 60):
            assert router.receive(advertisement(1), NOW + second * SECOND) == ()
            assert router.deadline == NOW + second * SECOND + DOWN_100

    def test_never_still_takes_over_from_silence_and_from_priority_zero(self) -> None:
        router = backup(parameters(preempt=False))
        router.receive(advertisement(0), NOW)
        assert router.deadline == NOW + 609_375_000
        assert router.handle_timeout(NOW + 609_375_000)

    @pytest.mark.rule("9568-6.1-owner")
    def test_the_owner_preempts_whatever_preempt_mode_says(self) -> None:
        """RFC 9568 6.1: "Preempt_Mode [...] the router that owns the IPvX address [...] always preempts"."""
        router = active(parameters(255, preempt=False))
        router.become_backup(NOW, "test")
        deadline = router.deadline
        router.receive(advertisement(254), NOW + SECOND)
        assert router.deadline == deadline

    def test_an_active_yields_to_a_greater_priority_whatever_preempt_mode_says(self) -> None:
        """Preempt_Mode is looked at in Backup only."""
        router = active(parameters(preempt=False))
        router.receive(advertisement(101), NOW)
        assert isinstance(router.state, Backup)

    def test_the_delay_passes_first_and_then_the_down_interval(self) -> None:
        """preempt_delay 5 at priority 200: keepalived measured 8.271 s, 8.219 s in theory."""
        router = backup(parameters(200, preempt_delay=5 * SECOND))
        at = NOW
        while at < router.deadline:  # type: ignore[operator]
            router.receive(advertisement(100), at)
            at += SECOND
        # The last advertisement that still counts is the one 4 s after the first; the one at 5 s does not.
        assert router.deadline == NOW + 4 * SECOND + 3_218_750_000

    def test_the_delay_begins_anew_when_a_better_router_was_there_in_between(self) -> None:
        router = backup(parameters(200, preempt_delay=5 * SECOND))
        router.receive(advertisement(100), NOW)
        router.receive(advertisement(220), NOW + 4 * SECOND)
        router.receive(advertisement(100), NOW + 6 * SECOND)
        assert router.deadline == NOW + 6 * SECOND + 3_218_750_000

    def test_the_delay_does_not_begin_anew_with_other_parameters(self) -> None:
        router = backup(parameters(200, preempt_delay=5 * SECOND))
        router.receive(advertisement(100), NOW)
        router.reconfigure(parameters(201, preempt_delay=5 * SECOND), NOW + 4 * SECOND)
        before = router.deadline
        router.receive(advertisement(100), NOW + 5 * SECOND)
        assert router.deadline == before, "it is over: the advertisement is discarded"

    def test_the_delay_does_not_hold_up_a_takeover_from_silence(self) -> None:
        router = backup(parameters(200, preempt_delay=600 * SECOND))
        assert router.deadline == NOW + 3_218_750_000
        assert router.handle_timeout(NOW + 3_218_750_000)


class TestRivals:
    @pytest.mark.rule("9568-6.4.3-lower")
    def test_losing_advertisements_are_answered_at_most_twice_an_interval(self) -> None:
        """RFC 9568 6.4.3 answers each at once; a rival at 1 kHz must not make a flood of two."""
        router = active()
        sent = 0
        for millisecond in range(10_000):
            now = NOW + millisecond * MILLISECOND
            done = [*router.receive(advertisement(1), now)]
            if router.deadline is not None and router.deadline <= now:
                done += router.handle_timeout(now)
            sent += sum(isinstance(action, SendAdvertisement) for action in done)
        assert sent == 9 + 19, "9 periodic ones, and an answer each half second"

    def test_answers_do_not_move_the_schedule(self) -> None:
        router = active()
        for step in range(1, 100):
            router.receive(advertisement(1), NOW + step * 10 * MILLISECOND)
        assert next(type(action) for action in router.handle_timeout(NOW + SECOND)) is SendAdvertisement
        assert isinstance(router.state, Active)
        assert router.state.advertise_at == NOW + 2 * SECOND

    def test_the_addresses_are_announced_again_at_most_once_a_second(self) -> None:
        """The rival announced itself too; without an answer to that, clients stay with whoever spoke last."""
        router = active(parameters(interval=100 * MILLISECOND))
        announced = []
        for millisecond in range(1, 10_000):
            now = NOW + millisecond * MILLISECOND
            done = [*router.receive(advertisement(1), now)]
            if router.deadline is not None and router.deadline <= now:
                done += router.handle_timeout(now)
            announced += [now] * sum(isinstance(action, Announce) for action in done)
        assert len(announced) == 9
        assert all(later - earlier >= SECOND for earlier, later in itertools.pairwise(announced))

    def test_a_rival_never_delays_an_announcement_that_is_due_sooner(self) -> None:
        router = active(parameters(announcement_repeat=300 * MILLISECOND))
        router.receive(advertisement(1), NOW + 100 * MILLISECOND)
        assert router.deadline == NOW + 300 * MILLISECOND

    def test_without_a_rival_the_takeover_is_announced_twice(self) -> None:
        """A switch that dropped the first burst learns from the second, 5 s later, as with keepalived."""
        router = active()
        announced = []
        for second in range(1, 20):
            done = router.handle_timeout(NOW + second * SECOND)
            announced += [second] * sum(isinstance(action, Announce) for action in done)
        assert announced == [5]

    def test_the_winner_of_a_contest_announces_itself_after_the_loser_let_go(self) -> None:
        """The loser's last advertisement is an answer to the winner: one more announcement, after the loser's release."""
        winner, loser = active(parameters(150)), active()
        last, *_ = loser.receive(advertisement(150), NOW + 100 * MILLISECOND)
        assert isinstance(last, SendAdvertisement)
        winner.receive(advertisement(last.priority), NOW + 100 * MILLISECOND)
        assert isinstance(winner.state, Active)
        assert winner.state.announce_at == NOW + SECOND

    def test_the_last_word_never_teaches_another_interval(self) -> None:
        """RFC 9568 6.4.2 makes a Backup that does not preempt "Set Active_Adver_Interval to Max Advertise Interval contained
        in the ADVERTISEMENT": a loser's shorter one, after the winner's, would make it claim the role while the winner lives."""
        router = active(parameters(interval=10 * MILLISECOND))
        done = router.receive(advertisement(150, interval=SECOND), NOW)
        assert [type(action) for action in done] == [ReleaseAddresses, Transition]


class TestLateness:
    def test_lateness_does_not_add_up(self) -> None:
        router = active()
        router.handle_timeout(NOW + SECOND + 300 * MILLISECOND)
        assert router.deadline == NOW + 2 * SECOND

    def test_a_missed_period_is_not_made_up_for(self) -> None:
        router = active()
        done = router.handle_timeout(NOW + 2 * SECOND + 500 * MILLISECOND)
        assert done == (SendAdvertisement(100),)
        assert router.deadline == NOW + 3 * SECOND

    def test_after_a_stall_in_which_the_fastest_peer_may_have_taken_over_it_listens_first(self) -> None:
        """Priority 254 takes over after 3.0078125 s; nothing is sent, the addresses go."""
        router = active()
        done = router.handle_timeout(NOW + 3_007_812_501)
        assert done == (ReleaseAddresses(), Transition("Backup", "stalled: no advertisement sent for 3007 ms"))
        assert router.deadline == NOW + 3_007_812_501 + DOWN_100

    def test_after_such_a_stall_what_was_said_meanwhile_is_heard_as_a_backup_hears_it(self) -> None:
        """The socket is read before the timers: a lower router that took over must not be answered with a claim."""
        router = active()
        after = NOW + 3_007_812_501
        done = router.receive(advertisement(99, interval=3 * SECOND), after)
        assert done == (ReleaseAddresses(), Transition("Backup", "stalled: no advertisement sent for 3007 ms"))
        assert router.deadline == after + DOWN_100, "a lower priority is discarded, its interval not learned"
        router = active()
        assert [type(action) for action in router.receive(advertisement(150), after)] == [ReleaseAddresses, Transition]
        assert router.deadline == after + DOWN_100
        router = active()
        router.receive(advertisement(0), after)
        assert router.deadline == after + 609_375_000

    def test_how_long_it_stalled_is_said_in_milliseconds(self) -> None:
        _, said = active().handle_timeout(NOW + 5_000 * SECOND)
        assert said == Transition("Backup", "stalled: no advertisement sent for 5000000 ms")

    def test_a_shorter_stall_keeps_the_role(self) -> None:
        assert active().handle_timeout(NOW + 3_007_812_500) == (SendAdvertisement(100),)


class TestReconfigure:
    def test_a_backups_running_timer_moves_by_the_difference(self) -> None:
        """As keepalived does it: 100 to 200 at 1 s is 0.390625 s less."""
        router = backup()
        assert router.reconfigure(parameters(200), NOW + 2 * SECOND) == ()
        assert router.deadline == NOW + 3_218_750_000

    def test_a_backup_that_learned_an_interval_keeps_it(self) -> None:
        router = backup()
        router.receive(advertisement(150, interval=3 * SECOND), NOW)
        router.reconfigure(parameters(interval=2 * SECOND), NOW)
        assert router.deadline == NOW + 10_828_125_000

    def test_a_backup_with_a_shorter_interval_still_waits_for_what_the_active_advertises(self) -> None:
        """The change is rolled over the nodes one after the other: until the Active has it, its own interval counts."""
        router = backup()
        router.receive(advertisement(150), NOW)
        router.reconfigure(parameters(interval=10 * MILLISECOND), NOW + 500 * MILLISECOND)
        assert router.deadline == NOW + DOWN_100
        router.receive(advertisement(150, interval=10 * MILLISECOND), NOW + SECOND)
        assert router.deadline is not None
        assert router.deadline < NOW + SECOND + 40 * MILLISECOND

    def test_a_backup_of_version_2_waits_by_its_own_interval(self) -> None:
        """RFC 3768 6.1: Master_Down_Interval "= (3 * Advertisement_Interval) + Skew_time", of the local configuration."""
        router = backup(parameters(version=2))
        router.reconfigure(parameters(version=2, interval=3 * SECOND), NOW + SECOND)
        assert router.deadline == NOW + 9_609_375_000

    def test_an_actives_next_advertisement_carries_the_new_priority(self) -> None:
        router = active()
        assert router.reconfigure(parameters(120), NOW + MILLISECOND) == ()
        assert router.handle_timeout(NOW + SECOND) == (SendAdvertisement(120),)

    def test_an_active_takes_new_addresses_in_and_announces_them(self) -> None:
        wire = dataclasses.replace(parameters().wire, addresses=(VIP, ABOVE))
        router = active()
        assert router.reconfigure(parameters(wire=wire), NOW) == (AssignAddresses(), Announce())
        assert isinstance(router.state, Active)

    def test_an_active_with_a_shorter_interval_keeps_the_role(self) -> None:
        """Peers know the old interval until the next advertisement: nothing that happened so far was a stall."""
        router = active()
        router.reconfigure(parameters(interval=10 * MILLISECOND), NOW + 900 * MILLISECOND)
        assert router.deadline == NOW + 910 * MILLISECOND
        assert router.handle_timeout(NOW + 910 * MILLISECOND) == (SendAdvertisement(100),)
        assert isinstance(router.state, Active)

    def test_an_active_with_a_longer_interval_still_advertises_in_time_for_the_old_one(self) -> None:
        router = active(parameters(interval=10 * MILLISECOND))
        router.reconfigure(parameters(interval=10 * SECOND), NOW)
        assert router.deadline == NOW + 10 * MILLISECOND
        router.handle_timeout(NOW + 10 * MILLISECOND)
        assert isinstance(router.state, Active)
        assert router.state.advertise_at == NOW + 10 * MILLISECOND + 10 * SECOND

    def test_initialize_stays(self) -> None:
        router = initialize()
        assert router.reconfigure(parameters(200), NOW) == ()
        assert router.state == Initialize()


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
