"""Carries out one action of the core on the node. What the kernel refuses is counted, or becomes a fault of the router."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from floatip_agent.configuration import Family
from floatip_agent.engine.router import Router
from floatip_agent.ports import AdvertisementSocket, Node
from floatip_agent.vrrp import timers

Channel = tuple[int, Family]
"""An interface index and a family: one socket each."""

RETRY = 5 * timers.SECOND
"""After which what the kernel refused is tried again."""


class Executor:
    """`sockets` is the engine's table of open channels, `wall` the Unix time in seconds; the routers that signed something are
    collected in `marked`."""

    def __init__(
        self,
        node: Node,
        sockets: Mapping[Channel, AdvertisementSocket],
        wall: Callable[[], float],
        marked: set[tuple[str, Family]],
    ) -> None:
        self._node = node
        self._wall = wall
        self._sockets = sockets
        self._marked = marked

    def send(self, router: Router, priority: int) -> None:
        assert router.binding is not None
        socket = self._sockets.get((router.binding.interface.index, router.configuration.family))
        if socket is None:
            return
        # One signature serves all peers: it does not cover the destination.
        sequence = 0
        if router.signs:
            sequence = router.marks.next_sequence(self._wall())
            self._marked.add(router.key)
        for destination in router.binding.wire.destinations:
            try:
                socket.send(router.message(priority, destination, sequence), router.binding.source, destination)
            except OSError as error:
                # A link that just went down, a firewall that is reloaded: the next period tries again, the link watch tells.
                router.noted[f"SendFailed{error.errno}"] += 1
            else:
                router.sent += 1

    def assign(self, router: Router, now: int) -> bool:
        """Hold exactly the router's addresses, with a fresh lifetime. False: a fault stands, the role must be given up."""
        assert router.binding is not None
        wanted = router.binding.held
        surplus = tuple(address for address in router.held if address not in wanted)
        try:
            if surplus and router.held_on is not None:
                self._node.addresses.release(router.held_on, surplus)
            router.held, router.held_on = wanted, router.binding.interface
            self._node.addresses.assign(router.binding.interface, wanted)
        except OSError as error:
            _cannot_assign(router, error, now)
            return False
        router.assign_fault = router.retry_at = None
        return True

    def renew(self, routers: Iterable[Router], now: int) -> list[Router]:
        """A fresh lifetime for what these hold, in one request for each interface. Returns those that must give the role up."""
        on: dict[int, list[Router]] = {}
        for router in routers:
            if router.held_on is not None:
                on.setdefault(router.held_on.index, []).append(router)
        failed: list[Router] = []
        for holders in on.values():
            interface = holders[0].held_on
            assert interface is not None
            failures = self._node.addresses.renew(interface, [known for router in holders for known in router.held])
            for router in holders if failures else ():
                if error := next((failures[known] for known in router.held if known in failures), None):
                    _cannot_assign(router, error, now)
                    failed.append(router)
        return failed

    def release(self, router: Router) -> None:
        if router.held_on is None:
            return
        try:
            self._node.addresses.release(router.held_on, router.held)
        except OSError:
            # Tried again each second; the lifetime ends them in any case, since nobody renews them now.
            router.noted["ReleaseFailed"] += 1
            return
        router.held, router.held_on = (), None

    def announce(self, router: Router, addresses: Sequence[bytes]) -> None:
        """One frame for each address."""
        assert router.binding is not None
        try:
            self._node.announcer.announce(router.binding.interface, addresses)
        except OSError as error:
            router.noted[f"AnnounceFailed{error.errno}"] += 1


def _cannot_assign(router: Router, error: OSError, now: int) -> None:
    router.assign_fault = f"cannot assign {error.strerror}"
    router.retry_at = now + RETRY
