"""New parameters for a router that runs."""

from __future__ import annotations

import dataclasses

from floatip_agent.vrrp.actions import Announce, AssignAddresses, SendAdvertisement
from floatip_agent.vrrp.router import Active, Initialize
from in_memory.virtual_router import (
    ABOVE,
    DOWN_100,
    MILLISECOND,
    NOW,
    SECOND,
    VIP,
    active,
    advertisement,
    backup,
    initialize,
    parameters,
)


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
