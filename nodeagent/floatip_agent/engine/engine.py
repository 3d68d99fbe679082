"""Executes what the core decides, on the node's interfaces.

All of it happens in one thread and in this order: packets are taken in first, then what is due is done. A failing action is
counted or becomes a fault of its router; no exception of the kernel reaches the loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping

from floatip_agent.configuration import Configuration, Family, Health, RouterConfiguration
from floatip_agent.engine.announcements import Announcements
from floatip_agent.engine.binding import Unbound, bind, concerns
from floatip_agent.engine.channels import Channels
from floatip_agent.engine.executor import Channel, Executor
from floatip_agent.engine.holdings import RETRY, Holdings
from floatip_agent.engine.lateness import Lateness
from floatip_agent.engine.links import Change, Links
from floatip_agent.engine.router import Router, is_another, spread_fault
from floatip_agent.engine.schedule import Schedule
from floatip_agent.marks import Marks
from floatip_agent.messages import Applied, MarksRaised, Message, RouterGone
from floatip_agent.ports import Node, Packet
from floatip_agent.vrrp import actions, packet, timers
from floatip_agent.vrrp.authentication import HighWaterMarks
from floatip_agent.vrrp.group import Group
from floatip_agent.vrrp.router import Active

Key = tuple[str, Family]

GROUPS_AT_ONCE = 64
"""Groups that are served before packets are looked at again."""
ADDRESSES_AT_ONCE = 64
"""Addresses that Backups that take over assign meanwhile; the last of these may exceed it."""
UPKEEP = timers.SECOND
"""How often the lifetime of a router's addresses (3 s) is renewed and what failed is looked at."""
_UPKEEP_AT_ONCE, _UPKEEP_GAP = 16, timers.SECOND // 100
"""Routers that became Active together do not renew together: this many in a turn, with this time between two turns."""


class Engine:
    """This node's virtual routers. `report` takes messages for the keeper and never blocks."""

    def __init__(
        self,
        node: Node,
        report: Callable[[Message], None],
        wall: Callable[[], float] = time.time,
        marks: Marks = {},  # noqa: B006 - only read
    ) -> None:
        self._node = node
        self._report = report
        self._wall = wall
        self.routers: dict[Key, Router] = {}
        self.groups: dict[str, Group[Key]] = {}
        self.channels = Channels(node)
        self._marks = {key: HighWaterMarks(own) for key, own in marks.items()}
        self._marked: set[Key] = set()
        self._executor = Executor(node, self.channels.sockets, wall, self._marked)
        self._holdings = Holdings(node)
        self.lateness = Lateness()
        self.is_health_stale = True
        self.shortest_interval = timers.SECOND
        self._members: dict[str, list[Router]] = {}
        self._links = Links()
        self._timeouts: Schedule[str] = Schedule()
        self._upkeep: Schedule[Key] = Schedule()
        self._upkeep_not_before = 0
        self._announcements = Announcements()
        self._dampings: Schedule[Key] = Schedule()

    @property
    def deadline(self) -> int | None:
        """When `handle_timeouts` is due, or None while there is nothing to run."""
        upkeep = self._upkeep.first
        upkeep = None if upkeep is None else max(upkeep, self._upkeep_not_before)
        due = (self._timeouts.first, upkeep, self._announcements.deadline, self._dampings.first)
        return min((at for at in due if at is not None), default=None)

    def apply(self, serial: int, configuration: Configuration, now: int) -> Applied:
        """Run exactly this from now on; a router that stays goes on with its role, and costs nothing when its entry is the same."""
        before = {key: (router.configuration, router.health) for key, router in self.routers.items()}
        wanted = {router.key: router for router in configuration.routers}
        for key in [key for key in self.routers if key not in wanted]:
            self._remove(key, "no longer in the configuration", now)
            self._marks.pop(key, None)
            self._report(RouterGone(*key))
        for key, router in wanted.items():
            self._configure(router, configuration.health.get(key[0], Health()), now)
        intervals = (router.advertisement_interval for router in configuration.routers)
        self.shortest_interval = min(intervals, default=timers.SECOND)
        self._settle(self._touched(before), now)
        return Applied(serial, configuration.generation)

    def _touched(self, before: Mapping[Key, tuple[RouterConfiguration, Health]]) -> list[Router]:
        """Whom the new entries concern: when one came or went or changed its sync group, or the node changed, all; else those whose
        entry is another than before, and those that had no place."""
        routers = list(self.routers.values())
        is_node_same = not any(change.own for change in self._links.look(self._node.interfaces.by_name))
        groups = {key: configuration.group for key, (configuration, _) in before.items()}
        if not is_node_same or groups != {router.key: router.configuration.group for router in routers}:
            return routers
        return [r for r in routers if r.binding is None or before[r.key] != (r.configuration, r.health)]

    def set_health(self, name: str, health: Health, now: int) -> None:
        concerned = [router for router in self.routers.values() if router.configuration.name == name]
        for router in concerned:
            router.health = health
        self._settle(concerned, now)

    def interfaces_changed(self, now: int) -> None:
        """A link or an address came, went or changed. What that cannot concern is not looked at."""
        changes = self._links.look(self._node.interfaces.by_name)
        moved = [(change.name, change.own) for change in changes if change.own]
        routers = self.routers.values() if moved else ()
        concerned = [router for router in routers if any(concerns(router.configuration, *own) for own in moved)]
        if concerned:
            self._settle(concerned, now)
        for change in changes:
            if change.lost or change.ahead or change.has_new_mac:
                for router in self.routers.values():
                    if router.role == "Active" and router.held_on and router.held_on.name == change.name:
                        self._mend(router, change, now)

    def receive(self, channel: Channel, received: Packet, now: int) -> None:
        """One packet from a socket."""
        virtual_router_id = received.message[1] if len(received.message) > 1 else 0
        router = self.channels.router(channel, virtual_router_id)
        if router is None or router.binding is None or router.role == "Initialize":
            return
        outcome: packet.Advertisement | packet.DropReason = packet.DropReason.OWN_SOURCE
        if received.source != router.binding.source:
            outcome = packet.decode(
                router.binding.wire, received.message, received.source, received.destination, received.ttl
            )
        stamp = outcome.stamp if isinstance(outcome, packet.Advertisement) else None
        if stamp is not None:
            self._marked.add(router.key)
            if not router.marks.accept(stamp, received.source):
                outcome = packet.DropReason.REPLAYED
        if isinstance(outcome, packet.DropReason):
            router.refuse(outcome, received, now)
            return
        router.received += 1
        router.compare(outcome, now)
        self._follow(router, outcome, now)
        self._execute(router.group, self.groups[router.group].receive(router.key, outcome, now), now)

    def handle_timeouts(self, now: int, *, heard_all: bool = True) -> None:
        """What is due, the advertisements first; a part of it when it is much: `deadline` is in the past then. Unless all that
        arrived was heard, no Backup takes over: an advertisement that lies unread is proof of life."""
        waiting = []
        groups, room = GROUPS_AT_ONCE, ADDRESSES_AT_ONCE
        while groups and (due := self._timeouts.take(now)) is not None:
            deadline, name = due
            group = self.groups[name]
            if not group.is_active:
                if not heard_all or room <= 0:
                    waiting.append(due)
                    continue
                room -= sum(len(router.configuration.addresses) for router in self._members[name])
            groups -= 1
            pairs = group.handle_timeout(now)
            if any(isinstance(action, actions.SendAdvertisement) for _, action in pairs):
                self.lateness.add(now - deadline)
            self._execute(name, pairs, now)
        for deadline, name in waiting:
            self._timeouts.set(name, deadline)
        counting = []
        while (counts := self._dampings.take(now)) is not None:
            counting.append(self.routers[counts[1]])
        if counting:
            self._settle(counting, now)
        for key, addresses in self._announcements.take(now):
            self._executor.announce(self.routers[key], addresses)
        if now >= self._upkeep_not_before:
            self._keep_up(now)

    def raised_marks(self) -> list[MarksRaised]:
        """High-water marks that rose since the last call."""
        taken = [(key, self._marks[key].take_changed()) for key in self._marked if key in self._marks]
        self._marked.clear()
        return [MarksRaised(*key, changed) for key, changed in taken if changed]

    def all_marks(self) -> list[MarksRaised]:
        return [MarksRaised(*key, marks.marks) for key, marks in self._marks.items() if marks.marks]

    def shutdown(self, now: int) -> None:
        """A planned leave: priority 0 for every Active, addresses off."""
        for name, group in self.groups.items():
            self._execute(name, group.shutdown("the agent stops"), now)
        self.report_all()

    def report_all(self) -> None:
        for router in self.routers.values():
            self.report(router)

    def report(self, router: Router) -> None:
        """Tell the keeper how the router stands, if that changed."""
        state = router.report(stale=self.is_health_stale)
        if state != router.reported:
            router.reported = state
            self._report(state)

    def _configure(self, wanted: RouterConfiguration, health: Health, now: int) -> None:
        router = self.routers.get(wanted.key)
        if router is not None and is_another(router.configuration, wanted):
            self._remove(wanted.key, "reconfigured", now)
            router = None
        if router is None:
            router = self.routers[wanted.key] = Router(
                wanted, health, self._wall(), self._marks.setdefault(wanted.key, HighWaterMarks())
            )
            self.groups.setdefault(router.group, Group())
            self._members.setdefault(router.group, []).append(router)
            self._upkeep.set(wanted.key, now)
            return
        if wanted.release is None:
            router.released = None
        before, router.configuration, router.health = router.group, wanted, health
        if router.group != before:
            self._move(router, before)

    def _remove(self, key: Key, reason: str, now: int) -> None:
        router = self.routers[key]
        group = self.groups[router.group]
        if key in group.members:
            self._execute(router.group, group.remove(key, reason), now)
        del self.routers[key]
        self._upkeep.set(key, None)
        self._dampings.set(key, None)
        self._left(router.group, router)

    def _move(self, router: Router, before: str) -> None:
        """Into another sync group, with its role."""
        old, new = self.groups[before], self.groups.setdefault(router.group, Group())
        if router.key in old.members:
            new.join(router.key, old.leave(router.key))
        self._members.setdefault(router.group, []).append(router)
        self._timeouts.set(router.group, new.deadline)
        self._left(before, router)

    def _left(self, group: str, router: Router) -> None:
        self._members[group].remove(router)
        if self._members[group]:
            self._timeouts.set(group, self.groups[group].deadline)
        else:
            del self.groups[group], self._members[group]
            self._timeouts.set(group, None)

    def _settle(self, routers: Collection[Router], now: int) -> None:
        """Bring bindings, sockets and groups of these in line with configuration, health and interfaces."""
        for router in routers:
            self._bind(router, now)
        groups = dict.fromkeys(router.group for router in routers)
        for router, reason in self.channels.settle(self.routers.values()):
            self._unbind(router, reason, now)
            router.retry_at = now + RETRY
            groups[router.group] = None
        for name in groups:
            self._settle_group(name, now)
            for router in self._members[name]:
                if router.role == "Active":
                    self._holdings.route(router, now)
                self.report(router)

    def _bind(self, router: Router, now: int) -> None:
        links = router.damped(self._links.own, now)
        self._dampings.set(router.key, router.damping.deadline)
        try:
            binding = bind(router.configuration, links)
        except Unbound as reason:
            self._unbind(router, str(reason), now)
            return
        old = router.binding
        if old is not None and old.interface.key != binding.interface.key:
            self._unbind(router, f"moves to interface {binding.interface.name}", now)
        router.set_binding(binding, "")

    def _unbind(self, router: Router, reason: str, now: int) -> None:
        """The whole group lets go while the old binding can still say so."""
        if router.binding is not None:
            self._execute(router.group, self.groups[router.group].shutdown(reason), now)
        router.set_binding(None, reason)

    def _settle_group(self, name: str, now: int) -> None:
        group, members = self.groups[name], self._members[name]
        running = sorted((r for r in members if r.configuration.release is None), key=lambda router: router.key)
        for router in members:
            if router.configuration.release is not None:
                self._let_go(group, router, now)
        if fault := spread_fault(running):
            self._execute(name, group.shutdown(fault), now)
            return
        lowest = min((router.own_priority for router in running), default=packet.OWNER)
        for place, router in enumerate(running):
            router.group_priority = lowest
            parameters = router.parameters(breaks_ties=place == 0)
            if router.key not in group.members:
                group.add(router.key, parameters)
            elif group.members[router.key].parameters != parameters:
                self._execute(name, group.reconfigure(router.key, parameters, now), now)
        asked = [router for router in running if router.take_leave()]
        if asked:
            self._execute(name, group.hand_over(now, "asked to hand over"), now)
        # api.md: FirstResult is "Initialize and silent until there is one"; a router that runs already is not stopped by it.
        if not any(router.health.waiting for router in running):
            self._execute(name, group.startup(now), now)

    def _let_go(self, group: Group[Key], router: Router, now: int) -> None:
        """An order to release: confirmed only when the addresses are out of the kernel."""
        if router.key in group.members:
            self._execute(router.group, group.remove(router.key, "released on request"), now)
        if not router.held:
            router.released = router.configuration.release

    def _execute(self, group: str, pairs: Iterable[tuple[Key, actions.Action]], now: int) -> None:
        """The actions of one group, in order; when an address cannot be assigned the whole group gives up instead. Then wake up when
        it is due next."""
        for key, action in pairs:
            router = self.routers[key]
            match action:
                case actions.SendAdvertisement(priority=priority):
                    self._executor.send(router, priority)
                case actions.AssignAddresses():
                    if not self._holdings.assign(router, now):
                        self._give_up(router, now)
                        return
                case actions.ReleaseAddresses():
                    self._announcements.stop(key)
                    self._holdings.release(router)
                case actions.Announce():
                    self._announcements.start(key, router.held, router.configuration.announcement_count)
                case actions.Transition(to=to, reason=reason):
                    router.transition(to, reason, self._wall())
                    self.report(router)
        self._timeouts.set(group, self.groups[group].deadline)

    def _keep_up(self, now: int) -> None:
        """Once a second for each router: held addresses get a new lifetime, what failed is tried again."""
        due: list[Router] = []
        while len(due) < _UPKEEP_AT_ONCE and (entry := self._upkeep.take(now)) is not None:
            due.append(self.routers[entry[1]])
            self._upkeep.set(entry[1], now + UPKEEP)
        if not due:
            return
        self._upkeep_not_before = now + _UPKEEP_GAP
        for router in self._holdings.renew([router for router in due if router.role == "Active"], now):
            self._give_up(router, now)
        retried = [router for router in due if self._has_to_retry(router, now)]
        if retried:
            self._settle(retried, now)

    def _has_to_retry(self, router: Router, now: int) -> bool:
        router.observations.forget(now, router.configuration.advertisement_interval)
        is_releasing = router.role != "Active" and bool(router.held)
        if is_releasing:
            self._holdings.release(router)
        if router.retry_at is not None and now >= router.retry_at:
            router.retry_at = router.assign_fault = None
            return True
        return is_releasing and router.configuration.release is not None

    def _give_up(self, router: Router, now: int) -> None:
        """Never advertise what is not held: priority 0 and a fault."""
        members = self._members[router.group]
        spread_fault([other for other in members if other.configuration.release is None])
        self._execute(router.group, self.groups[router.group].shutdown(router.assign_fault or ""), now)
        for member in members:
            self.report(member)

    def _mend(self, router: Router, change: Change, now: int) -> None:
        """Held addresses that somebody else took out are put back, or the role is given up; and they stay behind the node's
        own, which a DHCP renewal puts last: the first address is the one that programs pick as theirs."""
        if self.groups[router.group].members[router.key].has_stalled(now):
            return  # the kernel ended them while we stood still: nothing to put back, the timers let go of the role next
        lost = change.lost.intersection(router.held)
        if lost:
            if not router.lose(lost, now):
                self._give_up(router, now)
                return
        elif change.ahead.intersection(router.held):
            self._holdings.release(router)
        elif not change.has_new_mac:
            return
        if not self._holdings.assign(router, now):
            self._give_up(router, now)
        elif lost or change.has_new_mac:
            self._announcements.start(router.key, router.held, router.configuration.announcement_count)
        self.report(router)

    def _follow(self, router: Router, heard: packet.Advertisement, now: int) -> None:
        """Note who is Active, or that another one is; told with the counters, since two that take turns would flood the keeper."""
        if isinstance(self.groups[router.group].members[router.key].state, Active):
            if heard.priority:
                router.hear_rival(heard, now)
            return
        router.active_router = heard.source if heard.priority else None
