"""api.md: "given ones stand. The other nodes, ordered by rendezvous hash, take the first free of 200, 180 ... 20, then 190, 170 ... 10. Of
nodes that share a given P the first in that order keeps it, the others take the next free of P-5, P-10 ...; none left: PrioritiesExhausted.
Values of nodes that have not confirmed their release are not free."
"""

from __future__ import annotations

import pytest
from floatip_operator.decide import priorities
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("order", "asked", "present", "reserved", "expected"),
    [
        (["a", "b", "c"], {}, {}, set(), {"a": 200, "b": 180, "c": 160}),
        (["a", "b"], {"b": 200}, {}, set(), {"b": 200, "a": 180}),
        (["a", "b", "c"], {"a": 100, "b": 100, "c": 100}, {}, set(), {"a": 100, "b": 95, "c": 90}),
        (["a", "b"], {}, {"b": 200}, set(), {"b": 200, "a": 180}),
        (["a", "b"], {}, {}, {200}, {"a": 180, "b": 160}),
        (["a"], {}, {"a": 95}, set(), {"a": 200}),
        (list("abcdefghijk"), {}, {}, set(), dict(zip("abcdefghijk", [*range(200, 0, -20), 190], strict=True))),
    ],
)
def test_targets(
    order: list[str], asked: dict[str, int], present: dict[str, int], reserved: set[int], expected: dict[str, int]
) -> None:
    assert priorities.targets(order, asked, present, reserved) == expected


PREFERRED = [
    # "that node comes first as long as it stands": its usual value waits for it, the others keep theirs.
    (["a", "b", "c"], {}, {"a": 200, "b": 180, "c": 160}, {"a": 200, "b": 254, "c": 160}),
    (["a", "b", "c", "d"], {}, {"a": 200, "b": 254, "c": 160}, {"a": 200, "b": 254, "c": 160, "d": 140}),
    (["d", "a", "b", "c"], {}, {"a": 200, "b": 254, "c": 160}, {"a": 200, "b": 254, "c": 160, "d": 140}),
    (["a", "b"], {"a": 150, "b": 100}, {}, {"a": 150, "b": 254}),
    (["a", "b", "c"], {"a": 100, "b": 100, "c": 100}, {}, {"a": 100, "b": 254, "c": 90}),
    (["a", "b"], {"a": 254, "b": 100}, {}, {"a": 249, "b": 254}),
    (["a", "b", "c"], {"a": 254, "b": 100, "c": 249}, {}, {"a": 244, "b": 254, "c": 249}),
    (["a", "b"], {"a": 255, "b": 100}, {}, {"a": 255, "b": 100}),  # an owner stays first
    (["a", "b"], {"a": 100, "b": 255}, {}, {"a": 100, "b": 255}),
    (["a", "c"], {}, {"a": 200}, {"a": 200, "c": 180}),  # b takes no part
]


@pytest.mark.parametrize(("order", "asked", "present", "expected"), PREFERRED)
def test_a_preferred_node_comes_first(
    order: list[str], asked: dict[str, int], present: dict[str, int], expected: dict[str, int]
) -> None:
    """api.md: "Annotation floatip.dev/prefer-node: that node comes first as long as it stands"."""
    assert priorities.targets(order, asked, present, set(), "b") == expected


def test_without_the_preference_the_usual_order_is_back() -> None:
    moved = priorities.targets(["a", "b", "c"], {}, {"a": 200, "b": 180, "c": 160}, set(), "b")
    assert priorities.targets(["a", "b", "c"], {}, moved, set()) == {"a": 200, "b": 180, "c": 160}


def test_none_left_below_a_shared_priority() -> None:
    with pytest.raises(priorities.PrioritiesExhausted, match="priority 6"):
        priorities.targets(["a", "b", "c"], {"a": 6, "b": 6, "c": 6}, {}, set())


def test_none_left_at_all() -> None:
    with pytest.raises(priorities.PrioritiesExhausted):
        priorities.targets([str(n) for n in range(21)], {}, {}, set())


@pytest.mark.parametrize(
    ("wanted", "held", "expected"),
    [
        ({"a": 200}, {}, {"a": 200}),
        ({"a": 200}, {"a": {200}}, {"a": 200}),
        ({"a": 200}, {"gone": {200}}, {"a": None}),
        ({"a": 150}, {"a": {100}, "b": {150}}, {"a": None}),
        # Two that want each other's value: the first steps aside to one that nobody holds or wants.
        ({"a": 100, "b": 150}, {"a": {150}, "b": {100}}, {"a": 101, "b": None}),
        # Until that is confirmed nobody else does: it would go on for ever with one that cannot be reached.
        ({"a": 100, "b": 150}, {"a": {150, 101}, "b": {100}}, {"a": None, "b": None}),
    ],
)
def test_next_step(wanted: dict[str, int], held: dict[str, set[int]], expected: dict[str, int | None]) -> None:
    assert priorities.next_step(wanted, held) == expected


@given(st.permutations([200, 180, 160, 140]), st.permutations([200, 180, 160, 140]))
def test_any_exchange_ends_and_never_gives_a_value_twice(before: list[int], after: list[int]) -> None:
    """ "a priority ... is free only when its old owner has confirmed": in every step each value has one owner."""
    nodes = "abcd"
    current, wanted = dict(zip(nodes, before, strict=True)), dict(zip(nodes, after, strict=True))
    for _ in range(20):
        step = priorities.next_step(wanted, {node: {value} for node, value in current.items()})
        for node, value in step.items():
            assert value is None or value not in {other for name, other in current.items() if name != node}
        current |= {node: value for node, value in step.items() if value is not None}
        assert len(set(current.values())) == len(nodes)
        if current == wanted:
            return
    pytest.fail(f"{before} never became {after}: {current}")
