"""The reported interfaces. api.md: "at most 64, sorted; no veth, kube-ipvs0, CNI or container bridges, no addresses of ours"."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from floatip_agent.keeper.interfaces import Address, InterfaceWatch, Link, report
from floatip_agent.keeper.picture import Picture, ReportedInterface
from lab.network import Host, Lan
from pyroute2 import AsyncIPRoute

Eventually = Callable[[Callable[[], object]], Awaitable[None]]

UP = 0x1 | 0x40
NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("link", "prefix_length", "is_reported"),
    [
        (Link(2, "eth0", UP), 24, True),
        (Link(2, "bond0", UP, "bond"), None, True),
        (Link(2, "br0", UP, "bridge"), 24, True),
        (Link(2, "eth0.100", UP, "vlan"), None, True),
        (Link(2, "enp3s0", UP), None, True),
        # the node's own link where the node is a container
        (Link(2, "eth0", UP, "veth"), 24, True),
        # the host's end of a pod's, with the gateway's address at most
        (Link(2, "vethab12", UP, "veth"), None, False),
        (Link(2, "vethab12", UP, "veth"), 32, False),
        (Link(1, "lo", UP), 8, False),
        (Link(2, "kube-ipvs0", UP, "dummy"), 32, False),
        (Link(2, "vr4-51-2", UP, "macvlan"), 24, False),
        (Link(2, "cni0", UP, "bridge"), 24, False),
        (Link(2, "docker0", UP, "bridge"), 16, False),
        (Link(2, "br-0123456789ab", UP, "bridge"), 16, False),
        (Link(2, "flannel.1", UP, "vxlan"), 32, False),
        (Link(2, "cilium_host", UP, "veth"), 24, False),
        (Link(2, "vxlan.calico", UP, "vxlan"), 32, False),
        (Link(2, "tunl0", UP, "ipip"), 32, False),
        (Link(2, "logical0", UP), 24, True),
        (Link(2, "dockyard", UP), 24, True),
    ],
)
def test_only_interfaces_of_the_node_are_reported(link: Link, prefix_length: int | None, is_reported: bool) -> None:
    addresses = [] if prefix_length is None else [Address(link.index, "10.9.0.1", prefix_length)]
    assert bool(report([link], addresses, NOTHING, NOTHING)) == is_reported
    assert report([link], addresses, NOTHING, frozenset({link.name}))


@pytest.mark.parametrize(
    ("address", "is_reported"),
    [
        (Address(2, "10.9.0.1", 24), True),
        (Address(2, "10.9.0.1", 32), True),
        (Address(2, "2001:db8::1", 64), True),
        (Address(2, "10.9.0.1", 24, valid_for=3600), True),
        (Address(2, "10.9.0.94", 32, protocol=112), False),
        (Address(2, "10.9.0.94", 32, valid_for=3), False),
        (Address(2, "10.9.0.200", 32), False),
        # somebody gave the node a floating address: it is the node's, and the operator has to know
        (Address(2, "10.9.0.200", 24), True),
        (Address(2, "fe80::1", 64), False),
        (Address(2, "2001:db8::5", 64, flags=0x40), False),
        (Address(2, "2001:db8::6", 64, flags=0x01), False),
        # the same bit of an IPv4 address says "secondary"
        (Address(2, "10.9.0.2", 24, flags=0x01), True),
    ],
)
def test_only_addresses_of_the_node_are_reported(address: Address, is_reported: bool) -> None:
    found = report([Link(2, "eth0", UP)], [address], frozenset({"10.9.0.200"}), NOTHING)
    assert found == (
        ReportedInterface("eth0", True, (f"{address.address}/{address.prefix_length}",) if is_reported else ()),
    )


def test_sorted_and_at_most_64_with_those_in_use_among_them() -> None:
    links = [Link(index, f"eth{index:03}", UP) for index in range(200, 0, -1)]
    found = report(links, [Address(150, "10.9.0.1", 24)], NOTHING, frozenset({"eth199"}))
    names = [interface.name for interface in found]
    assert names == sorted(names)
    assert len(names) == 64
    assert {"eth150", "eth199", "eth001"} <= set(names)


@contextlib.asynccontextmanager
async def _watching(picture: Picture) -> AsyncIterator[None]:
    watch = InterfaceWatch(picture, lambda: NOTHING, lambda: NOTHING)
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_kernels_changes_arrive(lan: Lan, eventually: Eventually) -> None:
    host = lan.host("node", "10.9.0.1/24", "2001:db8::1/64")
    picture = Picture()
    with host.entered():
        async with _watching(picture):
            await eventually(lambda: picture.interfaces != ())
            assert picture.interfaces == (ReportedInterface("eth0", True, ("10.9.0.1/24", "2001:db8::1/64")),)
            host.unplug()
            await eventually(lambda: not picture.interfaces[0].is_up)
            host.plug()
            host.add_address("10.8.0.1/24")
            await eventually(lambda: "10.8.0.1/24" in picture.interfaces[0].addresses and picture.interfaces[0].is_up)


async def test_the_engines_addresses_are_neither_reported_nor_a_reason_to_look(
    lan: Lan, eventually: Eventually
) -> None:
    host = lan.host("node", "10.9.0.1/24")
    picture = Picture()
    with host.entered():
        async with _watching(picture):
            await eventually(lambda: picture.interfaces != ())
            changed = picture.watch()
            changed.clear()
            await _assign(host)
            await asyncio.sleep(0.5)
            assert host.holds("10.9.0.94")
            assert picture.interfaces[0].addresses == ("10.9.0.1/24",)
            assert not changed.is_set()


async def _assign(host: Host) -> None:
    async with AsyncIPRoute() as requests:
        index = (await requests.link_lookup(ifname="eth0"))[0]
        await requests.addr(
            "add", index=index, address="10.9.0.94", prefixlen=32, proto=112, valid_lft=30, preferred_lft=0
        )


async def test_a_burst_that_overflows_the_socket_loses_nothing(
    lan: Lan, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    host = lan.host("node", "10.9.0.1/24")
    picture = Picture()
    with host.entered():
        async with _watching(picture):
            await eventually(lambda: picture.interfaces != ())
            # The loop stands still while far more notifications come than the socket's buffer holds.
            commands = "\n".join(
                f"address {verb} 10.7.{index // 250}.{index % 250 + 1}/24 dev eth0"
                for index in range(1500)
                for verb in ("add", "del")
            )
            host.run(["ip", "-batch", "-"], stdin=commands)
            host.add_address("10.6.0.1/24")
            await eventually(lambda: "10.6.0.1/24" in picture.interfaces[0].addresses)
    assert "asking the kernel anew" in caplog.text
