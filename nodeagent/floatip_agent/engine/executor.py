"""Carries out one action of the core on the node. What the kernel refuses is counted, or becomes a fault of the router."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from floatip_agent.configuration import Family
from floatip_agent.engine.router import Router
from floatip_agent.ports import AdvertisementSocket, Node

Channel = tuple[int, Family]
"""An interface's key and a family: one socket each."""


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
        socket = router.sender or self._sockets.get((router.binding.interface.key, router.configuration.family))
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

    def announce(self, router: Router, addresses: Sequence[bytes]) -> None:
        """One frame for each address."""
        if router.held_on is None:
            return
        try:
            self._node.announcer.announce(router.held_on, addresses)
        except OSError as error:
            router.noted[f"AnnounceFailed{error.errno}"] += 1
