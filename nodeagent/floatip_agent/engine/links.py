"""What changed between two looks at the node's interfaces, told apart by whom it concerns. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from floatip_agent.ports import Interface


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One interface that changed. `own` is it before and now without floating addresses, as far as it is there; empty: that part is
    the same. `lost` addresses are not there any more; the floating IPv4 ones `ahead` stand before one of the node's own."""

    name: str
    own: tuple[Interface, ...]
    lost: frozenset[bytes]
    ahead: frozenset[bytes]

    @property
    def has_new_mac(self) -> bool:
        """The LAN knows another one."""
        return len({link.mac for link in self.own}) > 1


class Links:
    """`own` are the interfaces by name as the node has them by itself: what our addresses do to them binds no router anew."""

    def __init__(self) -> None:
        self._seen: Mapping[str, Interface] = {}
        self.own: dict[str, Interface] = {}

    def look(self, by_name: Mapping[str, Interface]) -> list[Change]:
        """An interface that is still the same object is not looked at."""
        before, self._seen = self._seen, dict(by_name)
        names = [name for name, link in by_name.items() if before.get(name) is not link]
        names += [name for name in before if name not in by_name]
        return [self._change(name, before.get(name), by_name.get(name)) for name in names]

    def _change(self, name: str, before: Interface | None, now: Interface | None) -> Change:
        own_before, own = self.own.get(name), None if now is None else _without_floating(now)
        is_own_changed = own_before != own
        if own is None:
            self.own.pop(name, None)
        elif is_own_changed:
            self.own[name] = own
        states = tuple(link for link in (own_before, own) if link is not None) if is_own_changed else ()
        return Change(name, states, _addresses(before) - _addresses(now), _ahead(now))


def _without_floating(link: Interface) -> Interface:
    return dataclasses.replace(link, addresses=tuple(known for known in link.addresses if not known.is_ours))


def _addresses(link: Interface | None) -> frozenset[bytes]:
    return frozenset() if link is None else frozenset(known.address for known in link.addresses)


def _ahead(link: Interface | None) -> frozenset[bytes]:
    ipv4 = [known for known in (link.addresses if link else ()) if len(known.address) == 4]
    last = max((place for place, known in enumerate(ipv4) if not known.is_ours), default=0)
    return frozenset(known.address for known in ipv4[:last] if known.is_ours)
