"""What a router learns of the interval of another, and what a late wake-up does to its own."""

from __future__ import annotations

import pytest
from floatip_agent.vrrp.actions import ReleaseAddresses, SendAdvertisement, Transition
from in_memory.virtual_router import DOWN_100, MILLISECOND, NOW, SECOND, active, advertisement, backup, parameters


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
