"""One virtual router as the engine runs it: configuration, binding, faults and counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from floatip_agent.configuration import Family, Health, RouterConfiguration
from floatip_agent.engine.binding import Binding
from floatip_agent.engine.damping import Damping
from floatip_agent.engine.losses import QUIET, Losses
from floatip_agent.engine.observations import Observations, text_of, words_of
from floatip_agent.messages import RouterState, State
from floatip_agent.ports import AdvertisementSocket, Interface, Packet, RouteEntry
from floatip_agent.vrrp import packet, timers
from floatip_agent.vrrp.actions import StateName
from floatip_agent.vrrp.authentication import HighWaterMarks
from floatip_agent.vrrp.router import Parameters

_MOST_LISTED = 4


class Router:
    """State and bookkeeping; decides nothing that the core decides. `held` are the addresses in the kernel through us, on
    the interface `held_on`, which may be a link of the router's own; `sender` is a socket on that, `routed` the routes and rules."""

    def __init__(self, configuration: RouterConfiguration, health: Health, since: float, marks: HighWaterMarks) -> None:
        self.configuration = configuration
        self.health = health
        self.marks = marks
        self.binding: Binding | None = None
        self.unbound = "starting"
        self.damping = Damping()
        self.role: StateName = "Initialize"
        self.role_reason = "starting"
        self.since = since
        self.transitions = 0
        self.held: tuple[bytes, ...] = ()
        self.held_on: Interface | None = None
        self.has_own_link = False
        self.sender: AdvertisementSocket | None = None
        self.routed: tuple[RouteEntry, ...] = ()
        self.assign_fault: str | None = None
        self.retry_at: int | None = None
        self.losses = Losses()
        self.group_fault: str | None = None
        self.group_priority = packet.OWNER
        self.released: str | None = None
        self.leave_taken: str | None = None
        self.active_router: bytes | None = None
        self.sent = 0
        self.received = 0
        self.dropped: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
        self.reported: RouterState | None = None
        self.observations = Observations()
        self._messages: dict[tuple[int, bytes], bytes] = {}

    @property
    def key(self) -> tuple[str, Family]:
        return self.configuration.key

    @property
    def group(self) -> str:
        """A sync group, or the FloatingIP alone: their names are not of one kind."""
        group = self.configuration.group
        return f"group {group}" if group else f"floating IP {self.configuration.name}"

    @property
    def effective_priority(self) -> int:
        """A sync group has one priority on a node, the lowest of its members': with different ones each of two nodes would win a member
        and give up all of them, for ever."""
        return min(self.own_priority, self.group_priority)

    @property
    def own_priority(self) -> int:
        """api.md: several lowerPriorityBy add up, floor 1; an owner's priority never changes. One that was asked to leave comes last."""
        if self.configuration.leave is not None:
            return 1
        base = self.configuration.priority
        lost = self.binding.lost if self.binding else frozenset()
        lower_by = self.health.lower_by + sum(by for name, by in self.configuration.tracked_interfaces if name in lost)
        return base if base == packet.OWNER else max(1, base - lower_by)

    def take_leave(self) -> bool:
        """Whether there is a request to leave that was not there before; each is carried out once."""
        before, self.leave_taken = self.leave_taken, self.configuration.leave
        return self.leave_taken not in {None, before}

    @property
    def left(self) -> str | None:
        """api.md: a leave is confirmed when this router stands by and another is Active."""
        has_successor = self.role == "Backup" and self.active_router is not None
        return self.configuration.leave if has_successor else None

    @property
    def own_fault(self) -> str | None:
        """Why this router keeps its group out, or None."""
        if self.binding is None:
            return self.unbound
        if self.configuration.transport == "Unicast" and not self.configuration.peers:
            return "no unicast peers: silent, since there is nobody to settle the role with"
        lost = [name for name, lower_by in self.configuration.tracked_interfaces if not lower_by]
        if found := self.binding.lost.intersection(lost):
            return f"tracked interface {min(found)} is down or missing"
        return self.assign_fault or next(iter(self.health.faults), None)

    def damped(self, links: Mapping[str, Interface], now: int) -> Mapping[str, Interface]:
        """The links as they count for this router."""
        down, up = self.configuration.link_down_delay, self.configuration.link_up_delay
        if not down and not up:
            self.damping = Damping()
            return links
        return self.damping.look(links, down, up, now)

    def parameters(self, *, breaks_ties: bool) -> Parameters:
        """What the core runs with. Only for a bound router."""
        assert self.binding is not None
        return Parameters(
            wire=self.binding.wire,
            priority=self.effective_priority,
            source=self.binding.source,
            preempt=self.configuration.preempt,
            preempt_delay=self.configuration.preempt_delay,
            breaks_ties=breaks_ties,
            held=self.binding.held,
            announcement_repeat=self.configuration.announcement_repeat,
            announcement_refresh=self.configuration.announcement_refresh,
        )

    def set_binding(self, binding: Binding | None, reason: str) -> None:
        self.binding, self.unbound = binding, reason
        self._messages.clear()

    @property
    def signs(self) -> bool:
        """Whether each advertisement needs a sequence of its own."""
        keyring = self.binding.wire.keyring if self.binding else None
        return keyring is not None and keyring.signs

    def message(self, priority: int, destination: bytes, sequence: int) -> bytes:
        """The advertisement as bytes, built once for each priority and destination unless it is signed."""
        assert self.binding is not None
        if self.signs:
            return packet.encode(self.binding.wire, priority, self.binding.source, destination, sequence)
        key = priority, destination
        if key not in self._messages:
            self._messages[key] = packet.encode(self.binding.wire, priority, self.binding.source, destination)
        return self._messages[key]

    def refuse(self, reason: packet.DropReason, received: Packet, now: int) -> None:
        """An advertisement that was not accepted: counted, and told when it goes on."""
        self.dropped[reason.value] += 1
        self.observations.see(reason.value, received.source, now, lambda: words_of(reason, received.message))

    def compare(self, heard: packet.Advertisement, now: int) -> None:
        """Note what is odd in an accepted advertisement. RFC 9568 7.1 has such things logged, and nothing else."""
        assert self.binding is not None
        wire = self.binding.wire
        if set(heard.addresses) != set(wire.addresses):
            self.noted["OtherAddresses"] += 1
            self.observations.see("OtherAddresses", heard.source, now, lambda: f"advertises {_listed(heard.addresses)}")
        if heard.interval != wire.interval:
            self.noted["OtherInterval"] += 1
            words = f"advertises every {heard.interval // 1_000_000} ms"
            self.observations.see("OtherInterval", heard.source, now, lambda: words)
        if len(heard.source) == 16 and not heard.begins_link_local:
            self.noted["NoLinkLocalFirst"] += 1

    def hear_rival(self, heard: packet.Advertisement, now: int) -> None:
        """An Active hears another one."""
        interval = max(self.configuration.advertisement_interval, heard.interval)
        self.observations.hear_rival(heard.source, heard.priority, now, interval)

    def lose(self, lost: Iterable[bytes], now: int) -> bool:
        """Somebody took addresses out of the kernel. Whether they are to be put back at once; else a fault stands for a while."""
        self.noted["AddressLost"] += 1
        back_at = self.losses.lose(now)
        times = self.losses.in_a_row
        text = f"{_listed(sorted(lost))} was taken out of the kernel by somebody else, {times} time{'s' if times > 1 else ''} in a row"
        self.observations.warn("AddressLost", text, back_at + QUIET)
        if back_at == now:
            return True
        self.assign_fault = f"{text}: given up for {(back_at - now) // timers.SECOND} s"
        self.retry_at = back_at
        return False

    def transition(self, to: StateName, reason: str, wall: float) -> None:
        self.role, self.role_reason, self.since = to, reason, wall
        self.transitions += 1
        if to == "Active":
            assert self.binding is not None
            self.active_router = self.binding.source
        else:
            self.active_router = None

    def _shown(self) -> tuple[State, str]:
        """The state for people: Fault when something keeps the node out (keepalived's word), else the RFC's."""
        if self.role != "Initialize":
            return self.role, self.role_reason
        if self.configuration.release is not None:
            return "Initialize", "released on request"
        if fault := self.own_fault:
            return "Fault", fault
        if self.health.waiting:
            return "Initialize", f"probe {', '.join(self.health.waiting)}: no result yet"
        if self.group_fault:
            return "Fault", self.group_fault
        return "Initialize", self.role_reason

    def report(self, *, stale: bool) -> RouterState:
        state, reason = self._shown()
        configuration, binding = self.configuration, self.binding
        return RouterState(
            name=configuration.name,
            family=configuration.family,
            virtual_router_id=configuration.virtual_router_id,
            state=state,
            reason=reason,
            priority=configuration.priority,
            effective_priority=self.effective_priority,
            interface=binding.interface.name if binding else configuration.interface,
            source_address=None if binding is None else text_of(binding.source),
            active_router=None if self.active_router is None else text_of(self.active_router),
            since=self.since,
            transitions=self.transitions,
            sent=self.sent,
            received=self.received,
            dropped=dict(self.dropped),
            noted=dict(self.noted),
            warnings=self.observations.warnings(configuration.advertisement_interval),
            mismatches=self.observations.senders(configuration.advertisement_interval),
            rival=self.observations.rival,
            addresses=[*configuration.addresses, *configuration.excluded_addresses],
            digest=configuration.digest,
            left=self.left,
            released=self.released,
            stale=stale,
            marks=dict(self.marks.marks),
        )


def _listed(addresses: Sequence[bytes]) -> str:
    more = f" and {len(addresses) - _MOST_LISTED} more" if len(addresses) > _MOST_LISTED else ""
    return ", ".join(text_of(address) for address in addresses[:_MOST_LISTED]) + more


def is_another(old: RouterConfiguration, new: RouterConfiguration) -> bool:
    """A different router on the wire; all other changes are taken in place."""
    return (old.virtual_router_id, old.virtual_mac) != (new.virtual_router_id, new.virtual_mac)


def spread_fault(members: list[Router]) -> str | None:
    """One member's fault keeps all of its sync group out, and the others say whose it is."""
    faults = {router.key: fault for router in members if (fault := router.own_fault) is not None}
    for router in members:
        others = [f"{key[0]}/{key[1]}: {fault}" for key, fault in faults.items() if key != router.key]
        router.group_fault = f"sync group: {others[0]}" if others else None
    return next(iter(faults.values()), None)
