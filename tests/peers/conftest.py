"""What a test of this folder does beside several peers is done at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
from lab.network import Lan
from peers.scenarios import AtOnce, Result


@pytest.fixture(scope="session")
def at_once(lan_of_ones_own: Callable[[], AbstractContextManager[Lan]]) -> AtOnce[Any]:
    """Does something for every name at once, each on a LAN of its own (they mostly wait); the result, or what it raised,
    by name."""

    def do(names: Iterable[str], experiment: Callable[[Lan, str], Result]) -> Callable[[str], Result]:
        def on_a_lan(name: str) -> Result:
            with lan_of_ones_own() as lan:
                try:
                    return experiment(lan, name)
                except Exception as error:
                    for file, text in lan.logs():
                        error.add_note(f"last lines of {file}:\n{text}")
                    raise

        chosen = list(names)
        with ThreadPoolExecutor(len(chosen)) as threads:
            results = {name: threads.submit(on_a_lan, name) for name in chosen}
        return lambda name: results[name].result()

    return do
