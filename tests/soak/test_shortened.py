"""The cases of `make soak` for a few seconds each, and that their instrument sees what it must."""

from __future__ import annotations

import dataclasses

import pytest
from soak.arrivals import Grid
from soak.cases import MOST_GROWTH, Case, Result, cases, run

PERIOD = 100_000_000
SHORT = [case for case in cases(seconds=5, hostile_seconds=5) if case.period == 100]


@pytest.mark.linux
@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.name)
def test_nothing_moves_and_nothing_waits(case: Case) -> None:
    """The issue: "0 transitions", "memory grows by less than 5 MiB, at most one log line per reason and router a minute". How many
    advertisements may be late is counted over ten minutes by `make soak`; seconds on a busy machine only show the order."""
    result = run(case)
    print(result)
    assert result.transitions == 0
    assert result.advertisements > 0.9 * case.routers * case.seconds * 10
    assert max(result.late, result.late_inside) <= 0.01 * result.advertisements
    assert result.growth < MOST_GROWTH
    assert result.lines <= 1


def test_every_bound_of_the_issue_can_be_broken() -> None:
    quiet, *_, hostile = cases()
    good = Result(
        quiet, 150_000, late=149, late_inside=0, worst=0.6, transitions=0, growth=1 << 30, lines=9, stalled=0.0
    )
    assert good.violations() == []
    for field, value in {"late": 150, "late_inside": 150, "transitions": 1}.items():
        assert len(_with(good, field, value).violations()) == 1, field
    assert _with(_with(good, "late", 0), "advertisements", 100_000).violations() == ["only 100000 advertisements"]
    attacked = Result(
        hostile, 6_000, 0, 0, 0.0, transitions=0, growth=MOST_GROWTH - 1, lines=2, stalled=0.0, reached=4_900
    )
    assert attacked.violations() == []
    for field, value in {"late": 1, "late_inside": 1, "growth": MOST_GROWTH, "lines": 3, "reached": 4_000}.items():
        assert len(_with(attacked, field, value).violations()) == 1, field


def _with(result: Result, field: str, value: int) -> Result:
    return dataclasses.replace(result, **{field: value})  # type: ignore[arg-type]


class TestGrid:
    def test_on_time_and_somewhat_late(self) -> None:
        grid = Grid(PERIOD)
        for number in range(50):
            grid.arrive(number * PERIOD + number % 3 * 1_000_000)
        assert (grid.count, grid.late, grid.missed) == (50, 0, 0)
        assert grid.worst <= 2_000_000

    def test_one_that_is_later_than_half_a_period_is_counted_once(self) -> None:
        grid = Grid(PERIOD)
        for at in (0, 1, 2.6, 3, 4):
            grid.arrive(int(at * PERIOD))
        assert (grid.count, grid.late, grid.missed) == (5, 1, 0)
        assert grid.worst == pytest.approx(0.6 * PERIOD, rel=0.01)

    def test_one_that_never_came_counts_as_late(self) -> None:
        grid = Grid(PERIOD)
        for at in (0, 1, 3, 4):
            grid.arrive(at * PERIOD)
        assert (grid.count, grid.late, grid.missed) == (5, 1, 1)

    def test_answers_between_two_periods_are_not_periodic(self) -> None:
        grid = Grid(PERIOD)
        for at in (0, 0.5, 1, 1.2, 2):
            grid.arrive(int(at * PERIOD))
        assert (grid.count, grid.late) == (3, 0)

    def test_a_wall_clock_that_is_disciplined_is_followed(self) -> None:
        for slew in (0.9995, 1.0005):
            grid = Grid(PERIOD)
            for number in range(10_000):
                grid.arrive(int(number * PERIOD * slew))
            assert (grid.count, grid.late) == (10_000, 0)
