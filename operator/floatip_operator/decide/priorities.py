"""Which priority each candidate gets: given ones stand, the others are spread so that skew times stay distinct."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

SPREAD = (*range(200, 0, -20), *range(190, 0, -20))
"""200, 180 ... 20, then 190, 170 ... 10."""
STEP = 5
OWNER = 255
PREFERRED = 254
"""Of the node that a planned move puts first: above all but the owner of the address."""


class PrioritiesExhausted(Exception):
    """More nodes share a given priority than there are values below it."""


def targets(
    order: Sequence[str],
    given: Mapping[str, int],
    present: Mapping[str, int],
    reserved: set[int],
    preferred: str | None = None,
) -> dict[str, int]:
    """The priority of each node of `order`, `preferred` first. Its usual value waits for it; an owner of the address stays first."""
    usual = _usual(sorted(order, key=lambda node: node != preferred or node in given), given, present, reserved)
    if preferred not in usual or OWNER in usual.values():
        return usual
    found = {**usual, preferred: PREFERRED}
    for node in [node for node, priority in usual.items() if priority == PREFERRED and node != preferred]:
        found[node] = _below(PREFERRED - STEP, {*usual.values()})
    return found


def _usual(
    order: Sequence[str], given: Mapping[str, int], present: Mapping[str, int], reserved: set[int]
) -> dict[str, int]:
    """The priority of each node of `order`. `present` values of nodes without a given one stay; `reserved` ones are not free.

    Of nodes that share a given P the first keeps it, the others take the next free of P-5, P-10 ...
    """
    found: dict[str, int] = {}
    taken: set[int] = set()
    for node in [node for node in order if node in given]:
        found[node] = _below(given[node], taken)
        taken.add(found[node])
    free = [node for node in order if node not in given]
    for node in [node for node in free if present.get(node) in SPREAD and present[node] not in taken]:
        found[node] = present[node]
        taken.add(present[node])
    for node in [node for node in free if node not in found]:
        priority = next((value for value in SPREAD if value not in taken | reserved), None)
        if priority is None:
            raise PrioritiesExhausted("no priority is left for another node")
        found[node] = priority
        taken.add(priority)
    return found


def _below(priority: int, taken: set[int]) -> int:
    for value in range(priority, 0, -STEP):
        if value not in taken:
            return value
    raise PrioritiesExhausted(f"too many nodes share priority {priority}")


def next_step(
    wanted: Mapping[str, int], held: Mapping[str, set[int]], reachable: Collection[str] | None = None
) -> dict[str, int | None]:
    """What each node may have now, None for wait. `held` are the values a node has or has not confirmed to have left.

    A value is free when nobody else holds it. Where nodes wait for each other in a circle, the first of them that can be reached steps
    aside to a value that nobody holds or wants, the nearest to the one it wants. `reachable` absent: all can.
    """
    step: dict[str, int | None] = {}
    for node, priority in wanted.items():
        others = set().union(*(values for other, values in held.items() if other != node))
        granted = {value for other, value in step.items() if other != node and value is not None}
        step[node] = priority if priority not in others | granted else None
    blocked = [node for node, value in step.items() if value is None]
    if blocked and all(held.get(node) for node in blocked) and _is_circle(blocked, wanted, held):
        used = set(wanted.values()).union(*held.values())
        free = [value for value in range(OWNER - 1, 0, -1) if value not in used]
        is_aside = any(held[node].difference(wanted.values()) for node in blocked)
        aside = [node for node in blocked if reachable is None or node in reachable]
        if free and aside and not is_aside:
            step[aside[0]] = min(free, key=lambda value: abs(value - wanted[aside[0]]))
    return step


def _is_circle(blocked: Sequence[str], wanted: Mapping[str, int], held: Mapping[str, set[int]]) -> bool:
    """Each waits only for one of the others that wait."""
    return all(any(wanted[node] in held.get(other, set()) for other in blocked if other != node) for node in blocked)
