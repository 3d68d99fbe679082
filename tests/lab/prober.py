"""What a client on the LAN sees of a floating IP: one UDP probe a millisecond, and which node answered it when."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from lab import probing
from lab.network import Host
from lab.waiting import until

PORT = 7007
TESTS = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    at: int
    """Nanoseconds of the monotonic clock."""
    sequence: int
    node: str


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """What was seen between two moments (nanoseconds of the monotonic clock)."""

    start: int
    end: int
    answers: Sequence[Answer]
    sent_before: int
    """The sequence number of the last probe that was answered before the start."""

    @property
    def longest_gap(self) -> float:
        """Milliseconds without an answer; a gap that has not ended counts up to the window's end."""
        moments = [self.start, *(answer.at for answer in self.answers), self.end]
        return max(later - earlier for earlier, later in itertools.pairwise(moments)) / 1e6

    @property
    def lost(self) -> int:
        """Probes that nobody answered, up to the last answered one."""
        sequences = {answer.sequence for answer in self.answers}
        return max(sequences, default=self.sent_before) - self.sent_before - len(sequences)

    @property
    def answered_by(self) -> list[str]:
        """The nodes in the order in which they answered, each once per turn."""
        return [node for node, _ in itertools.groupby(answer.node for answer in self.answers)]

    def first_answer(self, node: str) -> float | None:
        """Milliseconds from the start to the node's first answer."""
        return next(((answer.at - self.start) / 1e6 for answer in self.answers if answer.node == node), None)


class Prober:
    """`with Prober(client, "10.9.0.100", [n1, n2]) as prober:` probes until the block ends."""

    def __init__(self, client: Host, address: str, nodes: Iterable[Host], port: int = PORT) -> None:
        self.address = address
        self._client = client
        self._nodes = list(nodes)
        self._port = port
        self._file = client.folder / f"answers-{address.replace(':', '_')}"

    def __enter__(self) -> Self:
        self._file.write_text("")  # nothing of one before
        command = [sys.executable, "-m", probing.__name__]
        environment = {"PYTHONPATH": str(TESTS)}
        answering = (
            (node, node.popen([*command, "answer", node.name, str(self._port)], env=environment))
            for node in self._nodes
        )
        self._processes = [process for _, process in answering]
        probe = [*command, "probe", self.address, str(self._port), str(self._file)]
        self._processes.append(self._client.popen(probe, env=environment, log=self._client.folder / "prober.log"))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait(timeout=10)

    def window(self, start: int, end: int | None = None) -> Window:
        """What was seen since `start` (`time.monotonic_ns()`); the last few milliseconds may not be written yet."""
        if end is None:
            time.sleep(2 * probing.FLUSH_EVERY / 1e9)
            end = time.monotonic_ns()
        answers = [Answer(int(at), int(sequence), node) for at, sequence, node in self._lines()]
        before = max((answer.sequence for answer in answers if answer.at < start), default=0)
        seen = [answer for answer in answers if start <= answer.at <= end and answer.sequence > before]
        return Window(start, end, seen, before)

    def answerer(self) -> str | None:
        """Who answered last, if that was within the last 100 ms."""
        last = self._last()
        return last.node if last and time.monotonic_ns() - last.at < 100_000_000 else None

    def wait_for(self, node: str, seconds: float) -> None:
        """Until the node answers. Raises `TimeoutError`."""
        until(lambda: self.answerer() == node, seconds, f"{node} answers at {self.address}")

    def _last(self) -> Answer | None:
        with self._file.open("rb") as file:
            file.seek(max(0, self._file.stat().st_size - 400))
            lines = file.read().decode().splitlines(keepends=True)
        complete = [line.split() for line in lines[1:] if line.endswith("\n")]
        return Answer(int(complete[-1][0]), int(complete[-1][1]), complete[-1][2]) if complete else None

    def _lines(self) -> list[list[str]]:
        return [line.split() for line in self._file.read_text().splitlines(keepends=True) if line.endswith("\n")]
