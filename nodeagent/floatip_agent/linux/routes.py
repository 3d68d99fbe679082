"""Routes and rules that are there only while Active; ours by their protocol, so that nobody else's is ever taken out.

Numbers: linux/rtnetlink.h, linux/fib_rules.h.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Mapping, Sequence

from floatip_agent.linux import netlink
from floatip_agent.linux.background import Background
from floatip_agent.ports import Route, RouteEntry, Rule

PROTOCOL_OURS = 112
"""rtm_protocol and FRA_PROTOCOL: VRRP's protocol number, which no routing daemon has."""

_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_RTM_NEWRULE, _RTM_DELRULE, _RTM_GETRULE = 32, 33, 34
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_FRA_DST, _FRA_SRC, _FRA_PRIORITY, _FRA_TABLE, _FRA_PROTOCOL = 1, 2, 6, 15, 21
_UNICAST, _TO_TABLE = 1, 1
_UNIVERSE, _LINK, _NOWHERE = 0, 253, 255
_NLM_F_EXCL = 0x200
_HEADER = struct.Struct("=BBBBBBBBI")
"""rtmsg, and fib_rule_hdr, which is like it: family, lengths of destination and source, tos, table, then three of the kind, flags."""
_AF_INET, _AF_INET6 = 2, 10
_GONE = frozenset((errno.ESRCH, errno.ENOENT, errno.ENODEV, errno.EADDRNOTAVAIL))


class KernelRoutes:
    """Implements `ports.RouteTable`. What is kept up is kept up in the background."""

    def __init__(self, requests: netlink.Requests, background: Background) -> None:
        self._requests = requests
        self._background = background
        self._wanted: set[RouteEntry] = set()
        self._failures: dict[RouteEntry, OSError] = {}

    def install(self, entries: Sequence[RouteEntry]) -> Mapping[RouteEntry, OSError]:
        with self._background.lock:
            self._wanted.update(entries)
            return self._install(entries)

    def keep(self, entries: Sequence[RouteEntry]) -> Mapping[RouteEntry, OSError]:
        self._background.put(lambda: self._keep(entries))
        found = {entry: self._failures.pop(entry, None) for entry in entries}
        return {entry: failure for entry, failure in found.items() if failure is not None}

    def withdraw(self, entries: Sequence[RouteEntry]) -> None:
        with self._background.lock:
            self._wanted.difference_update(entries)
            for number in self._requests.execute([_message(entry, is_new=False) for entry in reversed(entries)]):
                if number and number not in _GONE:
                    raise OSError(number, os.strerror(number))

    def _install(self, entries: Sequence[RouteEntry]) -> dict[RouteEntry, OSError]:
        results = zip(entries, self._requests.execute([_message(entry, is_new=True) for entry in entries]), strict=True)
        # One that is there already does what is wanted, whoever put it there.
        return {entry: OSError(n, os.strerror(n)) for entry, n in results if n not in {0, errno.EEXIST}}

    def _keep(self, entries: Sequence[RouteEntry]) -> None:
        wanted = [entry for entry in entries if entry in self._wanted]
        if wanted:
            self._failures.update(self._install(wanted))


def sweep(requests: netlink.Requests) -> int:
    """Take out every rule and route of ours. Returns how many there were."""
    messages: list[netlink.Message] = []
    for get, delete in ((_RTM_GETRULE, _RTM_DELRULE), (_RTM_GETROUTE, _RTM_DELROUTE)):
        for family in (_AF_INET, _AF_INET6):
            dumped = requests.dump(get, _HEADER.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))
            messages += [netlink.Message(delete, message.body) for message in dumped if _is_ours(message, get)]
    if messages:
        requests.execute(messages)
    return len(messages)


def _is_ours(message: netlink.Message, kind: int) -> bool:
    if kind == _RTM_GETROUTE:
        return message.body[5] == PROTOCOL_OURS
    return netlink.attributes(message.body, _HEADER.size).get(_FRA_PROTOCOL, b"\0")[0] == PROTOCOL_OURS


def _message(entry: RouteEntry, *, is_new: bool) -> netlink.Message:
    flags = netlink.NLM_F_CREATE | _NLM_F_EXCL if is_new else 0
    if isinstance(entry, Rule):
        return netlink.Message(_RTM_NEWRULE if is_new else _RTM_DELRULE, _rule(entry), flags)
    return netlink.Message(_RTM_NEWROUTE if is_new else _RTM_DELROUTE, _route(entry, is_new=is_new), flags)


def _route(route: Route, *, is_new: bool) -> bytes:
    destination, length = route.destination
    family = _AF_INET if len(destination) == 4 else _AF_INET6
    scope = _UNIVERSE if route.gateway is not None or family == _AF_INET6 else _LINK
    # The kernel takes out a route of any scope when none is named.
    kind = (PROTOCOL_OURS, scope if is_new else _NOWHERE, _UNICAST)
    parts = [
        _HEADER.pack(family, length, 0, 0, 0, *kind, 0),
        _number(_RTA_TABLE, route.table),
        _number(_RTA_OIF, route.index),
    ]
    if length:
        parts.append(netlink.attribute(_RTA_DST, destination))
    if route.gateway is not None:
        parts.append(netlink.attribute(_RTA_GATEWAY, route.gateway))
    if route.source is not None:
        parts.append(netlink.attribute(_RTA_PREFSRC, route.source))
    if route.metric:
        parts.append(_number(_RTA_PRIORITY, route.metric))
    return b"".join(parts)


def _rule(rule: Rule) -> bytes:
    given = rule.source or rule.destination
    assert given is not None
    family = _AF_INET if len(given[0]) == 4 else _AF_INET6
    to, origin = (0 if side is None else side[1] for side in (rule.destination, rule.source))
    parts = [
        _HEADER.pack(family, to, origin, 0, 0, 0, 0, _TO_TABLE, 0),
        _number(_FRA_TABLE, rule.table),
        _number(_FRA_PRIORITY, rule.priority),
        netlink.attribute(_FRA_PROTOCOL, bytes((PROTOCOL_OURS,))),
    ]
    if rule.source is not None and rule.source[1]:
        parts.append(netlink.attribute(_FRA_SRC, rule.source[0]))
    if rule.destination is not None and rule.destination[1]:
        parts.append(netlink.attribute(_FRA_DST, rule.destination[0]))
    return b"".join(parts)


def _number(kind: int, number: int) -> bytes:
    return netlink.attribute(kind, struct.pack("=I", number))
