"""One replica acts at a time: a Lease of the operator's own, judged by a monotonic clock."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections.abc import Callable
from typing import Any

from floatip_api import names

from floatip_operator import kube

log = logging.getLogger(__name__)

DURATION = 15.0
"""Seconds after the last change that we saw, after which a Lease is free."""
RENEW_DEADLINE = 10.0
"""Seconds without a successful renewal after which the leader ends itself."""
RETRY = 2.0


class StoreRestored(Exception):
    """The Lease is older than it was: what this replica knows of the cluster is of a time that the store has lost."""


class Leadership:
    """Acquire, then keep; `keep` returns when the Lease is lost. Both raise `StoreRestored`."""

    def __init__(self, api: kube.Kube, identity: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._identity = identity
        self._clock = clock
        self._path = f"{kube.leases(api.namespace)}/{names.OPERATOR_LEASE}"
        self._seen: tuple[str, float] | None = None
        self._lease: dict[str, Any] | None = None
        self._is_taken = False
        self._newest = 0

    async def acquire(self) -> None:
        """Until the Lease is ours."""
        is_said = False
        while not await self._try(self._take):
            if not is_said:
                log.info("another replica leads; waiting")
                is_said = True
            await asyncio.sleep(RETRY)
        log.info("leading as %s", self._identity)

    async def seize(self) -> None:
        """At once, whoever has it. That one ends itself when it sees it, at the latest after `RENEW_DEADLINE`."""
        while True:
            if await self._try(self._seize):
                log.info("leading as %s", self._identity)
                return
            await asyncio.sleep(RETRY)

    async def keep(self) -> None:
        """Renew until that was impossible for `RENEW_DEADLINE`, or somebody else has the Lease."""
        renewed_at = self._clock()
        while (left := renewed_at + RENEW_DEADLINE - self._clock()) > 0:
            await asyncio.sleep(min(RETRY, left))
            began = self._clock()  # others count from the write, which may be long before its answer
            if await self._try(self._take, within=max(0.0, renewed_at + RENEW_DEADLINE - began)):
                renewed_at = began
            elif self._is_taken:
                log.error("another replica has taken the Lease")
                return
        log.error("the Lease could not be renewed for %.0f s: another replica may lead", RENEW_DEADLINE)

    async def give_up(self) -> None:
        """A clean stop: the next replica need not wait."""
        if self._lease is not None:
            self._lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
            await self._try(self._write)

    async def _try(self, step: Callable[[], Any], within: float = RETRY * 2) -> bool:
        try:
            async with asyncio.timeout(min(RETRY * 2, within)):
                return bool(await step())
        except (TimeoutError, kube.ApiError, OSError) as error:
            log.warning("Lease %s: %s", names.OPERATOR_LEASE, error or type(error).__name__)
            return False

    async def end(self) -> None:
        """The Lease itself goes: nobody is left who could lead."""
        await self._api.delete(self._path)

    async def _take(self) -> bool:
        present = await self._api.get(self._path)
        if present is not None:
            self._note_version(present)
        self._is_taken = present is not None and self._is_anothers(present["spec"])
        return False if self._is_taken else await self._claim(present)

    async def _seize(self) -> bool:
        return await self._claim(await self._api.get(self._path))

    async def _claim(self, present: dict[str, Any] | None) -> bool:
        if present is None:
            head = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            metadata = {"name": names.OPERATOR_LEASE, "namespace": self._api.namespace}
            self._lease = await self._api.create_lease({**head, "metadata": metadata, "spec": self._spec(0)})
            self._note_version(self._lease)
            return True
        spec = present["spec"]
        changes = spec.get("leaseTransitions", 0) + (spec.get("holderIdentity") != self._identity)
        present["spec"] = self._spec(changes)
        self._lease = present
        return await self._write()

    async def _write(self) -> bool:
        assert self._lease is not None
        self._lease = await self._api.replace_lease(self._lease)
        self._note_version(self._lease)
        return True

    def _note_version(self, lease: dict[str, Any]) -> None:
        """Resource versions are the store's own count of its writes, over all objects: they grow, also over an object made anew."""
        version = int(lease["metadata"]["resourceVersion"])
        if version < self._newest:
            raise StoreRestored(f"the store jumped back from version {self._newest} to {version}")
        self._newest = version

    def _is_anothers(self, spec: dict[str, Any]) -> bool:
        return spec.get("holderIdentity") not in {None, "", self._identity} and not self._is_expired(spec)

    def _is_expired(self, spec: dict[str, Any]) -> bool:
        """By how long *we* have not seen it change: clocks of two machines are never compared."""
        renewal = f"{spec.get('holderIdentity')}/{spec.get('renewTime')}"
        if self._seen is None or self._seen[0] != renewal:
            self._seen = (renewal, self._clock())
        return self._clock() - self._seen[1] > DURATION

    def _spec(self, transitions: int) -> dict[str, Any]:
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(DURATION),
            "renewTime": now,
            "acquireTime": now,
            "leaseTransitions": transitions,
        }
