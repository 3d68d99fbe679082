"""Renewing lifetimes beside the engine's loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from floatip_agent.linux.background import Background
from floatip_agent.ports import AddressTable, Interface


class BackgroundRenewal:
    """Implements `ports.AddressTable` over another, whose assignments and releases are done at once; what is to be renewed is renewed
    in the background. It renews only what it was asked to: an engine that hangs asks no more, and its addresses end as if it were dead."""

    def __init__(self, table: AddressTable, background: Background) -> None:
        self._table = table
        self._background = background
        self._wanted: set[tuple[int, bytes]] = set()
        self._failures: dict[tuple[int, bytes], OSError] = {}

    def assign(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        with self._background.lock:
            self._take_failures(interface, addresses)  # of a time before this assignment
            self._table.assign(interface, addresses)
            self._wanted.update((interface.index, address) for address in addresses)

    def release(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        with self._background.lock:
            self._wanted.difference_update((interface.index, address) for address in addresses)
            self._table.release(interface, addresses)

    def renew(self, interface: Interface, addresses: Sequence[bytes]) -> Mapping[bytes, OSError]:
        self._background.put(lambda: self._renew(interface, addresses))
        return self._take_failures(interface, addresses)

    def _take_failures(self, interface: Interface, addresses: Sequence[bytes]) -> dict[bytes, OSError]:
        if not self._failures:
            return {}
        found = {address: self._failures.pop((interface.index, address), None) for address in addresses}
        return {address: failure for address, failure in found.items() if failure is not None}

    def _renew(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        # The kernel creates an address that a renewal names: one that was released meanwhile must not come back.
        wanted = [address for address in addresses if (interface.index, address) in self._wanted]
        try:
            failures = self._table.renew(interface, wanted)
        except OSError as error:
            failures = dict.fromkeys(wanted, error)
        self._failures.update(((interface.index, address), error) for address, error in failures.items())
