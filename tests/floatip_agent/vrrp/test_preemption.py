"""Who gives way to whom: preemption, its delay, and rivals that go on."""

from __future__ import annotations

import itertools

import pytest
from floatip_agent.vrrp.actions import Announce, ReleaseAddresses, SendAdvertisement, Transition
from floatip_agent.vrrp.router import Active, Backup
from in_memory.virtual_router import DOWN_100, MILLISECOND, NOW, SECOND, active, advertisement, backup, parameters


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
