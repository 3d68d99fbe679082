"""The verdict on one probe, from its results: pure.

api.md: "failureThreshold: 2 (keepalived: fall)", "successThreshold: 2 (keepalived: rise)", "initially: FirstResult
(Initialize and silent until there is one) | Failing (until proven)".
"""

from __future__ import annotations

import dataclasses
from typing import Literal

Verdict = Literal["Waiting", "Passing", "Failing"]


@dataclasses.dataclass(frozen=True, slots=True)
class Thresholds:
    """How many results in a row turn a verdict."""

    failure: int
    success: int


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeState:
    """`against` counts the results in a row that speak against the verdict; `detail` says why it is Failing."""

    verdict: Verdict
    against: int = 0
    detail: str = ""


def start(initially: Literal["FirstResult", "Failing"]) -> ProbeState:
    """Before any result."""
    if initially == "FirstResult":
        return ProbeState("Waiting")
    return ProbeState("Failing", detail="has not passed yet")


def after(state: ProbeState, thresholds: Thresholds, failure: str | None) -> ProbeState:
    """The state after one more result; `failure` says what went wrong, None for a success.

    The detail is that of the result that turned the verdict: later ones would only make status chatter.
    """
    speaks_against = (failure is None) != (state.verdict == "Passing")
    if state.verdict == "Waiting":
        return _turned(failure, 1)
    if not speaks_against:
        return dataclasses.replace(state, against=0)
    against = state.against + 1
    needed = thresholds.failure if state.verdict == "Passing" else thresholds.success
    return _turned(failure, against) if against >= needed else dataclasses.replace(state, against=against)


def _turned(failure: str | None, times: int) -> ProbeState:
    if failure is None:
        return ProbeState("Passing")
    return ProbeState("Failing", detail=f"{failure}, {times} times in a row" if times > 1 else failure)
