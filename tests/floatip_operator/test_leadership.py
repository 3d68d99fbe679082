"""Who leads, against a Lease in memory whose server can be slow, silent, or somebody else's."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from floatip_operator import leadership
from floatip_operator.leadership import Leadership, StoreRestored


class Leases:
    """The part of `kube.Kube` that leadership uses."""

    namespace = "floatip-system"

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.is_silent = False
        self.version = 100

    async def get(self, _: str) -> dict[str, Any] | None:
        if self.is_silent:
            await asyncio.Event().wait()
        return copy.deepcopy(self.lease)

    async def create_lease(self, lease: dict[str, Any]) -> dict[str, Any]:
        return await self.replace_lease(lease)

    async def replace_lease(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        lease["metadata"]["resourceVersion"] = str(self.version)
        self.lease = copy.deepcopy(lease)
        return lease


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DURATION", "RENEW_DEADLINE", "RETRY"):
        monkeypatch.setattr(leadership, name, getattr(leadership, name) / 20)


async def test_a_leader_whose_server_is_silent_stops_before_another_may_begin() -> None:
    """DURATION after the last write that others saw, not after its answer, and with no request left to run out."""
    leases = Leases()
    leader = Leadership(leases, "a")  # type: ignore[arg-type]
    await leader.acquire()
    leases.is_silent = True
    async with asyncio.timeout(leadership.DURATION):
        await leader.keep()


async def test_a_leader_that_sees_another_with_the_lease_stops_at_once() -> None:
    leases = Leases()
    leader = Leadership(leases, "a")  # type: ignore[arg-type]
    await leader.acquire()
    assert leases.lease
    leases.lease["spec"] |= {"holderIdentity": "b"}
    async with asyncio.timeout(2 * leadership.RETRY):
        await leader.keep()


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_store_that_jumped_back_ends_the_leader_and_who_waits(is_there: bool) -> None:
    """What both know is of a time that the store has lost: newer than all that is there, so that no watch would ever put it right."""
    leases = Leases()
    leader, waiting = Leadership(leases, "a"), Leadership(leases, "b")  # type: ignore[arg-type]
    await leader.acquire()
    acquiring = asyncio.create_task(waiting.acquire())
    await asyncio.sleep(2 * leadership.RETRY)
    assert leases.lease
    leases.version = 50
    leases.lease["metadata"]["resourceVersion"] = "50"
    leases.lease = leases.lease if is_there else None
    async with asyncio.timeout(4 * leadership.RETRY):
        with pytest.raises(StoreRestored, match="from version 101 to 5"):
            await leader.keep()
        with pytest.raises(StoreRestored):
            await acquiring
