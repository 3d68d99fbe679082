"""The agent beside Debian's keepalived on one LAN: either takes over from the other, in the time the RFCs give.

RFC 9568, 6.1: Active_Down_Interval = (3 * Active_Adver_Interval) + Skew_time, Skew_time = (((256 - Priority) *
Active_Adver_Interval) / 256); version 2 (RFC 3768, 6.1): Skew_Time = ((256 - Priority) / 256) seconds. The guide's
files in `guide/` are those of a keepalived tutorial for two ELK nodes, comments included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lab import debian, keepalived
from lab.agents import Agent, StaticAgent
from lab.keepalived import Keepalived
from lab.network import Host, Lan
from lab.waiting import throughout, until

pytestmark = pytest.mark.peers

GUIDE = Path(__file__).parent / "guide"
MARGIN = 0.4
"""Seconds for processes to start to act, and to be looked at, on a busy machine."""
STARTUP = 5
"""Seconds for guard, engine and keeper to start from nothing."""
LIFETIME = 3.6
"""Seconds after which a kernel has dropped the addresses of a dead agent: 3 s of lifetime, and its own lag (0 to 0.5 s)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """One way to speak VRRP, in both programs' words. `period` in seconds."""

    name: str
    address: str
    keepalived: str
    router: Mapping[str, Any]
    higher: int = 100
    lower: int = 99
    period: float = 1.0
    password: str | None = None

    def keepalived_configuration(self, priority: int) -> str:
        return self.keepalived.replace("@PRIORITY@", str(priority))

    def skew(self, priority: int) -> float:
        return (256 - priority) / 256 * self.period

    def down_interval(self, priority: int) -> float:
        return 3 * self.period + self.skew(priority)


class GuideVariant(Variant):
    """The tutorial's two files as they stand."""

    def keepalived_configuration(self, priority: int) -> str:
        return (GUIDE / {100: "master.conf", 99: "backup.conf"}[priority]).read_text()


def _instance(version: int, period: float, address: str, more: str = "") -> str:
    return f"""
global_defs {{
    vrrp_version {version}
}}
vrrp_instance VI_1 {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority @PRIORITY@
    advert_int {period}
    {more}
    virtual_ipaddress {{
        {address}
    }}
}}
"""


def _router(family: str, address: str, vrrp: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": "elk",
        "family": family,
        "virtualRouterID": 51,
        "addresses": [address],
        "interface": "eth0",
        "vrrp": vrrp,
    }


VERSION_2 = {"version": 2, "advertisementPeriodMilliseconds": 1000}
UNICAST = "unicast_src_ip 172.16.69.92\n    unicast_peer {\n        172.16.69.91\n    }"
VERSION_3 = {"version": 3, "advertisementPeriodMilliseconds": 100}
PASSWORD = {"type": "Password", "secretRef": {"name": "elk-vrrp", "key": "password"}}
IPV4 = "172.16.69.94"
IPV6 = "2001:db8::94"
DERIVED_LINK_LOCAL = "fe80::200:5eff:fe00:233"

VARIANTS = [
    GuideVariant(
        "guide",
        IPV4,
        keepalived="",
        router=_router("IPv4", f"{IPV4}/24", VERSION_2 | {"authentication": PASSWORD}),
        password="tan124",
    ),
    Variant("v2", IPV4, _instance(2, 1, IPV4), _router("IPv4", f"{IPV4}/24", VERSION_2)),
    Variant(
        "v3",
        IPV4,
        _instance(3, 0.1, f"{IPV4}/24"),
        _router("IPv4", f"{IPV4}/24", VERSION_3),
        higher=200,
        lower=100,
        period=0.1,
    ),
    Variant(
        "v3-unicast",
        IPV4,
        _instance(3, 0.1, f"{IPV4}/24", UNICAST),
        _router("IPv4", f"{IPV4}/24", VERSION_3 | {"transport": "Unicast"}) | {"peers": ["172.16.69.92"]},
        higher=200,
        lower=100,
        period=0.1,
    ),
    Variant(
        "v3-ipv6",
        IPV6,
        _instance(3, 0.1, f"{DERIVED_LINK_LOCAL}/64\n        {IPV6}/64"),
        _router("IPv6", f"{IPV6}/64", VERSION_3),
        higher=200,
        lower=100,
        period=0.1,
    ),
]


class Pair:
    """One host with the agent, one with keepalived; `holder` is whose kernel has the address."""

    def __init__(self, lan: Lan, variant: Variant) -> None:
        self.variant = variant
        self.agent_host = lan.host("agent", "172.16.69.91/24", "2001:db8::91/64")
        self.keepalived_host = lan.host("keepalived", "172.16.69.92/24", "2001:db8::92/64")

    def agent(self, priority: int) -> StaticAgent:
        agent = Agent.static(self.agent_host, {**self.variant.router, "priority": priority})
        if self.variant.password is not None:
            agent.write_secret("elk-vrrp", "password", self.variant.password)
        return agent

    def keepalived(self, priority: int) -> Keepalived:
        return Keepalived(self.keepalived_host, self.variant.keepalived_configuration(priority))

    def holders(self) -> list[Host]:
        hosts = self.agent_host, self.keepalived_host
        return [host for host in hosts if host.holds(self.variant.address)]

    def wait_for(self, holder: Host, seconds: float) -> None:
        until(lambda: holder in self.holders(), seconds, f"{holder} has {self.variant.address}")

    def assert_stays_with(self, holder: Host) -> None:
        """Alone, for longer than the longest down interval of the two."""
        window = self.variant.down_interval(self.variant.lower) + MARGIN
        throughout(lambda: self.holders() == [holder], window, f"{holder} alone has {self.variant.address}")


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def pair(request: pytest.FixtureRequest, lan: Lan) -> Pair:
    try:
        keepalived.command(keepalived.OLDER)
    except debian.DebianError as missing:
        pytest.skip(str(missing))
    return Pair(lan, request.param)


def test_agent_preempts_keepalived_and_hands_back(pair: Pair) -> None:
    """RFC 9568, 6.4.3: a Backup of higher priority discards the advertisements of the Active and takes over when its
    Active_Down_Timer fires; 6.4.3: on priority zero the Active_Down_Timer is set to Skew_Time."""
    variant = pair.variant
    keepalived, agent = pair.keepalived(variant.lower), pair.agent(variant.higher)
    keepalived.start()
    pair.wait_for(pair.keepalived_host, variant.down_interval(variant.lower) + variant.period + MARGIN)

    agent.start()
    pair.wait_for(pair.agent_host, variant.down_interval(variant.higher) + variant.period + STARTUP)
    until(lambda: pair.holders() == [pair.agent_host], MARGIN, "keepalived lets go when it hears the agent")
    pair.assert_stays_with(pair.agent_host)
    assert keepalived.state == "BACKUP"

    agent.process.terminate()
    pair.wait_for(pair.keepalived_host, variant.skew(variant.lower) + MARGIN)
    assert agent.stop() == 0
    pair.assert_stays_with(pair.keepalived_host)


def test_keepalived_preempts_agent_and_hands_back(pair: Pair) -> None:
    """The same the other way round: the agent is the Backup of lower priority."""
    variant = pair.variant
    agent, keepalived = pair.agent(variant.lower), pair.keepalived(variant.higher)
    agent.start()
    pair.wait_for(pair.agent_host, variant.down_interval(variant.lower) + variant.period + STARTUP)

    keepalived.start()
    pair.wait_for(pair.keepalived_host, variant.down_interval(variant.higher) + variant.period + MARGIN)
    until(lambda: pair.holders() == [pair.keepalived_host], MARGIN, "the agent lets go when it hears keepalived")
    pair.assert_stays_with(pair.keepalived_host)
    assert agent.states() == {f"elk/{variant.router['family']}": "Backup"}

    keepalived.stop()
    pair.wait_for(pair.agent_host, variant.skew(variant.lower) + MARGIN)
    pair.assert_stays_with(pair.agent_host)


def test_keepalived_takes_over_from_a_killed_agent(pair: Pair) -> None:
    """SIGKILL to guard, engine and keeper at once: keepalived has the address within its Master_Down_Interval, and the
    agent's kernel drops it when its lifetime ends."""
    variant = pair.variant
    agent, keepalived = pair.agent(variant.higher), pair.keepalived(variant.lower)
    agent.start()
    pair.wait_for(pair.agent_host, variant.down_interval(variant.higher) + STARTUP)
    keepalived.start()
    until(lambda: keepalived.state == "BACKUP", 5, "keepalived is a backup")

    agent.kill()
    assert pair.agent_host.holds(variant.address)
    pair.wait_for(pair.keepalived_host, variant.down_interval(variant.lower) + MARGIN)
    until(lambda: pair.holders() == [pair.keepalived_host], LIFETIME, "the dead agent's kernel drops the address")


def test_agent_takes_over_from_a_killed_keepalived(pair: Pair) -> None:
    """SIGKILL to keepalived: the agent has the address within its Active_Down_Interval (keepalived's kernel keeps it)."""
    variant = pair.variant
    keepalived, agent = pair.keepalived(variant.higher), pair.agent(variant.lower)
    keepalived.start()
    pair.wait_for(pair.keepalived_host, variant.down_interval(variant.higher) + variant.period + MARGIN)
    agent.start()
    agent.wait_for("Backup", 10)

    keepalived.kill()
    pair.wait_for(pair.agent_host, variant.down_interval(variant.lower) + MARGIN)
