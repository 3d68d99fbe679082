"""Sync groups: virtual routers that are Active together or not at all (keepalived's vrrp_sync_group).

A router on its own is a group of one. A group becomes Active when every member's Active_Down_Timer ran out, and goes to Backup
when one of its members heard a better router. The two families of one FloatingIP are a group.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from floatip_agent.vrrp.actions import Action
from floatip_agent.vrrp.packet import Advertisement
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
        actions = [(key, action) for action in self.members.pop(key).shutdown(reason)]
        for member in self.members.values():
            member.stop_waiting()
        return actions

    @property
    def deadline(self) -> int | None:
        """When `handle_timeout` must be called next, or None."""
        return min((at for member in self.members.values() if (at := member.deadline) is not None), default=None)

    @property
    def is_active(self) -> bool:
        return any(isinstance(member.state, Active) for member in self.members.values())

    def startup(self, now: int) -> list[tuple[Key, Action]]:
        return [(key, action) for key, member in self.members.items() for action in member.startup(now)]

    def shutdown(self, reason: str) -> list[tuple[Key, Action]]:
        return [(key, action) for key, member in self.members.items() for action in member.shutdown(reason)]

    def receive(self, key: Key, advertisement: Advertisement, now: int) -> list[tuple[Key, Action]]:
        """One member heard an advertisement; when it loses the role, the others let go with it."""
        member = self.members[key]
        was_active = isinstance(member.state, Active)
        actions = [(key, action) for action in member.receive(advertisement, now)]
        if was_active and isinstance(member.state, Backup):
            reason = f"sync group: {key} heard a better router"
            for other_key, other in self.members.items():
                actions += [(other_key, action) for action in other.become_backup(now, reason)]
        return actions

    def handle_timeout(self, now: int) -> list[tuple[Key, Action]]:
        """What is due. One member that stalled takes the others with it, like one that lost."""
        together = all(self._may_be_active(member, now) for member in self.members.values())
        actions: list[tuple[Key, Action]] = []
        for key, member in self.members.items():
            was_active = isinstance(member.state, Active)
            actions += [(key, action) for action in member.handle_timeout(now, may_become_active=together)]
            if was_active and isinstance(member.state, Backup):
                for other_key, other in self.members.items():
                    actions += [(other_key, a) for a in other.become_backup(now, f"sync group: {key} stalled")]
                break
        return actions

    def reconfigure(self, key: Key, parameters: Parameters, now: int) -> list[tuple[Key, Action]]:
        return [(key, action) for action in self.members[key].reconfigure(parameters, now)]

    @staticmethod
    def _may_be_active(member: VirtualRouter, now: int) -> bool:
        return isinstance(member.state, Active) or member.is_due(now)
