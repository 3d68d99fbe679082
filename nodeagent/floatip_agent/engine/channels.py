"""The sockets: one for each channel in use, listening to the virtual router IDs on it."""

from __future__ import annotations

from collections.abc import Iterable

from floatip_agent.engine.executor import Channel
from floatip_agent.engine.router import Router
from floatip_agent.ports import AdvertisementSocket, Node


class Channels:
    """`version` changes whenever a socket came or went."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.sockets: dict[Channel, AdvertisementSocket] = {}
        self.version = 0
        self._routers: dict[tuple[Channel, int], Router] = {}
        self._listened: dict[Channel, list[int]] = {}

    def router(self, channel: Channel, virtual_router_id: int) -> Router | None:
        """Who listens to this router ID there."""
        return self._routers.get((channel, virtual_router_id))

    def settle(self, routers: Iterable[Router]) -> list[tuple[Router, str]]:
        """Open, close and listen as these routers need it. Returns those that find no place, and why."""
        refused: list[tuple[Router, str]] = []
        self._routers = {}
        wanted: dict[Channel, list[int]] = {}
        bound = {
            router: (router.binding.interface.key, router.configuration.family) for router in routers if router.binding
        }
        self._close_all_but(frozenset(bound.values()))
        # One that runs goes before one that would only begin.
        for router, channel in sorted(bound.items(), key=lambda entry: entry[0].role == "Initialize"):
            assert router.binding is not None
            virtual_router_id = router.configuration.virtual_router_id
            other = self._routers.setdefault((channel, virtual_router_id), router)
            if other is not router:
                name = router.binding.interface.name
                refused.append(
                    (router, f"router ID {virtual_router_id} on {name} is {other.configuration.name}'s already")
                )
            elif failure := self._open(channel, router):
                refused.append((router, failure))
            else:
                wanted.setdefault(channel, []).append(virtual_router_id)
        self._listen(wanted)
        return refused

    def _open(self, channel: Channel, router: Router) -> str | None:
        """What the kernel refused, or None."""
        if channel in self.sockets:
            return None
        assert router.binding is not None
        try:
            self.sockets[channel] = self._node.advertisement_socket(router.binding.interface, channel[1])
        except OSError as error:
            return f"no VRRP socket on {router.binding.interface.name}: {error.strerror}"
        self.version += 1
        return None

    def _close_all_but(self, wanted: frozenset[Channel]) -> None:
        """Before others are opened: the kernel takes a closed socket's groups off the interface that has its index now."""
        for channel in self.sockets.keys() - wanted:
            self.sockets.pop(channel).close()
            self._listened.pop(channel, None)
            self.version += 1

    def _listen(self, wanted: dict[Channel, list[int]]) -> None:
        for channel, virtual_router_ids in wanted.items():
            if self._listened.get(channel) != virtual_router_ids:
                self._listened[channel] = virtual_router_ids
                self.sockets[channel].listen_to(virtual_router_ids)
