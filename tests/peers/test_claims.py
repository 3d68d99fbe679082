"""A keepalived of the same virtual router announces the address when it takes over: it is no stranger that claims it. One that was killed
leaves the address in its kernel, which goes on answering for it."""

from __future__ import annotations

import pytest
from lab import debian, keepalived
from lab.agents import Agent, StaticAgent
from lab.keepalived import Keepalived
from lab.network import Lan
from lab.side_by_side import side_by_side
from lab.waiting import throughout, until

pytestmark = pytest.mark.peers

VIP = "10.9.0.100"
CONFIGURATION = f"""
global_defs {{
    vrrp_version 3
}}
vrrp_instance web {{
    state BACKUP
    interface eth0
    virtual_router_id 7
    priority 210
    advert_int 0.1
    garp_master_delay 1
    garp_master_refresh 1
    virtual_ipaddress {{
        {VIP}
    }}
}}
"""


def _reasons(agent: StaticAgent) -> set[str]:
    routers = (agent.status() or {}).get("virtualRouters", [])
    return {warning["reason"] for router in routers for warning in router.get("warnings", [])}


@side_by_side(keepalived.PACKAGES)
def test_a_keepalived_that_takes_over_is_no_stranger_and_one_that_was_killed_is_found(lan: Lan, version: str) -> None:
    try:
        keepalived.command(version)
    except debian.DebianError as missing:
        pytest.skip(str(missing))
    n1, n2 = lan.host("n1", "10.9.0.1/24"), lan.host("n2", "10.9.0.2/24")
    router = {"name": "web", "family": "IPv4", "virtualRouterID": 7, "addresses": [f"{VIP}/24"], "priority": 200}
    agent = Agent.static(n1, {**router, "vrrp": {"advertisementPeriodMilliseconds": 100}})
    agent.start()
    agent.wait_for("Active", 10)
    peer = Keepalived(n2, CONFIGURATION, version)
    for _ in range(2):
        peer.start()
        until(lambda: n2.holds(VIP) and not n1.holds(VIP), 10, "keepalived holds it")
        throughout(lambda: "AddressClaimed" not in _reasons(agent), 3, "it announces it each second")
        peer.stop()
        until(lambda: n1.holds(VIP), 5, "the agent holds it")
        throughout(lambda: "AddressClaimed" not in _reasons(agent), 3, "nobody is taken for a stranger")
    assert agent.states() == {"web/IPv4": "Active"}
    peer.start()
    until(lambda: n2.holds(VIP) and not n1.holds(VIP), 10, "keepalived holds it once more")
    peer.kill()
    until(lambda: n1.holds(VIP), 5, "the agent holds it")
    assert n2.holds(VIP), "what a killed keepalived leaves behind"
    until(lambda: "AddressClaimed" in _reasons(agent), 15, "is found, by asking")
