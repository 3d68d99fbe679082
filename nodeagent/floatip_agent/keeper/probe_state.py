"""What probes are, and the verdict on them from their results: pure.

api.md: "failureThreshold: 2 (keepalived: fall)", "successThreshold: 2 (keepalived: rise)", "initially: FirstResult
(Initialize and silent until there is one) | Failing (until proven)".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from floatip_agent.configuration import Family, Health

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


@dataclasses.dataclass(frozen=True, slots=True)
class Probe:
    """One tcpSocket probe. `period` and `timeout` in seconds; `host` None: the node's own first address."""

    name: str
    port: int
    host: str | None
    period: float
    timeout: float
    thresholds: Thresholds
    initially: Literal["FirstResult", "Failing"]
    lower_priority_by: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeSet:
    """The probes of one FloatingIP, and where its first virtual router says the node's own address is to be found."""

    probes: tuple[Probe, ...]
    family: Family
    interface: str | None


Results = Mapping[str, Mapping[str, ProbeState]]
"""By FloatingIP and probe."""


def health_of(probes: tuple[Probe, ...], states: Mapping[str, ProbeState]) -> Health:
    """api.md: "several lowerPriorityBy add up"; without one "the node does not take part at all (state Fault)"."""
    failing = [probe for probe in probes if states[probe.name].verdict == "Failing"]
    return Health(
        lower_by=sum(probe.lower_priority_by or 0 for probe in failing),
        faults=tuple(
            f"probe {probe.name}: {states[probe.name].detail}" for probe in failing if probe.lower_priority_by is None
        ),
        waiting=tuple(probe.name for probe in probes if states[probe.name].verdict == "Waiting"),
    )
