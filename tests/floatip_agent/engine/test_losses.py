"""How long an address that is taken out again and again stays away."""

from __future__ import annotations

from floatip_agent.engine.losses import LONGEST, QUIET, Losses

SECOND = 1_000_000_000
NOW = 1_000 * SECOND


def _waits(losses: Losses, count: int, *, after: int = SECOND) -> list[float]:
    """Each loss comes `after` the address was back."""
    waits, now = [], NOW
    for _ in range(count):
        back_at = losses.lose(now)
        waits.append((back_at - now) / SECOND)
        now = back_at + after
    return waits


def test_three_times_at_once_then_longer_and_longer() -> None:
    assert _waits(Losses(), 12) == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_loss_after_a_quiet_minute_is_the_first_again() -> None:
    losses = Losses()
    assert _waits(losses, 20)[-1] == LONGEST / SECOND
    assert _waits(Losses(), 20, after=QUIET) == [0] * 20
    assert losses.in_a_row == 20


def test_the_quiet_counts_from_when_it_was_back() -> None:
    losses = Losses()
    _waits(losses, 20)
    back_at = losses.lose(NOW + 10_000 * SECOND)
    assert losses.in_a_row == 1
    assert back_at == NOW + 10_000 * SECOND


def test_several_addresses_that_one_command_takes_out_are_one_loss() -> None:
    losses = Losses()
    for millisecond in range(0, 90, 10):
        now = NOW + millisecond * 1_000_000
        assert losses.lose(now) == now
    assert losses.in_a_row == 1
    losses.lose(NOW + SECOND)
    assert losses.in_a_row == 2
