"""The state machine of one virtual router (RFC 9568 6.4), with time as an argument.

A state is a frozen value that carries its own timers, so no state can hold a timer it must not have. Every method returns the
actions to execute, in order; after each call `deadline` says when `handle_timeout` is due. The executor must read its
sockets before it reports a timeout: an advertisement that lies unread is proof of life.
"""

from __future__ import annotations

import dataclasses
from typing import assert_never

from floatip_agent.vrrp import packet, timers
from floatip_agent.vrrp.actions import (
    Action,
    Announce,
    AssignAddresses,
    ReleaseAddresses,
    SendAdvertisement,
    Transition,
)

ANNOUNCEMENT_GAP = timers.SECOND
"""At most one announcement in this time while a rival is heard."""
FASTEST_PEER = 254


@dataclasses.dataclass(frozen=True, slots=True)
class Parameters:
    """What RFC 9568 5.1 configures, plus keepalived's preempt_delay.

    `priority` is the effective one; `source` the packed source address, `preempt_delay` nanoseconds. `breaks_ties` is False
    for all but one member of a sync group, so that two families never decide an equal priority differently.
    """

    wire: packet.Wire
    priority: int
    source: bytes
    preempt: bool = True
    preempt_delay: int = 0
    breaks_ties: bool = True
    held: tuple[bytes, ...] = ()
    """All addresses that the Active holds, also those that are not advertised."""
    announcement_repeat: int = 5 * timers.SECOND
    announcement_refresh: int = 0

    @property
    def interval(self) -> int:
        return self.wire.interval


@dataclasses.dataclass(frozen=True, slots=True)
class Initialize:
    """Takes no part."""


@dataclasses.dataclass(frozen=True, slots=True)
class Backup:
    """Watches the Active. `is_waiting`: its timer ran out, and it waits for the rest of its sync group."""

    active_down_at: int
    active_adver_interval: int
    preempt_at: int | None = None
    is_waiting: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Active:
    """Holds the addresses. `sent_at` is the last periodic advertisement, `sent_interval` the one it told its peers,
    `answered_at` the last answer to a rival."""

    advertise_at: int
    sent_at: int
    sent_interval: int
    announced_at: int
    announce_at: int | None
    answered_at: int


State = Initialize | Backup | Active


class VirtualRouter:
    """One virtual router: (interface, family, virtual router ID)."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.state: State = Initialize()

    @property
    def deadline(self) -> int | None:
        """When `handle_timeout` must be called next, or None."""
        match self.state:
            case Initialize():
                return None
            case Backup(active_down_at=at, is_waiting=waiting):
                return None if waiting else at
            case Active(advertise_at=advertise_at, announce_at=announce_at):
                return advertise_at if announce_at is None else min(advertise_at, announce_at)
        assert_never(self.state)

    def startup(self, now: int, *, may_become_active: bool = True) -> tuple[Action, ...]:
        """RFC 9568 6.4.1, the Startup event. A sync group of which not all are owners withholds the Active role."""
        if not isinstance(self.state, Initialize):
            return ()
        if self.parameters.priority == packet.OWNER and may_become_active:
            return self.become_active(now, "owns the addresses")
        self.state = self._backup(now, self.parameters.interval)
        return (Transition("Backup", "started"),)

    def shutdown(self, reason: str) -> tuple[Action, ...]:
        """RFC 9568 6.4.2 and 6.4.3, the Shutdown event: an Active sends priority 0, a Backup nothing."""
        was, self.state = self.state, Initialize()
        match was:
            case Initialize():
                return ()
            case Backup():
                return (Transition("Initialize", reason),)
            case Active():
                return (SendAdvertisement(0), ReleaseAddresses(), Transition("Initialize", reason))
        assert_never(was)

    def hand_over(self, now: int, reason: str) -> tuple[Action, ...]:
        """Hand the role over and stand by: priority 0 as on Shutdown, then Backup.

        Who is there takes over within a Skew_Time, which is less than one interval (RFC 9568 6.1; version 2: less than a second).
        After two intervals nobody is there, and the role is taken back.
        """
        if not isinstance(self.state, Active):
            return ()
        interval = max(self.state.sent_interval, self.parameters.interval)
        self.state = Backup(now + 2 * interval, self.parameters.interval)
        return SendAdvertisement(0), ReleaseAddresses(), Transition("Backup", reason)

    def receive(self, advertisement: packet.Advertisement, now: int) -> tuple[Action, ...]:
        """An advertisement that `packet.decode` accepted."""
        match self.state:
            case Initialize():
                return ()
            case Backup() as backup:
                self.state = self._heard(backup, advertisement, now)
                return ()
            case Active() as active if self.has_stalled(now):
                let_go = self._listen_first(active, now)
                return let_go + self.receive(advertisement, now)
            case Active() as active:
                return self._contested(active, advertisement, now)
        assert_never(self.state)

    def handle_timeout(self, now: int, *, may_become_active: bool = True) -> tuple[Action, ...]:
        """What is due at `now`. A sync group withholds the Active role until all its members are due."""
        match self.state:
            case Initialize():
                return ()
            case Backup() as backup:
                if now < backup.active_down_at:
                    return ()
                if not may_become_active:
                    self.state = dataclasses.replace(backup, is_waiting=True)
                    return ()
                return self.become_active(now, "no advertisement within Active_Down_Interval")
            case Active() as active:
                return self._tick(active, now)
        assert_never(self.state)

    def is_due(self, now: int) -> bool:
        """A Backup that would become Active now."""
        return isinstance(self.state, Backup) and now >= self.state.active_down_at

    def follows_since(self, before: State) -> bool:
        """Whether this Backup waits longer now than it did before: it heard one that it leaves the role to."""
        if not isinstance(self.state, Backup) or not isinstance(before, Backup):
            return False
        return self.state.active_down_at > before.active_down_at

    def has_stalled(self, now: int) -> bool:
        """An Active that sent nothing for so long that a peer may have taken over."""
        if not isinstance(self.state, Active):
            return False
        version, told = self.parameters.wire.version, self.state.sent_interval
        return now - self.state.sent_at > timers.active_down_interval(version, FASTEST_PEER, told)

    def stop_waiting(self) -> None:
        """The sync group changed: a member that waits for it is due again."""
        if isinstance(self.state, Backup):
            self.state = dataclasses.replace(self.state, is_waiting=False)

    def become_active(self, now: int, reason: str) -> tuple[Action, ...]:
        """Addresses first, then the advertisement, then the announcement: never advertise what is not held."""
        self.state = Active(
            advertise_at=now + self.parameters.interval,
            sent_at=now,
            sent_interval=self.parameters.interval,
            announced_at=now,
            announce_at=self._next_announcement(now, self.parameters.announcement_repeat),
            answered_at=now,
        )
        return (
            AssignAddresses(),
            SendAdvertisement(self.parameters.priority),
            Announce(),
            Transition("Active", reason),
        )

    def become_backup(self, now: int, reason: str) -> tuple[Action, ...]:
        """Let go without priority 0, because another router has the role already."""
        if not isinstance(self.state, Active):
            return ()
        self.state = self._backup(now, self.parameters.interval)
        return (ReleaseAddresses(), Transition("Backup", reason))

    def give_up(self, now: int, reason: str) -> tuple[Action, ...]:
        """Let go because the sync group cannot be Active here: with priority 0, unless a peer may have taken over long since."""
        if not isinstance(self.state, Active):
            return ()
        farewell = () if self.has_stalled(now) else (SendAdvertisement(0),)
        return *farewell, *self.become_backup(now, reason)

    def reconfigure(self, parameters: Parameters, now: int) -> tuple[Action, ...]:
        """New parameters in place: a Backup's running timer moves by the difference, an Active goes on.

        A changed priority or interval shows in the next periodic advertisement, as with keepalived.
        """
        old, self.parameters = self.parameters, parameters
        match self.state:
            case Initialize():
                return ()
            case Backup() as backup:
                # Version 2 knows no interval but its own. In version 3 the Active's counts: it is not told by a change here.
                learned = parameters.interval if parameters.wire.version == 2 else backup.active_adver_interval
                before = self._down_interval(old, backup.active_adver_interval)
                shift = self._down_interval(parameters, learned) - before
                moved_to = backup.active_down_at + shift
                self.state = Backup(moved_to, learned, backup.preempt_at)
                return ()
            case Active() as active:
                advertise_at = min(active.advertise_at, now + parameters.interval)
                self.state = dataclasses.replace(active, advertise_at=advertise_at)
                if (old.wire.addresses, old.held) == (parameters.wire.addresses, parameters.held):
                    return ()
                return AssignAddresses(), Announce()
        assert_never(self.state)

    def _heard(self, backup: Backup, advertisement: packet.Advertisement, now: int) -> Backup:
        """RFC 9568 6.4.2: what a Backup makes of an advertisement."""
        mine = self.parameters
        if advertisement.priority == 0:
            # "If the Priority in the ADVERTISEMENT is 0, then: Set the Active_Down_Timer to Skew_Time."
            skew = timers.skew_time(mine.wire.version, mine.priority, backup.active_adver_interval)
            return Backup(now + skew, backup.active_adver_interval)
        preempts = mine.preempt or mine.priority == packet.OWNER
        if not preempts or advertisement.priority >= mine.priority:
            # "If Preempt_Mode is False, or if the Priority in the ADVERTISEMENT is greater than or equal to the local
            # Priority, then: Set Active_Adver_Interval to Max Advertise Interval contained in the ADVERTISEMENT;
            # Recompute the Skew_Time; Recompute the Active_Down_Interval; Reset the Active_Down_Timer".
            return self._backup(now, advertisement.interval)
        if mine.preempt_delay:
            preempt_at = backup.preempt_at if backup.preempt_at is not None else now + mine.preempt_delay
            if now < preempt_at:
                return dataclasses.replace(self._backup(now, advertisement.interval), preempt_at=preempt_at)
            return dataclasses.replace(backup, preempt_at=preempt_at)
        # "Else, if Preempt_Mode is True and the Priority in the ADVERTISEMENT is lower: Discard the ADVERTISEMENT."
        return backup

    def _contested(self, active: Active, advertisement: packet.Advertisement, now: int) -> tuple[Action, ...]:
        """RFC 9568 6.4.3: what an Active makes of another's advertisement."""
        mine = self.parameters
        if advertisement.priority == 0:
            # "If the Priority in the ADVERTISEMENT is 0, then: Send an ADVERTISEMENT; Reset the Adver_Timer".
            self.state = self._sent(active, now, advertise_at=now + mine.interval)
            return (SendAdvertisement(mine.priority),)
        is_tie = advertisement.priority == mine.priority
        if is_tie and not mine.breaks_ties:
            return ()
        if advertisement.priority > mine.priority or (is_tie and advertisement.source > mine.source):
            # "If the Priority in the ADVERTISEMENT is greater than the local Priority, or equal and the primary IPvX
            # address of the sender is greater": to Backup, without priority 0.
            self.state = self._backup(now, advertisement.interval)
            reason = f"heard priority {advertisement.priority}, own priority {mine.priority}"
            return (
                *self._last_word(advertisement),
                ReleaseAddresses(),
                Transition("Backup", reason),
            )
        return self._answer(active, now)

    def _last_word(self, winners: packet.Advertisement) -> tuple[Action, ...]:
        """It makes the winner announce itself after we let go; otherwise clients that learned us last stay with us.

        With another interval than the winner's it would teach that one to Backups, which then claim the role too early.
        """
        if winners.interval != self.parameters.interval:
            return ()
        return (SendAdvertisement(self.parameters.priority),)

    def _answer(self, active: Active, now: int) -> tuple[Action, ...]:
        """RFC 9568 6.4.3: a losing advertisement is discarded and answered at once; here at most twice an interval.

        The periodic schedule stays. The addresses are announced again, at a bounded rate: the rival did so too.
        """
        actions: tuple[Action, ...] = ()
        if now - active.answered_at >= self.parameters.interval // 2:
            active = dataclasses.replace(active, answered_at=now)
            actions = (SendAdvertisement(self.parameters.priority),)
        soonest = max(now, active.announced_at + ANNOUNCEMENT_GAP)
        announce_at = soonest if active.announce_at is None else min(active.announce_at, soonest)
        self.state = dataclasses.replace(active, announce_at=announce_at)
        return actions

    def _tick(self, active: Active, now: int) -> tuple[Action, ...]:
        if self.has_stalled(now):
            return self._listen_first(active, now)
        mine = self.parameters
        actions: list[Action] = []
        if now >= active.advertise_at:
            # On the grid, so that lateness does not add up; a grid point that was missed is not made up for.
            missed = (now - active.advertise_at) // mine.interval
            advertise_at = active.advertise_at + (missed + 1) * mine.interval
            active = self._sent(active, now, advertise_at)
            actions.append(SendAdvertisement(mine.priority))
        if active.announce_at is not None and now >= active.announce_at:
            announce_at = self._next_announcement(now, 0)
            active = dataclasses.replace(active, announce_at=announce_at, announced_at=now)
            actions.append(Announce())
        self.state = active
        return tuple(actions)

    def _listen_first(self, active: Active, now: int) -> tuple[Action, ...]:
        """After a stall, before anything is claimed again and before what was said meanwhile is answered."""
        self.state = self._backup(now, self.parameters.interval)
        stalled = (now - active.sent_at) // 1_000_000
        return ReleaseAddresses(), Transition("Backup", f"stalled: no advertisement sent for {stalled} ms")

    def _sent(self, active: Active, now: int, advertise_at: int) -> Active:
        return dataclasses.replace(
            active, advertise_at=advertise_at, sent_at=now, sent_interval=self.parameters.interval
        )

    def _next_announcement(self, now: int, repeat: int) -> int | None:
        """Once more after a takeover: a switch that dropped the first burst learns from the second. Then as a refresh, if asked for."""
        wait = repeat or self.parameters.announcement_refresh
        return now + wait if wait else None

    def _backup(self, now: int, heard_interval: int) -> Backup:
        learned = self.parameters.interval if self.parameters.wire.version == 2 else heard_interval
        return Backup(now + self._down_interval(self.parameters, learned), learned)

    @staticmethod
    def _down_interval(parameters: Parameters, interval: int) -> int:
        return timers.active_down_interval(parameters.wire.version, parameters.priority, interval)
