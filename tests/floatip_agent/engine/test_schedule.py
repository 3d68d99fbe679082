"""The heap of deadlines, against the obvious way: look at all of them."""

from __future__ import annotations

from floatip_agent.engine.schedule import Schedule
from hypothesis import given
from hypothesis import strategies as st

NAMES = "abcdef"
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from(NAMES), st.none() | st.integers(0, 50)),
        st.tuples(st.just("take"), st.just(""), st.integers(0, 50)),
    ),
    max_size=200,
)


@given(STEPS)
def test_it_finds_what_a_look_at_all_deadlines_finds(steps: list[tuple[str, str, int | None]]) -> None:
    schedule: Schedule[str] = Schedule()
    plain: dict[str, int] = {}
    for step, name, at in steps:
        if step == "set":
            schedule.set(name, at)
            plain.pop(name, None)
            if at is not None:
                plain[name] = at
        else:
            assert at is not None
            taken = schedule.take(at)
            due = min(plain.values(), default=None)
            if due is None or due > at:
                assert taken is None
            else:
                assert taken is not None
                assert taken[0] == due == plain.pop(taken[1])
        assert schedule.first == min(plain.values(), default=None)


def test_a_flood_that_moves_deadlines_does_not_make_it_grow() -> None:
    schedule: Schedule[str] = Schedule()
    for at in range(100_000):
        schedule.set("a", at)
        schedule.set("b", at + 7)
    assert len(schedule._heap) <= 2
    for at in range(100_000, 100, -1):
        schedule.set("a", at + at % 2)
        assert schedule.first is not None
    assert schedule.take(50) is None
