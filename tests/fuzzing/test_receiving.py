"""A short run of the fuzzer (`make fuzz` is the long one), and that its oracle can say no."""

from __future__ import annotations

import collections
import random
from collections.abc import Callable

import pytest
from floatip_agent.vrrp import packet
from floatip_agent.vrrp.packet import Advertisement, DropReason
from fuzzing.receiving import one_input

INPUTS = 20_000


def inputs(seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(chance.choice([4, 4, 8, 12, 16, 24])) for _ in range(INPUTS)]


@pytest.mark.rule("9568-7.1-no-effect")
def test_no_input_makes_an_exception_or_a_difference() -> None:
    """Each is judged as the RFC read a second time judges it, and what is dropped moves nothing."""
    seen = collections.Counter(
        outcome if isinstance(outcome, DropReason) else "accepted" for outcome in map(one_input, inputs(1))
    )
    apart = {DropReason.OWN_SOURCE, DropReason.REPLAYED}  # the engine's
    assert set(seen) == {"accepted", *DropReason} - apart, "every reason is reached"
    assert seen["accepted"] > INPUTS / 50


Judge = Callable[..., Advertisement | DropReason]


def believing_any_ttl(decode: Judge) -> Judge:
    return lambda wire, message, source, destination, ttl: decode(wire, message, source, destination, 255)


def blind_to_the_last_byte(decode: Judge) -> Judge:
    return lambda wire, message, *rest: decode(
        wire, message[: 8 + message[3] * 4] if len(message) > 8 else message, *rest
    )


def deaf_to_priority_zero(decode: Judge) -> Judge:
    def judge(*arguments: object) -> Advertisement | DropReason:
        outcome = decode(*arguments)
        is_farewell = isinstance(outcome, Advertisement) and outcome.priority == 0
        return DropReason.BAD_CHECKSUM if is_farewell else outcome

    return judge


@pytest.mark.parametrize("sabotage", [believing_any_ttl, blind_to_the_last_byte, deaf_to_priority_zero])
def test_a_codec_that_judges_wrongly_is_caught(
    sabotage: Callable[[Judge], Judge], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet, "decode", sabotage(packet.decode))
    with pytest.raises(AssertionError):
        collections.deque(map(one_input, inputs(2)), maxlen=0)
