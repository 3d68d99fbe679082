"""The file and wire format of what an engine runs: nothing is lost on the way, and a broken document names its field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from floatip_agent.configuration import Configuration, Health, RouterConfiguration
from floatip_agent.reading import ConfigurationError
from hypothesis import given
from hypothesis import strategies as st

FULL = Configuration(
    routers=(
        RouterConfiguration(
            name="elk",
            family="IPv4",
            virtual_router_id=51,
            addresses=("172.16.69.94/32",),
            priority=100,
            version=2,
            interface="eth0",
            source_address="172.16.69.91",
            ipv4_checksum="MessageOnly",
            password="tan124",
            preempt=False,
            group="both",
            release="request-1",
        ),
        RouterConfiguration("elk", "IPv6", 51, ("fe80::100/128", "fd09::100/128"), 254, preempt_delay=5_000_000_000),
    ),
    health={"elk": Health(20, ("port 9200 refuses",), ("elasticsearch",))},
    generation=7,
    uid="4f1c",
)


def document(**router: Any) -> dict[str, Any]:
    """A good document whose first router has these fields changed; None takes one out."""
    whole: dict[str, Any] = json.loads(FULL.dumps())
    first = whole["routers"][0] | router
    whole["routers"][0] = {name: value for name, value in first.items() if value is not None or name not in router}
    return whole


def test_what_is_written_is_read_again() -> None:
    assert Configuration.loads(FULL.dumps()) == FULL


@given(
    st.lists(
        st.builds(
            RouterConfiguration,
            name=st.text(min_size=1),
            family=st.just("IPv4"),
            virtual_router_id=st.integers(1, 255),
            addresses=st.lists(st.ip_addresses(v=4).map(lambda a: f"{a}/32"), min_size=1).map(tuple),
            priority=st.integers(1, 255),
            advertisement_interval=st.integers(1, 4095).map(lambda cs: cs * 10_000_000),
            link_down_delay=st.integers(0, 10**12),
            link_up_delay=st.integers(0, 10**12),
            preempt=st.booleans(),
            preempt_delay=st.integers(0, 10**12),
            group=st.text(),
            release=st.none() | st.text(),
        ),
        max_size=5,
        unique_by=lambda router: router.name,
    ),
    st.dictionaries(st.text(), st.builds(Health, st.integers(0, 253), st.lists(st.text()).map(tuple))),
)
def test_any_configuration_survives(routers: list[RouterConfiguration], health: dict[str, Health]) -> None:
    configuration = Configuration(tuple(routers), health)
    assert Configuration.loads(configuration.dumps()) == configuration


def test_an_empty_configuration_is_one() -> None:
    assert Configuration.loads(Configuration().dumps()) == Configuration()


BROKEN_ROUTERS = [
    ("virtual_router_id", "51", "an integer"),
    ("virtual_router_id", True, "an integer"),
    ("virtual_router_id", 0, "1 to 255"),
    ("virtual_router_id", 256, "1 to 255"),
    ("priority", None, "priority"),
    ("priority", 0, "1 to 255"),
    ("priority", 256, "1 to 255"),
    ("version", 4, "2 or 3"),
    ("version", 2.0, "2 or 3"),
    ("addresses", [], "at least one"),
    ("addresses", "172.16.69.94", "a list"),
    ("addresses", ["banana"], "banana"),
    ("addresses", ["172.16.69.300/32"], "172.16.69.300"),
    ("addresses", ["fd09::1/128"], "fd09::1"),
    ("addresses", ["172.16.69.94/32", 7], "7"),
    ("advertisement_interval", 0, "whole seconds"),
    ("advertisement_interval", 1_500_000_000, "whole seconds"),
    ("advertisement_interval", 256_000_000_000, "whole seconds"),
    ("advertisement_interval", 1.5, "an integer"),
    ("preempt_delay", -1, "not negative"),
    ("link_down_delay", -1, "not negative"),
    ("link_up_delay", 0.5, "an integer"),
    ("preempt_delay", "5s", "an integer"),
    ("preempt", "false", "true or false"),
    ("interface", 7, "a string"),
    ("source_address", "fd09::1", "fd09::1"),
    ("source_address", "x", "x"),
    ("password", 124, "a string"),
    ("ipv4_checksum", "Auto", "PseudoHeader"),
    ("link_local", "Sometimes", "Derived"),
    ("group", 7, "a string"),
    ("release", 7, "a string"),
    ("family", "IPv5", "IPv4 or IPv6"),
    ("name", "", "name"),
    ("color", "red", "unknown field"),
]


@pytest.mark.parametrize(("field", "value", "what"), BROKEN_ROUTERS)
def test_a_broken_field_of_a_router_is_named(field: str, value: object, what: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Configuration.from_json(document(**{field: value}))
    assert "routers[0]" in str(raised.value)
    assert field in str(raised.value)
    assert what in str(raised.value)


def test_version_3_takes_centiseconds() -> None:
    for interval in (10_000_000, 40_950_000_000):
        Configuration.from_json(document(version=3, password=None, advertisement_interval=interval))
    for interval in (0, 15_000_000, 40_960_000_000):
        with pytest.raises(ConfigurationError, match=r"routers\[0\]\.advertisement_interval"):
            Configuration.from_json(document(version=3, password=None, advertisement_interval=interval))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "configuration: an object"),
        (b"null", "configuration: an object"),
        (b"{}", "format"),
        (b'{"format":2}', "format: 2"),
        (b'{"format":1,"health":{},"generation":0}', "routers: a list"),
        (b'{"format":1,"routers":[7],"health":{},"generation":0}', r"routers\[0\]: an object"),
        (b'{"format":1,"routers":[],"generation":0}', "health: an object"),
        (b'{"format":1,"routers":[],"health":{"elk":[]},"generation":0}', r"health\[elk\]: an object"),
        (b'{"format":1,"routers":[],"health":{"elk":{"lower_by":"1"}},"generation":0}', r"health\[elk\].lower_by"),
        (b'{"format":1,"routers":[],"health":{"elk":{"lower_by":-1}},"generation":0}', r"health\[elk\].lower_by"),
        (b'{"format":1,"routers":[],"health":{"elk":{"faults":"x"}},"generation":0}', r"health\[elk\].faults"),
        (b'{"format":1,"routers":[],"health":{}}', "generation"),
    ],
)
def test_a_broken_document_says_what_is_wrong(text: bytes, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        Configuration.loads(text)


def test_two_routers_of_one_key_are_refused() -> None:
    whole = document()
    whole["routers"].append(whole["routers"][0])
    with pytest.raises(ConfigurationError, match=r"routers\[2\].*elk/IPv4"):
        Configuration.from_json(whole)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    for whole in (value, {**document(), "routers": value}, {**document(), "health": value}, document(addresses=value)):
        try:
            Configuration.from_json(whole)
        except ConfigurationError:
            continue
