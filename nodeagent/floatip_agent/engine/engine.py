"""Executes what the core decides, on the node's interfaces.

All of it happens in one thread and in this order: packets are taken in first, then what is due is done. A failing action is
counted or becomes a fault of its router; no exception of the kernel reaches the loop.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable

from floatip_agent.configuration import Configuration, Family, Health, RouterConfiguration
from floatip_agent.engine.binding import Unbound, bind
from floatip_agent.engine.executor import RETRY_ASSIGN, Channel, Executor
from floatip_agent.engine.lateness import Lateness
from floatip_agent.engine.router import Router, text_of
from floatip_agent.messages import Applied, Message, RouterGone
from floatip_agent.ports import AdvertisementSocket, Interface, Node, Packet
from floatip_agent.vrrp import actions, packet, timers
from floatip_agent.vrrp.group import Group
from floatip_agent.vrrp.router import Active

Key = tuple[str, Family]

RENEWAL = timers.SECOND
"""How often the lifetime of held addresses (3 s) is renewed."""


class Engine:
    """This node's virtual routers. `report` takes messages for the keeper and never blocks."""

    def __init__(self, node: Node, report: Callable[[Message], None], wall: Callable[[], float] = time.time) -> None:
        self._node = node
        self._report = report
        self._wall = wall
        self.routers: dict[Key, Router] = {}
        self.groups: dict[str, Group[Key]] = {}
        self.sockets: dict[Channel, AdvertisementSocket] = {}
        self._executor = Executor(node, self.sockets)
        self.lateness = Lateness()
        self.is_health_stale = True
        self._by_virtual_router_id: dict[tuple[Channel, int], Router] = {}
        self._renew_at = 0
        self._reopen_at: int | None = None

    @property
    def deadline(self) -> int | None:
        """When `handle_timeouts` is due, or None while there is nothing to run."""
        if not self.routers:
            return None
        due = [at for group in self.groups.values() if (at := group.deadline) is not None]
        return min([*due, self._renew_at])

    @property
    def shortest_interval(self) -> int:
        return min((r.configuration.advertisement_interval for r in self.routers.values()), default=timers.SECOND)

    def apply(self, serial: int, configuration: Configuration, now: int) -> Applied:
        """Run exactly this from now on; a router that stays goes on with its role."""
        wanted = {router.key: router for router in configuration.routers}
        for key in [key for key in self.routers if key not in wanted]:
            self._remove(key, "no longer in the configuration", now)
            self._report(RouterGone(*key))
        for key, router in wanted.items():
            self._configure(router, configuration.health.get(key[0], Health()), now)
        self._settle(now)
        self.report_all()
        return Applied(serial, configuration.generation)

    def set_health(self, name: str, health: Health, now: int) -> None:
        for router in [router for router in self.routers.values() if router.configuration.name == name]:
            router.health = health
        self._settle(now)
        self.report_all(name)

    def interfaces_changed(self, now: int) -> None:
        """A link or an address came, went or changed."""
        before = {key: _present(router) for key, router in self.routers.items()}
        self._settle(now)
        for key, router in self.routers.items():
            if router.role == "Active":
                self._mend(router, before[key], now)
        self.report_all()

    def receive(self, channel: Channel, received: Packet, now: int) -> None:
        """One packet from a socket."""
        virtual_router_id = received.message[1] if len(received.message) > 1 else 0
        router = self._by_virtual_router_id.get((channel, virtual_router_id))
        if router is None or router.binding is None or router.role == "Initialize":
            return
        outcome: packet.Advertisement | packet.DropReason = packet.DropReason.OWN_SOURCE
        if received.source != router.binding.source:
            outcome = packet.decode(
                router.binding.wire, received.message, received.source, received.destination, received.ttl
            )
        if isinstance(outcome, packet.DropReason):
            router.dropped[outcome.value] += 1
            if outcome is packet.DropReason.WRONG_INTERVAL:
                router.warn("WireMismatch", f"{text_of(received.source)} advertises at another interval", now)
            return
        router.received += 1
        self._compare(router, outcome, now)
        self._execute(self.groups[router.group].receive(router.key, outcome, now), now)

    def handle_timeouts(self, now: int) -> None:
        """Everything that is due, the advertisements first."""
        for group in list(self.groups.values()):
            deadline = group.deadline
            if deadline is not None and deadline <= now:
                due = group.handle_timeout(now)
                if any(isinstance(action, actions.SendAdvertisement) for _, action in due):
                    self.lateness.add(now - deadline)
                self._execute(due, now)
        if self.routers and now >= self._renew_at:
            self._renew_at = now + RENEWAL
            self._renew(now)

    def shutdown(self, now: int) -> None:
        """A planned leave: priority 0 for every Active, addresses off."""
        for group in self.groups.values():
            self._execute(group.shutdown("the agent stops"), now)
        self.report_all()

    def report_all(self, name: str | None = None) -> None:
        for router in self.routers.values():
            if name in {None, router.configuration.name}:
                self.report(router)

    def report(self, router: Router) -> None:
        """Tell the keeper how the router stands, if that changed."""
        state = router.report(stale=self.is_health_stale)
        if state != router.reported:
            router.reported = state
            self._report(state)

    def _configure(self, wanted: RouterConfiguration, health: Health, now: int) -> None:
        router = self.routers.get(wanted.key)
        if router is not None and _is_another(router.configuration, wanted):
            self._remove(wanted.key, "reconfigured", now)
            router = None
        if router is None:
            router = self.routers[wanted.key] = Router(wanted, health, self._wall())
            self.groups.setdefault(router.group, Group())
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
            self._execute(group.remove(key, reason), now)
        del self.routers[key]
        if not any(other.group == router.group for other in self.routers.values()):
            del self.groups[router.group]

    def _move(self, router: Router, before: str) -> None:
        """Into another sync group, with its role."""
        old, new = self.groups[before], self.groups.setdefault(router.group, Group())
        if router.key in old.members:
            new.join(router.key, old.leave(router.key))
        if not any(other.group == before for other in self.routers.values()):
            del self.groups[before]

    def _settle(self, now: int) -> None:
        """Bring bindings, sockets and groups in line with configuration, health and interfaces."""
        for router in self.routers.values():
            self._bind(router, now)
        self._open_sockets(now)
        for name, group in self.groups.items():
            self._settle_group(group, [r for r in self.routers.values() if r.group == name], now)

    def _bind(self, router: Router, now: int) -> None:
        try:
            binding = bind(router.configuration, self._node.interfaces.by_name)
        except Unbound as reason:
            self._unbind(router, str(reason), now)
            return
        old = router.binding
        if old is not None and old.interface.index != binding.interface.index:
            self._unbind(router, f"moves to interface {binding.interface.name}", now)
        router.set_binding(binding, "")

    def _unbind(self, router: Router, reason: str, now: int) -> None:
        """The whole group lets go while the old binding can still say so."""
        if router.binding is not None:
            self._execute(self.groups[router.group].shutdown(reason), now)
        router.set_binding(None, reason)

    def _open_sockets(self, now: int) -> None:
        """One socket for each channel in use, listening to the virtual router IDs on it."""
        self._by_virtual_router_id = {}
        listeners: dict[Channel, list[int]] = {}
        for router in sorted(self.routers.values(), key=lambda router: router.role == "Initialize"):
            if router.binding is None:
                continue
            channel = (router.binding.interface.index, router.configuration.family)
            virtual_router_id = router.configuration.virtual_router_id
            other = self._by_virtual_router_id.setdefault((channel, virtual_router_id), router)
            if other is not router:
                name = router.binding.interface.name
                taken = f"router ID {virtual_router_id} on {name} is {other.configuration.name}'s already"
                self._unbind(router, taken, now)
            elif self._is_open(channel, router, now):
                listeners.setdefault(channel, []).append(virtual_router_id)
        for channel in [channel for channel in self.sockets if channel not in listeners]:
            self.sockets.pop(channel).close()
        for channel, virtual_router_ids in listeners.items():
            self.sockets[channel].listen_to(virtual_router_ids)

    def _is_open(self, channel: Channel, router: Router, now: int) -> bool:
        if channel in self.sockets:
            return True
        assert router.binding is not None
        try:
            self.sockets[channel] = self._node.advertisement_socket(router.binding.interface, channel[1])
        except OSError as error:
            router.set_binding(None, f"no VRRP socket on {router.binding.interface.name}: {error.strerror}")
            self._reopen_at = now + RETRY_ASSIGN
            return False
        return True

    def _settle_group(self, group: Group[Key], members: list[Router], now: int) -> None:
        running = sorted((r for r in members if r.configuration.release is None), key=lambda router: router.key)
        for router in members:
            if router.configuration.release is not None:
                self._let_go(group, router, now)
        if fault := _spread_fault(running):
            self._execute(group.shutdown(fault), now)
            return
        lowest = min((router.own_priority for router in running), default=packet.OWNER)
        for place, router in enumerate(running):
            router.group_priority = lowest
            parameters = router.parameters(breaks_ties=place == 0)
            if router.key not in group.members:
                group.add(router.key, parameters)
            elif group.members[router.key].parameters != parameters:
                self._execute(group.reconfigure(router.key, parameters, now), now)
        asked = [router for router in running if router.take_leave()]
        if asked:
            self._execute(group.hand_over(now, "asked to hand over"), now)
        # api.md: FirstResult is "Initialize and silent until there is one"; a router that runs already is not stopped by it.
        if not any(router.health.waiting for router in running):
            self._execute(group.startup(now), now)

    def _let_go(self, group: Group[Key], router: Router, now: int) -> None:
        """An order to release: confirmed only when the addresses are out of the kernel."""
        if router.key in group.members:
            self._execute(group.remove(router.key, "released on request"), now)
        if not router.held:
            router.released = router.configuration.release

    def _execute(self, pairs: Iterable[tuple[Key, actions.Action]], now: int) -> None:
        """The actions of one group, in order; when an address cannot be assigned the whole group gives up instead."""
        for key, action in pairs:
            router = self.routers[key]
            match action:
                case actions.SendAdvertisement(priority=priority):
                    self._executor.send(router, priority)
                case actions.AssignAddresses():
                    if not self._executor.assign(router, now):
                        self._give_up(router, now)
                        return
                case actions.ReleaseAddresses():
                    self._executor.release(router)
                case actions.Announce():
                    self._executor.announce(router)
                case actions.Transition(to=to, reason=reason):
                    router.transition(to, reason, self._wall())
                    self.report(router)

    def _renew(self, now: int) -> None:
        """Once a second: held addresses get a new lifetime, what failed is tried again."""
        retry = False
        for router in list(self.routers.values()):
            router.forget_warnings(now)
            if router.role == "Active":
                if not self._executor.assign(router, now):
                    self._give_up(router, now)
            elif router.held:
                self._executor.release(router)
                retry = retry or router.configuration.release is not None
            if router.assign_fault is not None and now >= router.retry_assign_at:
                router.assign_fault = None
                retry = True
        if self._reopen_at is not None and now >= self._reopen_at:
            self._reopen_at = None
            retry = True
        if retry:
            self._settle(now)

    def _give_up(self, router: Router, now: int) -> None:
        """Never advertise what is not held: priority 0 and a fault."""
        members = [other for other in self.routers.values() if other.group == router.group]
        _spread_fault([other for other in members if other.configuration.release is None])
        self._execute(self.groups[router.group].shutdown(router.assign_fault or ""), now)
        for member in members:
            self.report(member)

    def _mend(self, router: Router, before: frozenset[bytes], now: int) -> None:
        """Held addresses that somebody else took out are put back at once, instead of giving the role up; and they stay
        behind the node's own, which a DHCP renewal puts last: the first address is the one that programs pick as theirs."""
        assert router.binding is not None
        lost = before.difference(_present(router)).intersection(router.held)
        if lost and now >= router.lost_at + timers.SECOND:
            router.lost_at = now
            router.noted["AddressLost"] += 1
        elif _precedes_own(router.binding.interface, router.held):
            self._executor.release(router)
        else:
            return
        if not self._executor.assign(router, now):
            self._give_up(router, now)
        elif lost:
            self._executor.announce(router)

    def _compare(self, router: Router, heard: packet.Advertisement, now: int) -> None:
        """Note what is odd in an accepted advertisement, and who is Active."""
        assert router.binding is not None
        if set(heard.addresses) != set(router.binding.wire.addresses):
            router.noted["OtherAddresses"] += 1
            listed = ", ".join(text_of(address) for address in heard.addresses[:4])
            router.warn("WireMismatch", f"{text_of(heard.source)} advertises {listed}", now)
        if len(heard.source) == 16 and not heard.begins_link_local:
            router.noted["NoLinkLocalFirst"] += 1
        if isinstance(self.groups[router.group].members[router.key].state, Active):
            if heard.priority:
                text = f"{text_of(heard.source)} advertises too, with priority {heard.priority}"
                router.hear_rival(text, now)
            return
        active_router = heard.source if heard.priority else None
        if active_router != router.active_router:
            router.active_router = active_router
            self.report(router)


def _is_another(old: RouterConfiguration, new: RouterConfiguration) -> bool:
    """A different router on the wire; all other changes are taken in place."""
    return old.virtual_router_id != new.virtual_router_id


def _spread_fault(members: list[Router]) -> str | None:
    """One member's fault keeps all of its sync group out, and the others say whose it is."""
    faults = {router.key: fault for router in members if (fault := router.own_fault) is not None}
    for router in members:
        others = [f"{key[0]}/{key[1]}: {fault}" for key, fault in faults.items() if key != router.key]
        router.group_fault = f"sync group: {others[0]}" if others else None
    return next(iter(faults.values()), None)


def _present(router: Router) -> frozenset[bytes]:
    """The addresses that the kernel showed on the router's interface when it was bound."""
    if router.binding is None:
        return frozenset()
    return frozenset(known.address for known in router.binding.interface.addresses)


def _precedes_own(interface: Interface, held: tuple[bytes, ...]) -> bool:
    """Whether an IPv4 address of the node itself stands behind a floating one."""
    ipv4 = [known for known in interface.addresses if len(known.address) == 4]
    after_floating = itertools.dropwhile(lambda known: known.address not in held, ipv4)
    return any(not known.is_ours for known in after_floating if known.address not in held)
