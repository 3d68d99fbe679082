"""`PYTHONPATH=tests python -m benchmarks.wire` (root): sending, receiving and assigning between two network namespaces.

Sending includes the whole way through bridge and veth to the receiver's socket: the kernel delivers within the call.
"""

from __future__ import annotations

import socket

from floatip_agent.linux.addresses import KernelAddresses
from floatip_agent.linux.interfaces import KernelInterfaces
from floatip_agent.linux.netlink import Requests
from floatip_agent.linux.sockets import IPv4Socket
from floatip_agent.vrrp.packet import MULTICAST_IPV4, Wire, decode, encode
from lab.network import Host, Lan
from pyroute2 import IPRoute
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.layers.vrrp import VRRPv3

from benchmarks import timing

SECOND = 1_000_000_000
OWN, VIP = socket.inet_aton("10.9.0.1"), socket.inet_aton("10.9.0.100")
WIRE = Wire(3, 51, SECOND, (VIP,))
MESSAGE = encode(WIRE, 100, OWN, MULTICAST_IPV4)
BATCH = 200


def main() -> None:
    timing.header()
    with Lan() as lan:
        one, other = lan.host("n1", "10.9.0.1/24"), lan.host("n2", "10.9.0.2/24")
        _packets(one, other)
        _addresses(one)


def _packets(one: Host, other: Host) -> None:
    sending, receiving = _opened(one), _opened(other)
    with one.entered():
        plain = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    plain.bind(("eth0", 0))
    frame = Ether(dst="01:00:5e:00:00:12") / IP(src="10.9.0.1", dst="224.0.0.18", ttl=255) / VRRPv3(vrid=7)
    timing.measure("send an advertisement", lambda: sending.send(MESSAGE, OWN, MULTICAST_IPV4), calls=BATCH)
    timing.measure("send an advertisement, built by scapy", lambda: plain.send(bytes(frame)), calls=BATCH // 4)
    receiving.listen_to([51])

    def there_and_back() -> None:
        sending.send(MESSAGE, OWN, MULTICAST_IPV4)
        received = receiving.receive()
        assert received is not None
        decode(WIRE, received.message, received.source, received.destination, received.ttl)

    timing.measure("send, receive, check and decode", there_and_back, calls=BATCH)
    plain.close()


def _opened(host: Host) -> IPv4Socket:
    with host.entered():
        requests = Requests()
        interfaces = KernelInterfaces(requests)
        opened = IPv4Socket(interfaces.by_name["eth0"])
    interfaces.close()
    requests.close()
    return opened


def _addresses(host: Host) -> None:
    with host.entered():
        requests = Requests()
        interfaces = KernelInterfaces(requests)
        route = IPRoute()
    eth0, table = interfaces.by_name["eth0"], KernelAddresses(requests)

    def assign_and_release() -> None:
        table.assign(eth0, [VIP])
        table.release(eth0, [VIP])

    def with_pyroute2() -> None:
        route.addr("replace", index=eth0.index, address="10.9.0.100", prefixlen=32)
        route.addr("delete", index=eth0.index, address="10.9.0.100", prefixlen=32)

    timing.measure("assign and release an address", assign_and_release, calls=BATCH // 4)
    timing.measure("assign and release an address, pyroute2", with_pyroute2, calls=BATCH // 4)
    route.close()


if __name__ == "__main__":
    main()
