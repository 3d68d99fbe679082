"""Virtual router IDs: unique among floating IPs that share a connected subnet, and away from strangers' ones."""

from __future__ import annotations

import hashlib
from collections.abc import Set as AbstractSet


def first_choice(cluster_uid: str, lowest: int, highest: int) -> int:
    """Where allocation starts: two clusters on one LAN begin at different places."""
    digest = hashlib.sha256(cluster_uid.encode()).digest()
    return lowest + int.from_bytes(digest[:4], "big") % (highest - lowest + 1)


def allocate(cluster_uid: str, allowed: tuple[int, int], used: AbstractSet[int]) -> int | None:
    """The next free ID from the cluster's starting point on; None when the range is exhausted."""
    lowest, highest = allowed
    start = first_choice(cluster_uid, lowest, highest)
    around = [*range(start, highest + 1), *range(lowest, start)]
    return next((candidate for candidate in around if candidate not in used), None)
