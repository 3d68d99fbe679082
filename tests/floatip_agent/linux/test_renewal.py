"""Renewals happen beside the caller, only on request, and never bring back what was released."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest
from floatip_agent.linux.background import Background
from floatip_agent.linux.renewal import BackgroundRenewal
from floatip_agent.ports import Interface, InterfaceAddress
from lab.waiting import until

VIP = bytes((10, 9, 0, 100))
EMPTY = Interface(2, "eth0", True, b"")
HOLDING = Interface(2, "eth0", True, b"", (InterfaceAddress(VIP, 32, is_ours=True),))


class SlowTable:
    """A kernel whose lock is taken until `gate` opens."""

    def __init__(self) -> None:
        self.done: list[tuple[str, bytes, str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: OSError | None = None

    def assign(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        self.gate.wait()
        if self.error is not None:
            raise self.error
        self.done += [("assign", address, threading.current_thread().name) for address in addresses]

    def renew(self, interface: Interface, addresses: Sequence[bytes]) -> Mapping[bytes, OSError]:
        self.gate.wait()
        if self.error is not None:
            return dict.fromkeys(addresses, self.error)
        self.done += [("renew", address, threading.current_thread().name) for address in addresses]
        return {}

    def release(self, interface: Interface, addresses: Sequence[bytes]) -> None:
        self.gate.wait()
        self.done += [("release", address, threading.current_thread().name) for address in addresses]


@pytest.fixture
def table() -> Iterator[SlowTable]:
    made = SlowTable()
    yield made
    made.gate.set()


@pytest.fixture
def renewal(table: SlowTable, monkeypatch: pytest.MonkeyPatch) -> BackgroundRenewal:
    monkeypatch.setattr("floatip_agent.linux.realtime.claim_scheduling", lambda: "Normal")
    background = Background()
    made = BackgroundRenewal(table, background)
    background.start()
    made.assign(EMPTY, [VIP])
    return made


def test_an_assignment_is_done_by_the_caller(table: SlowTable, renewal: BackgroundRenewal) -> None:
    assert table.done == [("assign", VIP, threading.current_thread().name)]


def test_a_renewal_does_not_wait_for_the_kernel(table: SlowTable, renewal: BackgroundRenewal) -> None:
    table.gate.clear()
    renewal.renew(HOLDING, [VIP])  # would hang here for ever
    table.gate.set()
    until(lambda: table.done[1:] == [("renew", VIP, "background")], 5, "the thread renewed it")


def test_nothing_is_renewed_unasked(table: SlowTable, renewal: BackgroundRenewal) -> None:
    """An engine that hangs asks no more: its addresses must end."""
    time.sleep(0.2)
    assert len(table.done) == 1


def test_a_release_ends_what_was_asked_before(table: SlowTable, renewal: BackgroundRenewal) -> None:
    table.gate.clear()
    for _ in range(20):
        renewal.renew(HOLDING, [VIP])
    releasing = threading.Thread(target=renewal.release, args=(HOLDING, [VIP]))
    releasing.start()
    table.gate.set()
    releasing.join(5)
    time.sleep(0.2)
    assert table.done[-1][:2] == ("release", VIP)


def test_a_failed_renewal_is_told_by_the_next(table: SlowTable, renewal: BackgroundRenewal) -> None:
    table.error = OSError(19, "No such device")
    renewal.renew(HOLDING, [VIP])
    until(lambda: VIP in renewal.renew(HOLDING, [VIP]), 5, "the failure is told")


def test_a_failed_renewal_is_nobody_elses_and_ends_with_the_role(table: SlowTable, renewal: BackgroundRenewal) -> None:
    """Else a router would give up its role for an address that is not its own, or is held well since."""
    other = bytes((10, 9, 0, 101))
    renewal.assign(EMPTY, [other])
    table.error = OSError(19, "No such device")
    renewal.renew(HOLDING, [VIP])
    until(lambda: renewal._failures, 5, "the thread failed")
    table.error = None
    assert renewal.renew(HOLDING, [other]) == {}
    renewal.release(HOLDING, [VIP])
    renewal.assign(EMPTY, [VIP])
    assert renewal.renew(HOLDING, [VIP]) == {}
