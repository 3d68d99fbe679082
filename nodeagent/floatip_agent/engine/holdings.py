"""What an Active holds on the node, put there in this order and taken away in the other: the link with a virtual MAC, the addresses, the
routes, the rules. What the kernel refuses becomes a fault of the router, or, of routes and rules, a warning: the address still serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from floatip_agent.engine.binding import Binding
from floatip_agent.engine.router import Router
from floatip_agent.ports import Interface, Node, Route, RouteEntry, Rule
from floatip_agent.vrrp import timers

RETRY = 5 * timers.SECOND
"""After which what the kernel refused is tried again."""
_TOLD_FOR = 3 * timers.SECOND


class Holdings:
    def __init__(self, node: Node) -> None:
        self._node = node

    def assign(self, router: Router, now: int) -> bool:
        """Hold exactly what the router is to hold, with a fresh lifetime. False: a fault stands, the role must be given up."""
        assert router.binding is not None
        wanted = router.binding.held
        surplus = tuple(address for address in router.held if address not in wanted)
        try:
            if surplus and router.held_on is not None:
                self._node.addresses.release(router.held_on, surplus)
            carrier = self._carrier(router, router.binding)
            router.held, router.held_on = wanted, carrier
            self._node.addresses.assign(carrier, wanted)
        except OSError as error:
            _cannot_assign(router, error, now)
            return False
        router.assign_fault = router.retry_at = None
        self.route(router, now)
        return True

    def renew(self, routers: Iterable[Router], now: int) -> list[Router]:
        """A fresh lifetime for what these hold, in one request for each interface. Returns those that must give the role up."""
        on: dict[int, list[Router]] = {}
        for router in routers:
            if router.held_on is not None:
                on.setdefault(router.held_on.index, []).append(router)
            self._keep_routes(router, now)
        failed: list[Router] = []
        for holders in on.values():
            interface = holders[0].held_on
            assert interface is not None
            refused = self._node.addresses.renew(interface, [known for router in holders for known in router.held])
            for router in holders if refused else ():
                if error := next((refused[known] for known in router.held if known in refused), None):
                    _cannot_assign(router, error, now)
                    failed.append(router)
        return failed

    def release(self, router: Router) -> None:
        if router.held_on is None:
            return
        try:
            if router.routed:
                self._node.routes.withdraw(router.routed)
                router.routed = ()
            self._node.addresses.release(router.held_on, router.held)
        except OSError:
            # Tried again each second; the lifetime ends them in any case, since nobody renews them now.
            router.noted["ReleaseFailed"] += 1
            return
        if router.sender is not None:
            router.sender.close()
            router.sender = None
        if router.has_own_link:
            self._node.virtual_links.remove(router.held_on)
            router.has_own_link = False
        router.held, router.held_on = (), None

    def _carrier(self, router: Router, binding: Binding) -> Interface:
        """Where the addresses go: the router's interface, or its link with the virtual MAC. Raises OSError."""
        if binding.virtual_mac is None:
            return binding.interface
        if router.held_on is not None and router.has_own_link:
            return router.held_on
        link = self._node.virtual_links.create(binding.interface, binding.virtual_mac)
        router.held_on, router.has_own_link = link, True
        if not binding.wire.peers:
            # RFC 9568 7.3: advertisements come from the virtual MAC. A unicast one would teach its peer that the node is there.
            router.sender = self._node.advertisement_socket(link, router.configuration.family)
        return link

    def route(self, router: Router, now: int) -> None:
        """Have exactly the routes and rules that the router is to have while it holds its addresses."""
        wanted = router.binding.routes if router.binding else ()
        if router.routed == wanted:
            return
        gone = tuple(entry for entry in router.routed if entry not in wanted)
        try:
            if gone:
                self._node.routes.withdraw(gone)
        except OSError as error:
            router.noted[f"RouteNotWithdrawn{error.errno}"] += 1
        new = [entry for entry in wanted if entry not in router.routed]
        failures = self._node.routes.install(new) if new else {}
        router.routed = wanted
        if failures:
            router.observations.warn("RouteFailed", "; ".join(_said(failures)), now + _TOLD_FOR)

    def _keep_routes(self, router: Router, now: int) -> None:
        unroutable = router.binding.unroutable if router.binding else ()
        refused = _said(self._node.routes.keep(router.routed)) if router.routed else ()
        if unroutable or refused:
            router.observations.warn("RouteFailed", "; ".join((*unroutable, *refused)), now + _TOLD_FOR)


def _said(failures: Mapping[RouteEntry, OSError]) -> tuple[str, ...]:
    kinds: dict[type[Route] | type[Rule], str] = {Route: "route", Rule: "rule"}
    return tuple(f"{kinds[type(entry)]} {entry}: {error.strerror}" for entry, error in failures.items())


def _cannot_assign(router: Router, error: OSError, now: int) -> None:
    router.assign_fault = f"cannot assign {error.strerror}"
    router.retry_at = now + RETRY
