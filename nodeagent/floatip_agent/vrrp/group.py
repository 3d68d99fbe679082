"""Sync groups: virtual routers that are Active together or not at all (keepalived's vrrp_sync_group).

A router on its own is a group of one. A group becomes Active when every member's Active_Down_Timer ran out, and goes to Backup
when one of its members heard a better router. The two families of one FloatingIP are a group, and so are the FloatingIPs of one sync
group. The member that breaks ties leads: a group that was put together of running routers gathers where its leader is Active.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from floatip_agent.vrrp.actions import Action, AssignAddresses
from floatip_agent.vrrp.packet import OWNER, Advertisement
from floatip_agent.vrrp.router import Active, Backup, Parameters, VirtualRouter

Key = TypeVar("Key", bound=Hashable)


class Group(Generic[Key]):
    """Members by a key of the caller's choice. Methods return (member, action) pairs in the order to execute them."""

    def __init__(self) -> None:
        self.members: dict[Key, VirtualRouter] = {}

    def add(self, key: Key, parameters: Parameters) -> None:
        """A new member, in Initialize until the next `startup`; those that run already go on."""
        self.members[key] = VirtualRouter(parameters)

    def remove(self, key: Key, reason: str) -> list[tuple[Key, Action]]:
        """A member leaves the group for good, with priority 0 when it was Active; the others go on."""
        return [(key, action) for action in self.leave(key).shutdown(reason)]

    def leave(self, key: Key) -> VirtualRouter:
        """A member goes as it is, for another group to take in; the others go on."""
        member = self.members.pop(key)
        self._stop_waiting()
        return member

    def join(self, key: Key, member: VirtualRouter) -> None:
        """Take in what left another group, in whatever state it is."""
        self.members[key] = member
        self._stop_waiting()

    @property
    def deadline(self) -> int | None:
        """When `handle_timeout` must be called next, or None."""
        return min((at for member in self.members.values() if (at := member.deadline) is not None), default=None)

    @property
    def is_active(self) -> bool:
        return any(isinstance(member.state, Active) for member in self.members.values())

    def startup(self, now: int) -> list[tuple[Key, Action]]:
        """Owners of the addresses hold them from the start on, when all members do; otherwise they listen first like all others."""
        are_owners = all(member.parameters.priority == OWNER for member in self.members.values())
        at_once = are_owners and not any(isinstance(member.state, Backup) for member in self.members.values())
        pairs = [
            (key, action)
            for key, member in self.members.items()
            for action in member.startup(now, may_become_active=at_once)
        ]
        return _addresses_first(pairs)

    def shutdown(self, reason: str) -> list[tuple[Key, Action]]:
        return [(key, action) for key, member in self.members.items() for action in member.shutdown(reason)]

    def hand_over(self, now: int, reason: str) -> list[tuple[Key, Action]]:
        """An Active group hands over as a whole; another does nothing."""
        return [(key, action) for key, member in self.members.items() for action in member.hand_over(now, reason)]

    def receive(self, key: Key, advertisement: Advertisement, now: int) -> list[tuple[Key, Action]]:
        """One member heard an advertisement; when it loses the role, the others let go with it."""
        member = self.members[key]
        before, has_stalled = member.state, member.has_stalled(now)
        actions = [(key, action) for action in member.receive(advertisement, now)]
        if has_stalled:
            actions += self._give_up(now, f"sync group: {key} stalled")
        elif isinstance(before, Active) and isinstance(member.state, Backup):
            reason = f"sync group: {key} heard a better router"
            for other_key, other in self.members.items():
                actions += [(other_key, action) for action in other.become_backup(now, reason)]
        elif member.parameters.breaks_ties and advertisement.priority and member.follows_since(before):
            actions += self._give_up(now, f"sync group: {key} is Active elsewhere")
        return actions

    def handle_timeout(self, now: int) -> list[tuple[Key, Action]]:
        """What is due. One member that stalled takes the others with it, before any of them advertises or becomes Active; those that did
        not stall say so with priority 0, since peers that wait for the rest of the group would wait for them."""
        for key, member in self.members.items():
            if member.has_stalled(now):
                let_go = [(key, action) for action in member.handle_timeout(now)]
                return let_go + self._give_up(now, f"sync group: {key} stalled")
        together = all(self._may_be_active(member, now) for member in self.members.values())
        actions = [
            (key, action)
            for key, member in self.members.items()
            for action in member.handle_timeout(now, may_become_active=together)
        ]
        return _addresses_first(actions)

    def reconfigure(self, key: Key, parameters: Parameters, now: int) -> list[tuple[Key, Action]]:
        return [(key, action) for action in self.members[key].reconfigure(parameters, now)]

    def _give_up(self, now: int, reason: str) -> list[tuple[Key, Action]]:
        return [(key, action) for key, member in self.members.items() for action in member.give_up(now, reason)]

    def _stop_waiting(self) -> None:
        for member in self.members.values():
            member.stop_waiting()

    @staticmethod
    def _may_be_active(member: VirtualRouter, now: int) -> bool:
        return isinstance(member.state, Active) or member.is_due(now)


def _addresses_first(pairs: list[tuple[Key, Action]]) -> list[tuple[Key, Action]]:
    """No member is advertised before all of them hold their addresses: one that cannot keeps the others out too."""
    return sorted(pairs, key=lambda pair: not isinstance(pair[1], AssignAddresses))
