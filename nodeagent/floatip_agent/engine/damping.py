"""Flaps of a link that are not worth a transition: down, and up again, count only after a while (keepalived's
interface_up_down_delays). Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from floatip_agent.ports import Interface


class Damping:
    """One router's view of the node's links. Those that are there at the first look count as they are; one that appears later was
    down before, and one that is gone is gone at once: nothing could be sent on it. Delays and `now` in nanoseconds."""

    def __init__(self) -> None:
        self.deadline: int | None = None
        """When to look again although no link changed, or None."""
        self._counts: dict[str, bool] | None = None
        self._differs_since: dict[str, int] = {}

    def look(self, links: Mapping[str, Interface], down_delay: int, up_delay: int, now: int) -> Mapping[str, Interface]:
        """The links with `is_up` as it counts now."""
        before = {name: link.is_up for name, link in links.items()} if self._counts is None else self._counts
        counts = self._counts = {name: before.get(name, False) for name in links}
        due: dict[str, int] = {}
        for name, link in links.items():
            if link.is_up != counts[name]:
                since = self._differs_since.get(name, now)
                at = since + (up_delay if link.is_up else down_delay)
                if at <= now:
                    counts[name] = link.is_up
                else:
                    due[name] = at
        self._differs_since = {name: self._differs_since.get(name, now) for name in due}
        self.deadline = min(due.values(), default=None)
        return {**links, **{name: dataclasses.replace(links[name], is_up=counts[name]) for name in due}}
