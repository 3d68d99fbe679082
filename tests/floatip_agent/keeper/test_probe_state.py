"""The verdict on a probe. The rules are api.md's: failureThreshold is keepalived's fall, successThreshold its rise."""

from __future__ import annotations

import pytest
from floatip_agent.configuration import Health
from floatip_agent.keeper import probe_state
from floatip_agent.keeper.probe_state import Probe, ProbeState, Thresholds, Verdict, health_of

GOOD = None
BAD = "10.0.0.1:9200 refused the connection"


@pytest.mark.parametrize(
    ("initially", "thresholds", "results", "verdicts"),
    [
        # "FirstResult (Initialize and silent until there is one)": one result is enough, whatever the thresholds.
        ("FirstResult", Thresholds(3, 3), [], "W"),
        ("FirstResult", Thresholds(3, 3), [GOOD], "WP"),
        ("FirstResult", Thresholds(3, 3), [BAD], "WF"),
        # "Failing (until proven)": successThreshold successes prove it.
        ("Failing", Thresholds(1, 2), [GOOD], "FF"),
        ("Failing", Thresholds(1, 2), [GOOD, GOOD], "FFP"),
        ("Failing", Thresholds(1, 1), [GOOD], "FP"),
        # "failureThreshold: 2": two in a row, not two in all.
        ("FirstResult", Thresholds(2, 1), [GOOD, BAD, GOOD, BAD], "WPPPP"),
        ("FirstResult", Thresholds(2, 1), [GOOD, BAD, BAD], "WPPF"),
        # "successThreshold: 2": likewise on the way back.
        ("FirstResult", Thresholds(1, 2), [BAD, GOOD, BAD, GOOD, GOOD], "WFFFFP"),
    ],
)
def test_results_turn_the_verdict(
    initially: str, thresholds: Thresholds, results: list[str | None], verdicts: str
) -> None:
    state = probe_state.start("FirstResult" if initially == "FirstResult" else "Failing")
    seen = state.verdict[0]
    for failure in results:
        state = probe_state.after(state, thresholds, failure)
        seen += state.verdict[0]
    assert seen == verdicts


def test_the_detail_is_that_of_the_result_that_turned_the_verdict() -> None:
    state = ProbeState("Passing")
    for failure in (BAD, BAD, "something else"):
        state = probe_state.after(state, Thresholds(failure=2, success=1), failure)
    assert state.detail == "10.0.0.1:9200 refused the connection, 2 times in a row"


def _probe(name: str, lower_priority_by: int | None) -> Probe:
    return Probe(name, 9200, None, 1.0, 1.0, Thresholds(1, 1), "FirstResult", lower_priority_by)


@pytest.mark.parametrize(
    ("verdicts", "health"),
    [
        ({"a": "Passing", "b": "Passing", "c": "Passing"}, Health()),
        # "several `lowerPriorityBy` add up"
        ({"a": "Failing", "b": "Failing", "c": "Passing"}, Health(lower_by=70)),
        # "absent: the node does not take part at all (state Fault)"
        ({"a": "Failing", "b": "Passing", "c": "Failing"}, Health(lower_by=20, faults=("probe c: why c",))),
        ({"a": "Waiting", "b": "Failing", "c": "Waiting"}, Health(lower_by=50, waiting=("a", "c"))),
    ],
)
def test_health_adds_up_the_probes(verdicts: dict[str, Verdict], health: Health) -> None:
    probes = (_probe("a", 20), _probe("b", 50), _probe("c", None))
    states = {name: ProbeState(verdict, detail=f"why {name}") for name, verdict in verdicts.items()}
    assert health_of(probes, states) == health
