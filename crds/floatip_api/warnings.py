"""What is allowed and yet odd: told by `floatip validate`, by the API server at once (the chart's policy) and in the Accepted condition.

Each warning stands here in both its forms, as CEL for the policy and as Python.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

CLOSE = 10
"""Two priorities nearer than this start to be Active at nearly one time: their skew times differ by less than a fiftieth of a period."""


@dataclasses.dataclass(frozen=True, slots=True)
class Warned:
    """`cel` is true of a FloatingIP (`object`) without the fault; `check` says whether a spec, defaults filled in, has it."""

    field: str
    message: str
    cel: str
    check: Callable[[dict[str, Any]], bool]


def _never_follows(spec: dict[str, Any]) -> bool:
    lowering = [*spec.get("probes", []), *spec.get("trackedInterfaces", [])]
    return spec["preemption"]["policy"] == "Never" and any("lowerPriorityBy" in entry for entry in lowering)


def _close(spec: dict[str, Any]) -> bool:
    given = [entry["priority"] for entry in spec.get("nodes", []) if "priority" in entry]
    return any(abs(one - other) < CLOSE for one, other in itertools.combinations(given, 2))


def _plain_text(spec: dict[str, Any]) -> bool:
    return bool(spec["vrrp"].get("authentication", {}).get("type") == "Password")


WARNINGS = (
    Warned(
        "preemption.policy",
        "with Never no node takes over from one whose priority was lowered: leave lowerPriorityBy out, then a failure keeps the node out",
        "object.spec.preemption.policy != 'Never' || !((has(object.spec.probes) && object.spec.probes.exists(p, has(p.lowerPriorityBy))) "
        "|| (has(object.spec.trackedInterfaces) && object.spec.trackedInterfaces.exists(t, has(t.lowerPriorityBy))))",
        _never_follows,
    ),
    Warned(
        "nodes",
        f"two priorities are closer than {CLOSE}: both nodes may become Active for a moment when they start together",
        "!has(object.spec.nodes) || object.spec.nodes.filter(n, has(n.priority)).map(n, n.priority).all(p, object.spec.nodes.filter(n, "
        f"has(n.priority) && n.priority - p < {CLOSE} && p - n.priority < {CLOSE}).size() < 2)",
        _close,
    ),
    Warned(
        "vrrp.authentication.type",
        "a Password is sent in plain text: it keeps out mistakes, not attackers",
        "!has(object.spec.vrrp.authentication) || object.spec.vrrp.authentication.type != 'Password'",
        _plain_text,
    ),
)


def warnings_of(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """(field below spec, sentence) for each."""
    return [(warned.field, warned.message) for warned in WARNINGS if warned.check(spec)]
