"""Listening sockets of the keeper: one for each interface in use and family, anew when the interface came anew."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from floatip_agent.configuration import Family
from floatip_agent.ports import Interface

PACKETS_A_LOOK = 256


class Listening(Protocol):
    def receive(self) -> Any:
        """What came next, or None when nothing is there. Raises OSError when the link is gone."""
        ...

    def close(self) -> None: ...


Socket = TypeVar("Socket", bound=Listening)
FAMILIES: tuple[Family, ...] = ("IPv4", "IPv6")


@dataclasses.dataclass(slots=True)
class Ear(Generic[Socket]):
    """`listens_to` is for its owner to keep: what the socket's filter lets through now."""

    index: int
    socket: Socket
    listens_to: frozenset[Any] = frozenset()

    def heard(self) -> Iterator[Any]:
        """What is in the socket now, at most `PACKETS_A_LOOK`: what does not fit is lost in the kernel and costs nothing."""
        for _ in range(PACKETS_A_LOOK):
            try:
                heard = self.socket.receive()
            except OSError:
                return  # the link is going; the next look finds it gone
            if heard is None:
                return
            yield heard


class Ears(Generic[Socket]):
    """`opening` makes the socket for an interface and a family."""

    def __init__(self, opening: Callable[[Interface, Family], Socket]) -> None:
        self._opening = opening
        self._ears: dict[tuple[str, Family], Ear[Socket]] = {}

    def __iter__(self) -> Iterator[tuple[str, Family, Ear[Socket]]]:
        for (name, family), ear in self._ears.items():
            yield name, family, ear

    def open(self, in_use: frozenset[str]) -> None:
        """Exactly for these interfaces, as far as they are there. Raises PermissionError."""
        indexes = {name: index for index, name in socket.if_nameindex()}
        wanted = {(name, family): indexes[name] for name in in_use if name in indexes for family in FAMILIES}
        for key in [key for key, ear in self._ears.items() if wanted.get(key) != ear.index]:
            self._ears.pop(key).socket.close()
        for key, index in wanted.items():
            if key in self._ears:
                continue
            try:
                self._ears[key] = Ear(index, self._opening(Interface(index, key[0], True, b""), key[1]))
            except PermissionError:
                raise
            except OSError:
                continue  # without this family, or just gone: tried again at the next look

    def close(self) -> None:
        for ear in self._ears.values():
            ear.socket.close()
        self._ears.clear()
