"""Sync groups of several FloatingIPs: other interfaces, periods and versions, one fate.

Issue: "one Fault makes all Fault; nobody in the group becomes Active alone; all move in one pass".
"""

from __future__ import annotations

import dataclasses
import errno
import socket

from floatip_agent.configuration import Health, RouterConfiguration
from floatip_agent.ports import Interface, InterfaceAddress
from floatip_agent.vrrp import packet
from in_memory.bench import ETH0, SECOND, VIP, Bench

INSIDE = socket.inet_aton("10.8.0.100")
INSIDE_PEER = socket.inet_aton("10.8.0.2")
ETH1 = Interface(3, "eth1", True, bytes.fromhex("020000000002"), (InterfaceAddress(socket.inet_aton("10.8.0.1"), 24),))
OUTER = RouterConfiguration("outer", "IPv4", 51, ("10.9.0.100/32",), 100, version=2, group="edge")
INNER = RouterConfiguration(
    "inner", "IPv4", 52, ("10.8.0.100/32",), 100, advertisement_interval=SECOND // 10, group="edge"
)
OUTER_WIRE = packet.Wire(2, 51, SECOND, (VIP,))
INNER_WIRE = packet.Wire(3, 52, SECOND // 10, (INSIDE,))


def bench(*routers: RouterConfiguration) -> Bench:
    """Two interfaces, in Backup."""
    made = Bench(ETH0, ETH1)
    made.apply(*(routers or (OUTER, INNER)))
    return made


def active(*routers: RouterConfiguration) -> Bench:
    made = bench(*routers)
    made.run(3.7)
    assert states(made) == ("Active", "Active")
    made.engine.interfaces_changed(made.now)
    made.node.take()
    return made


def states(made: Bench) -> tuple[str, str]:
    return made.state("outer").state, made.state("inner").state


def held(made: Bench) -> set[bytes]:
    return made.node.held("eth0") | made.node.held("eth1")


def test_both_become_active_in_one_pass_when_the_slower_is_due() -> None:
    made = bench()
    made.run(3.5)
    assert states(made) == ("Backup", "Backup"), "the faster waits"
    made.node.take()
    made.run(0.2)
    assert states(made) == ("Active", "Active")
    assert [step[:2] for step in made.node.take()][:2] == [("assign", "eth1"), ("assign", "eth0")]


def test_a_link_that_goes_down_takes_all_of_them_along() -> None:
    made = active()
    made.node.change("eth1", lambda link: dataclasses.replace(link, is_up=False))
    made.engine.interfaces_changed(made.now)
    assert states(made) == ("Fault", "Fault")
    assert made.state("outer").reason == "sync group: inner/IPv4: interface eth1 is down"
    assert held(made) == set()
    assert made.priorities() == [0, 0]


def test_and_all_come_back_when_it_is_up_again() -> None:
    made = active()
    made.node.change("eth1", lambda link: dataclasses.replace(link, is_up=False))
    made.engine.interfaces_changed(made.now)
    made.node.change("eth1", lambda link: dataclasses.replace(link, is_up=True))
    made.engine.interfaces_changed(made.now)
    assert states(made) == ("Backup", "Backup")
    made.run(3.7)
    assert states(made) == ("Active", "Active")


def test_a_better_router_heard_by_one_moves_both() -> None:
    made = active()
    made.hear(150, source=INSIDE_PEER, wire=INNER_WIRE, index=3)
    assert states(made) == ("Backup", "Backup")
    assert held(made) == set()


def test_one_whose_peer_lives_keeps_the_others_from_becoming_active_alone() -> None:
    made = bench()
    for _ in range(10):
        made.run(1)
        made.hear(150, wire=OUTER_WIRE)
    assert states(made) == ("Backup", "Backup"), "inner has heard nobody for 10 s"


def test_a_failing_probe_of_one_lowers_the_priority_of_all() -> None:
    """A node that is worse for one of them must be worse for all: otherwise each of two nodes would win one, and keep none."""
    made = active()
    made.engine.set_health("inner", Health(lower_by=30), made.now)
    assert (made.state("outer").effective_priority, made.state("inner").effective_priority) == (70, 70)
    made.run(1.1)
    assert set(made.priorities()) == {70}
    made.engine.set_health("inner", Health(), made.now)
    assert (made.state("outer").effective_priority, made.state("inner").effective_priority) == (100, 100)


def test_an_address_that_cannot_be_assigned_keeps_all_out_and_none_is_advertised() -> None:
    made = bench()
    made.node.refuse[VIP] = errno.EACCES
    made.run(3.7)
    assert states(made) == ("Fault", "Fault")
    assert "outer/IPv4: cannot assign" in made.state("inner").reason
    assert set(made.priorities()) <= {0}
    assert held(made) == set()


def test_joining_and_leaving_a_group_keeps_the_role() -> None:
    made = active(dataclasses.replace(OUTER, group=""), dataclasses.replace(INNER, group=""))
    made.apply(OUTER, INNER)
    made.run(0.5)
    made.apply(dataclasses.replace(OUTER, group=""), dataclasses.replace(INNER, group="other"))
    assert states(made) == ("Active", "Active")
    assert [step for step in made.node.take() if step[0] == "release"] == []
    assert set(made.engine.groups) == {"floating IP outer", "group other"}


def test_one_that_joins_gathers_with_the_leader() -> None:
    """inner leads (its name comes first) and is Active elsewhere: outer goes there too."""
    made = bench(dataclasses.replace(OUTER, group=""))
    made.run(3.7)
    assert made.state("outer").state == "Active"
    made.apply(OUTER, INNER)
    made.hear(150, source=INSIDE_PEER, wire=INNER_WIRE, index=3)
    made.run(0.01)
    made.hear(150, source=INSIDE_PEER, wire=INNER_WIRE, index=3)
    assert states(made) == ("Backup", "Backup")
    assert made.priorities()[-1] == 0


def test_the_leader_is_the_same_on_every_node_whatever_their_history() -> None:
    """Equal priorities are decided once for the group: by the member whose name comes first, not by who was there first."""
    made = active(OUTER, INNER)
    greater = socket.inet_aton("10.9.0.250")
    made.hear(100, source=greater, wire=OUTER_WIRE)
    assert states(made) == ("Active", "Active")
    made.hear(100, source=INSIDE_PEER, wire=INNER_WIRE, index=3)
    assert states(made) == ("Backup", "Backup"), f"{socket.inet_ntoa(INSIDE_PEER)} is greater"


def test_one_that_was_let_go_holds_nobody_up() -> None:
    """A released member is none any more, whatever is wrong with it."""
    made = active()
    made.node.change("eth1", lambda link: dataclasses.replace(link, is_up=False))
    made.apply(OUTER, dataclasses.replace(INNER, release="r1"))
    made.engine.interfaces_changed(made.now)
    made.run(3.7)
    assert made.state("outer").state == "Active"
    assert made.state("inner").released == "r1"


def test_a_member_without_a_first_probe_result_keeps_the_others_waiting_but_stops_none() -> None:
    """api.md: FirstResult is "Initialize and silent until there is one"."""
    made = active(dataclasses.replace(OUTER, group=""), dataclasses.replace(INNER, group="other"))
    waiting = {"inner": Health(waiting=("web",))}
    made.apply(OUTER, INNER, health=waiting)
    assert made.state("outer").state == "Active"
    fresh = Bench(ETH0, ETH1)
    fresh.apply(OUTER, INNER, health=waiting)
    fresh.run(5)
    assert states(fresh) == ("Initialize", "Initialize")
    fresh.engine.set_health("inner", Health(), fresh.now)
    assert states(fresh) == ("Backup", "Backup")
