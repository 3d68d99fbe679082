"""What a client of a web server sees: a new connection for each request, again and again."""

from __future__ import annotations

import dataclasses
import http.client
import itertools
import threading
import time
from typing import Self

from lab.network import Host
from lab.waiting import until

ASKED_EVERY = 0.02
PATIENCE = 0.5
"""Seconds that it waits for an answer: a connection that is made while nobody holds the address is tried again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    at: float
    body: str


class Browser:
    """`with Browser(host, address, port) as browser:` asks for / over a new connection again and again."""

    def __init__(self, host: Host, address: str, port: int) -> None:
        self._host = host
        self._place = address, port
        self._answers: list[Answer] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def answered(self, seconds: float = 30, *, after: float | None = None) -> str:
        """What the next answer says; `after` a moment of the monotonic clock, now when absent."""
        moment = time.monotonic() if after is None else after
        until(lambda: self._answers and self._answers[-1].at > moment, seconds, f"an answer from {self._place}")
        return self._answers[-1].body

    def longest_gap(self, since: float) -> float:
        """Seconds without an answer."""
        times = [since, *(answer.at for answer in self._answers if answer.at > since)]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def _run(self) -> None:
        with self._host.entered():
            while not self._stopping.is_set():
                connection = http.client.HTTPConnection(*self._place, timeout=PATIENCE)
                try:
                    connection.request("GET", "/")
                    reply = connection.getresponse()
                    if reply.status == 200:
                        self._answers.append(Answer(time.monotonic(), reply.read().decode()))
                except (TimeoutError, OSError, http.client.HTTPException):
                    pass
                finally:
                    connection.close()
                time.sleep(ASKED_EVERY)
