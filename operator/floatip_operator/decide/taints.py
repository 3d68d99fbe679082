"""Whether the agents' Pods may be on a node, as the scheduler and the DaemonSet controller see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_KEEPS_OUT = {"NoSchedule", "NoExecute"}

Taint = Mapping[str, Any]
Toleration = Mapping[str, Any]


def are_tolerated(taints: Iterable[Taint], tolerations: Iterable[Toleration]) -> bool:
    """Every taint that keeps Pods out. PreferNoSchedule keeps nobody out."""
    known = list(tolerations)
    return all(any(_tolerates(one, taint) for one in known) for taint in taints if taint.get("effect") in _KEEPS_OUT)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    """An absent effect or key tolerates any; `Equal` is the default operator."""
    if toleration.get("effect") not in {None, "", taint.get("effect")}:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return toleration.get("key") in {None, "", taint.get("key")}
    return toleration.get("key") == taint.get("key") and toleration.get("value", "") == taint.get("value", "")
