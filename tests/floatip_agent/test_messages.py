"""The lines between keeper and engine."""

from __future__ import annotations

import dataclasses
import json

import pytest
from floatip_agent.configuration import Configuration, Health, RouterConfiguration
from floatip_agent.messages import (
    Applied,
    Configure,
    EngineState,
    HealthChanged,
    Message,
    RouterGone,
    RouterState,
    decode,
    encode,
)
from floatip_agent.reading import ConfigurationError
from hypothesis import given
from hypothesis import strategies as st

ROUTER = RouterState(
    name="elk",
    family="IPv6",
    virtual_router_id=51,
    state="Fault",
    reason="interface eth0 is down",
    priority=100,
    effective_priority=80,
    interface="eth0",
    source_address=None,
    active_router="fe80::1",
    since=1763000000.5,
    transitions=3,
    sent=10,
    received=20,
    dropped={"BadChecksum": 4},
    warnings={"RivalHeard": "10.9.0.7 advertises too, with priority 1"},
    noted={"OtherAddresses": 1},
    released="request-1",
    stale=True,
)
MESSAGES: list[Message] = [
    Configure(3, Configuration((RouterConfiguration("elk", "IPv4", 51, ("10.9.0.100/32",), 100),), {"elk": Health(5)})),
    HealthChanged("elk", Health(20, ("port 9200 refuses",), ("http",))),
    Applied(3, 7),
    ROUTER,
    RouterGone("elk", "IPv4"),
    EngineState(4711, "RealTime", "AddressLifetime", {"0.0001": 5, "+Inf": 0}, 0.0003),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_said_is_heard(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


def test_a_line_break_in_a_reason_does_not_break_the_line() -> None:
    line = encode(dataclasses.replace(ROUTER, reason="two\nlines"))
    assert line.count(b"\n") == 1
    assert decode(line) == dataclasses.replace(ROUTER, reason="two\nlines")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"[]",
        b"7",
        b'{"type":"Fly"}',
        b'{"serial":1}',
        b'{"type":"Configure"}',
        b'{"type":"Configure","serial":"x","configuration":{}}',
        b'{"type":"HealthChanged","name":"elk","health":7}',
        b'{"type":"HealthChanged","name":"elk","health":{"lower_by":-1,"faults":[],"waiting":[]}}',
        b'{"type":"RouterGone"}',
        b'{"type":"RouterGone","name":"elk","family":"IPv4","color":"red"}',
    ],
)
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ConfigurationError):
        decode(line)


def test_a_broken_configuration_inside_names_its_field() -> None:
    body = json.loads(encode(MESSAGES[0]))
    body["configuration"]["routers"][0]["virtual_router_id"] = "x"
    with pytest.raises(ConfigurationError, match=r"routers\[0\]\.virtual_router_id"):
        decode(json.dumps(body).encode())


@given(st.binary(max_size=200))
def test_garbage_is_refused(line: bytes) -> None:
    with pytest.raises(ConfigurationError):
        decode(line)
