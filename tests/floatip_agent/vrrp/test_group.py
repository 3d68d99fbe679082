"""Sync groups: all members Active, or none."""

from __future__ import annotations

import dataclasses
import socket

from floatip_agent.vrrp.actions import Action, AssignAddresses, ReleaseAddresses, SendAdvertisement, Transition
from floatip_agent.vrrp.group import Group
from floatip_agent.vrrp.packet import Advertisement, Wire
from floatip_agent.vrrp.router import Active, Backup, Initialize, Parameters

SECOND = 1_000_000_000
NOW = 5_000 * SECOND
DOWN = 3_609_375_000
FOUR = Parameters(Wire(3, 51, SECOND, (socket.inet_aton("10.0.0.100"),)), 100, socket.inet_aton("10.0.0.50"))
SIX = Parameters(
    Wire(3, 51, SECOND, (socket.inet_pton(socket.AF_INET6, "fe80::100"),)),
    100,
    socket.inet_pton(socket.AF_INET6, "fe80::50"),
    breaks_ties=False,
)
PEERS = {"IPv4": socket.inet_aton("10.0.0.200"), "IPv6": socket.inet_pton(socket.AF_INET6, "fe80::1")}


def advertisement(key: str, priority: int) -> Advertisement:
    wire = FOUR.wire if key == "IPv4" else SIX.wire
    return Advertisement(3, 51, priority, SECOND, wire.addresses, PEERS[key])


def started() -> Group[str]:
    """Both families, in Backup since NOW."""
    group: Group[str] = Group()
    group.add("IPv4", FOUR)
    group.add("IPv6", SIX)
    group.startup(NOW)
    return group


def active() -> Group[str]:
    """Both families, Active since NOW + DOWN."""
    group = started()
    group.handle_timeout(NOW + DOWN)
    assert states(group) == [Active, Active]
    return group


def states(group: Group[str]) -> list[type]:
    return [type(member.state) for member in group.members.values()]


def kinds(done: list[tuple[str, Action]], kind: type[Action]) -> list[str]:
    return [key for key, action in done if isinstance(action, kind)]


def reasons(done: list[tuple[str, Action]]) -> list[str]:
    return [action.reason for _, action in done if isinstance(action, Transition)]


def test_both_become_active_when_both_are_due() -> None:
    group = started()
    assert group.handle_timeout(NOW + DOWN - 1) == []
    done = group.handle_timeout(NOW + DOWN)
    assert kinds(done, AssignAddresses) == ["IPv4", "IPv6"]
    assert group.is_active


def test_one_alone_waits_until_the_other_is_due_too() -> None:
    group = started()
    group.receive("IPv6", advertisement("IPv6", 200), NOW + SECOND)
    assert group.handle_timeout(NOW + DOWN) == []
    assert states(group) == [Backup, Backup]
    assert group.deadline == NOW + SECOND + DOWN, "a member that waits does not make a busy loop"
    done = group.handle_timeout(NOW + SECOND + DOWN)
    assert kinds(done, AssignAddresses) == ["IPv4", "IPv6"]


def test_one_that_waits_hears_again_and_counts_anew() -> None:
    group = started()
    group.receive("IPv6", advertisement("IPv6", 200), NOW + 3 * SECOND)
    group.handle_timeout(NOW + DOWN)
    group.receive("IPv4", advertisement("IPv4", 200), NOW + 4 * SECOND)
    assert group.handle_timeout(NOW + 3 * SECOND + DOWN) == []
    assert group.deadline == NOW + 4 * SECOND + DOWN


def test_one_that_loses_takes_the_other_along_without_priority_zero() -> None:
    group = active()
    done = group.receive("IPv6", advertisement("IPv6", 200), NOW + 4 * SECOND)
    assert states(group) == [Backup, Backup]
    assert sorted(kinds(done, ReleaseAddresses)) == ["IPv4", "IPv6"]
    assert [(key, action) for key, action in done if isinstance(action, SendAdvertisement)] == [
        ("IPv6", SendAdvertisement(100))
    ]
    assert ("IPv4", Transition("Backup", "sync group: IPv6 heard a better router")) in done


def test_only_one_member_breaks_ties() -> None:
    """The peer's address is greater in IPv4 and lower in IPv6: each family for itself would give the role to both."""
    assert PEERS["IPv4"] > FOUR.source
    assert PEERS["IPv6"] < SIX.source
    group = active()
    assert group.receive("IPv6", advertisement("IPv6", 100), NOW + 4 * SECOND) == []
    assert states(group) == [Active, Active]
    group.receive("IPv4", advertisement("IPv4", 100), NOW + 4 * SECOND)
    assert states(group) == [Backup, Backup]


def test_a_stall_takes_all_of_them_to_backup() -> None:
    group = active()
    done = group.handle_timeout(NOW + DOWN + 10 * SECOND)
    assert states(group) == [Backup, Backup]
    assert sorted(kinds(done, ReleaseAddresses)) == ["IPv4", "IPv6"]
    assert kinds(done, SendAdvertisement) == []
    assert "sync group: IPv4 stalled" in reasons(done)


def test_a_stall_that_an_advertisement_shows_takes_all_of_them_too() -> None:
    """The socket is read before the timers."""
    group = active()
    done = group.receive("IPv6", advertisement("IPv6", 50), NOW + DOWN + 10 * SECOND)
    assert states(group) == [Backup, Backup]
    assert kinds(done, SendAdvertisement) == []
    assert "sync group: IPv6 stalled" in reasons(done)


def test_shutdown_says_priority_zero_for_each() -> None:
    done = active().shutdown("drained")
    assert [action for _, action in done if isinstance(action, SendAdvertisement)] == [SendAdvertisement(0)] * 2
    assert sorted(kinds(done, ReleaseAddresses)) == ["IPv4", "IPv6"]
    assert reasons(done) == ["drained", "drained"]


def test_removing_the_member_that_the_others_wait_for_frees_them() -> None:
    group = started()
    group.receive("IPv6", advertisement("IPv6", 200), NOW + SECOND)
    group.handle_timeout(NOW + DOWN)
    group.remove("IPv6", "no longer in the configuration")
    assert group.deadline is not None
    assert kinds(group.handle_timeout(group.deadline + SECOND), AssignAddresses) == ["IPv4"]


def test_a_member_that_waits_is_woken_again_after_its_timer_moved() -> None:
    """A lower priority moves it beyond the other's: each would wait for the other, and nobody would wake the group."""
    group = started()
    group.receive("IPv6", advertisement("IPv6", 0), NOW + 2_900_000_000)
    group.handle_timeout(NOW + 2_900_000_000 + 609_375_000)
    group.reconfigure("IPv6", dataclasses.replace(SIX, priority=1), NOW + 3_550_000_000)
    group.handle_timeout(NOW + DOWN)
    assert states(group) == [Backup, Backup]
    assert group.deadline is not None
    group.handle_timeout(group.deadline)
    assert states(group) == [Active, Active]


def test_a_member_that_comes_later_joins_while_the_other_stays_active() -> None:
    group: Group[str] = Group()
    group.add("IPv4", FOUR)
    group.startup(NOW)
    group.handle_timeout(NOW + DOWN)
    group.add("IPv6", SIX)
    group.startup(NOW + 4 * SECOND)
    assert states(group) == [Active, Backup]
    for now in range(NOW + 4 * SECOND, NOW + 9 * SECOND, SECOND // 10):
        if group.deadline is not None and group.deadline <= now:
            group.handle_timeout(now)
    assert states(group) == [Active, Active]


def test_a_removed_member_lets_go_and_the_other_goes_on() -> None:
    group = active()
    done = group.remove("IPv6", "released on request")
    assert [action for _, action in done] == [
        SendAdvertisement(0),
        ReleaseAddresses(),
        Transition("Initialize", "released on request"),
    ]
    assert states(group) == [Active]


def test_nothing_runs_before_startup() -> None:
    group: Group[str] = Group()
    group.add("IPv4", FOUR)
    assert group.deadline is None
    assert group.receive("IPv4", advertisement("IPv4", 0), NOW) == []
    assert group.handle_timeout(NOW) == []
    assert states(group) == [Initialize]


def test_all_hold_their_addresses_before_any_is_advertised() -> None:
    done = started().handle_timeout(NOW + DOWN)
    first_advertisement = next(n for n, (_, action) in enumerate(done) if isinstance(action, SendAdvertisement))
    assert [type(action) for _, action in done[:first_advertisement]] == [AssignAddresses, AssignAddresses]


SLOW = dataclasses.replace(SIX, wire=dataclasses.replace(SIX.wire, interval=10 * SECOND))


def mixed_intervals() -> Group[str]:
    """A period of 1 s beside one of 10 s, both Active since NOW + 37 s."""
    group: Group[str] = Group()
    group.add("IPv4", FOUR)
    group.add("IPv6", SLOW)
    group.startup(NOW)
    assert group.handle_timeout(NOW + DOWN) == [], "the fast member waits for the slow one"
    group.handle_timeout(NOW + 37 * SECOND)
    assert states(group) == [Active, Active]
    return group


def test_members_of_different_periods_move_in_one_pass() -> None:
    group = mixed_intervals()
    done = group.receive("IPv4", advertisement("IPv4", 200), NOW + 38 * SECOND)
    assert states(group) == [Backup, Backup]
    assert sorted(kinds(done, ReleaseAddresses)) == ["IPv4", "IPv6"]


def test_one_that_did_not_stall_says_priority_zero_when_another_did() -> None:
    """A peer waits for its whole group: without this word the slow member would hold it up for its long interval."""
    group = mixed_intervals()
    done = group.handle_timeout(NOW + 42 * SECOND)
    assert states(group) == [Backup, Backup]
    assert [(key, action) for key, action in done if isinstance(action, SendAdvertisement)] == [
        ("IPv6", SendAdvertisement(0))
    ]


def apart() -> Group[str]:
    """Put together of two that ran alone: IPv4, which leads, is Backup, IPv6 is Active here."""
    alone: Group[str] = Group()
    alone.add("IPv6", SIX)
    alone.startup(NOW)
    alone.handle_timeout(NOW + DOWN)
    group: Group[str] = Group()
    group.add("IPv4", FOUR)
    group.startup(NOW + DOWN)
    group.join("IPv6", alone.leave("IPv6"))
    assert states(group) == [Backup, Active]
    return group


def test_one_that_joins_keeps_its_role_while_the_leader_is_active_nowhere_else() -> None:
    group = apart()
    for now in range(NOW + DOWN, NOW + 3 * DOWN, SECOND // 10):
        if group.deadline is not None and group.deadline <= now:
            group.handle_timeout(now)
    assert states(group) == [Active, Active]


def test_a_stall_keeps_out_also_who_is_due_in_the_same_pass() -> None:
    """It would claim the role, and give it up in the same breath."""
    group = apart()
    done = group.handle_timeout(NOW + DOWN + 5 * SECOND)
    assert states(group) == [Backup, Backup]
    assert done == [
        ("IPv6", ReleaseAddresses()),
        ("IPv6", Transition("Backup", "stalled: no advertisement sent for 5000 ms")),
    ]
    group.handle_timeout(NOW + DOWN + 5 * SECOND)
    assert group.deadline == NOW + 2 * DOWN + 5 * SECOND, "IPv4 waits for it"
    group.handle_timeout(NOW + 2 * DOWN + 5 * SECOND)
    assert states(group) == [Active, Active]


def test_a_group_gathers_where_its_leader_is_active() -> None:
    """Nobody in the group stays Active alone: the peer takes this member over within its skew time."""
    group = apart()
    done = group.receive("IPv4", advertisement("IPv4", 200), NOW + DOWN + SECOND)
    assert [action for key, action in done if key == "IPv6"] == [
        SendAdvertisement(0),
        ReleaseAddresses(),
        Transition("Backup", "sync group: IPv4 is Active elsewhere"),
    ]
    assert states(group) == [Backup, Backup]


def test_a_leader_that_will_take_over_does_not_scatter_its_group() -> None:
    """It discards a lower priority, and takes the role when it is due."""
    group = apart()
    assert group.receive("IPv4", advertisement("IPv4", 50), NOW + DOWN + SECOND) == []
    assert group.receive("IPv4", advertisement("IPv4", 0), NOW + DOWN + SECOND) == []
    assert states(group) == [Backup, Active]


def test_what_others_hear_does_not_move_the_group() -> None:
    """Only the leader's word counts: two nodes that each have one member must not both give theirs up."""
    group: Group[str] = Group()
    group.add("IPv4", FOUR)
    group.startup(NOW)
    group.handle_timeout(NOW + DOWN)
    group.add("IPv6", SIX)
    group.startup(NOW + DOWN)
    assert group.receive("IPv6", advertisement("IPv6", 200), NOW + DOWN) == []
    assert states(group) == [Active, Backup]


def test_a_member_takes_its_role_along_and_frees_those_that_waited() -> None:
    group = started()
    group.receive("IPv6", advertisement("IPv6", 200), NOW + SECOND)
    group.handle_timeout(NOW + DOWN)
    group.leave("IPv6")
    assert group.deadline is not None
    assert kinds(group.handle_timeout(group.deadline + SECOND), AssignAddresses) == ["IPv4"]


def test_owners_hold_their_addresses_from_the_start_when_all_are() -> None:
    """RFC 9568 6.4.1: "If the Priority is equal to 255 [...] Send an ADVERTISEMENT"."""
    group: Group[str] = Group()
    group.add("IPv4", dataclasses.replace(FOUR, priority=255))
    group.add("IPv6", dataclasses.replace(SIX, priority=255))
    assert kinds(group.startup(NOW), AssignAddresses) == ["IPv4", "IPv6"]


def test_one_owner_waits_for_the_rest_of_its_group() -> None:
    group: Group[str] = Group()
    group.add("IPv4", dataclasses.replace(FOUR, priority=255))
    group.add("IPv6", SIX)
    assert kinds(group.startup(NOW), AssignAddresses) == []
    assert states(group) == [Backup, Backup]
