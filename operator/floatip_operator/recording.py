"""Events, posted beside the passes: a creation of many floating IPs makes thousands, and no decision waits for them."""

from __future__ import annotations

import asyncio
import logging

from floatip_operator import kube

log = logging.getLogger(__name__)

_MOST_WAITING = 10_000
_AT_ONCE = 4
_RETRY = 2.0


class Recorder:
    """`record` only takes an Event down; `run` posts."""

    def __init__(self, api: kube.Kube) -> None:
        self._api = api
        self._waiting: asyncio.Queue[kube.Object] = asyncio.Queue(_MOST_WAITING)

    def record(self, about: kube.Object, kind: str, reason: str, message: str) -> None:
        """As `kube.event`. While the API server takes none they wait; what is too much then is dropped, and said here."""
        self._put(kube.event(about, kind, reason, message))

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._post())

    def _put(self, event: kube.Object) -> None:
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            log.warning("Event dropped, %d wait: %s", _MOST_WAITING, _words(event))

    async def _post(self) -> None:
        while True:
            event = await self._waiting.get()
            try:
                await self._api.record_event(event)
            except kube.ApiError as error:
                log.warning("Event refused by the API server: %s: %s", _words(event), error)
                if error.status < 500 and error.status != 429:
                    continue
            except (TimeoutError, OSError) as error:
                log.info("Event waits: %s: %s", _words(event), error or type(error).__name__)
            else:
                continue
            await asyncio.sleep(_RETRY)
            self._put(event)


def _words(event: kube.Object) -> str:
    return f"{event['involvedObject']['name']}: {event['reason']}: {event['message']}"
