"""Floating addresses in the kernel: host prefixes that vanish by themselves when nobody renews them."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Mapping, Sequence

from floatip_agent.linux import netlink
from floatip_agent.linux.interfaces import (
    IFA_ADDRESS,
    IFA_CACHEINFO,
    IFA_FLAGS,
    IFA_LOCAL,
    IFA_PROTO,
    LIFETIME,
    PROTOCOL_OURS,
    all_addresses,
)
from floatip_agent.ports import Interface

_IFA_F_NODAD = 0x02
_BATCH = 200
"""Messages in one datagram: their acknowledgements fit the receive buffer."""


class KernelAddresses:
    """Implements `ports.AddressTable`."""

    def __init__(self, requests: netlink.Requests) -> None:
        self._requests = requests

    def assign(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        for error in self.renew(interface, addresses).values():
            raise error

    def renew(self, interface: Interface, addresses: Sequence[bytes]) -> Mapping[bytes, OSError]:
        """As `assign`, but waits for the kernel and returns what each address failed with."""
        foreign = {known.address for known in interface.addresses if not known.is_ours}
        wanted = [address for address in addresses if address not in foreign]
        flags = netlink.NLM_F_CREATE | netlink.NLM_F_REPLACE
        return self._execute(netlink.RTM_NEWADDR, flags, interface.index, wanted, ignore=())

    def release(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        foreign = {known.address for known in interface.addresses if not known.is_ours}
        unwanted = [address for address in addresses if address not in foreign]
        gone = (errno.EADDRNOTAVAIL, errno.ENODEV)
        for error in self._execute(netlink.RTM_DELADDR, 0, interface.index, unwanted, ignore=gone).values():
            raise error

    def _execute(
        self, kind: int, flags: int, index: int, addresses: Sequence[bytes], ignore: tuple[int, ...]
    ) -> dict[bytes, OSError]:
        failures = {}
        for start in range(0, len(addresses), _BATCH):
            batch = addresses[start : start + _BATCH]
            results = self._requests.execute([netlink.Message(kind, _body(index, address), flags) for address in batch])
            for address, number in zip(batch, results, strict=True):
                if number and number not in ignore:
                    text = socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
                    failures[address] = OSError(number, f"{text}: {os.strerror(number)}")
        return failures


def sweep(requests: netlink.Requests) -> int:
    """Take out every address of ours: nobody stands behind them. Returns how many there were."""
    ours = [(index, known.address) for index, known in all_addresses(requests) if known.is_ours]
    messages = [netlink.Message(netlink.RTM_DELADDR, _body(index, address)) for index, address in ours]
    for start in range(0, len(messages), _BATCH):
        requests.execute(messages[start : start + _BATCH])
    return len(ours)


def _body(index: int, address: bytes) -> bytes:
    """ifaddrmsg and attributes. IPv6 deprecated, so that it is not picked as a source, and without duplicate detection."""
    is_ipv4 = len(address) == 4
    family = socket.AF_INET if is_ipv4 else socket.AF_INET6
    preferred = LIFETIME if is_ipv4 else 0
    head = struct.pack("=BBBBI", family, len(address) * 8, 0, 0, index)
    parts = [
        netlink.attribute(IFA_LOCAL, address),
        netlink.attribute(IFA_ADDRESS, address),
        netlink.attribute(IFA_CACHEINFO, struct.pack("=IIII", preferred, LIFETIME, 0, 0)),
        netlink.attribute(IFA_PROTO, bytes((PROTOCOL_OURS,))),
    ]
    if not is_ipv4:
        parts.append(netlink.attribute(IFA_FLAGS, struct.pack("=I", _IFA_F_NODAD)))
    return head + b"".join(parts)
