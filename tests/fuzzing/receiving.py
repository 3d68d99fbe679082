"""One input of the fuzzer: a packet for a router in some state, and what may come of it.

The bytes are a small program: which wire, which state, a valid packet to begin with, then changes to it, some of which
repair the checksum or the signature, so that the rule behind it is reached.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from floatip_agent.vrrp import packet
from floatip_agent.vrrp.authentication import HighWaterMarks, Keyring, trailer
from floatip_agent.vrrp.checksum import internet_checksum, pseudo_header
from floatip_agent.vrrp.group import Group
from floatip_agent.vrrp.packet import Advertisement, DropReason, Wire
from floatip_agent.vrrp.router import Parameters, State
from fuzzing.reading import GROUPS, Packet, read

SECOND = 1_000_000_000
NOW = 1_000 * SECOND
KEYS = ((1, bytes(range(32))), (7, bytes(range(100, 164))))
FOUR = (bytes((10, 0, 0, 100)), bytes((10, 0, 0, 101)))
SIX = (bytes.fromhex("fe80000000000000000000000000aaaa"), bytes.fromhex("20010db8000000000000000000000001"))
OWN = {4: bytes((10, 0, 0, 50)), 16: bytes.fromhex("fe800000000000000000000000000050")}
PEER = {4: bytes((10, 0, 0, 9)), 16: bytes.fromhex("fe800000000000000000000000000009")}


def _wires() -> Iterator[Wire]:
    for version, interval, addresses in ((2, SECOND, FOUR), (3, SECOND, FOUR), (3, SECOND // 100, SIX)):
        plain = Wire(version, 51, interval, addresses)
        yield plain
        yield dataclasses.replace(plain, peers=frozenset({PEER[plain.address_length]}))
        if version == 2:
            yield dataclasses.replace(plain, password=b"tan124\0\0")
            continue
        yield dataclasses.replace(plain, checksum_form="MessageOnly")
        yield dataclasses.replace(plain, keyring=Keyring(KEYS, 1, "Enforce"))
        yield dataclasses.replace(plain, keyring=Keyring(KEYS, 7, "Permissive"))
        yield dataclasses.replace(
            plain, keyring=Keyring(KEYS, 1, "ReceiveOnly"), peers=frozenset({PEER[plain.address_length]})
        )


class Receiver:
    """A sync group of two alike that hear on one wire: back in one of its states before each packet."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.source = PEER[wire.address_length]
        self.destination = OWN[wire.address_length] if wire.peers else GROUPS[wire.address_length == 16]
        self.group: Group[int] = Group()
        for key in (0, 1):
            parameters = Parameters(
                wire, 100, OWN[wire.address_length], preempt_delay=SECOND * key, breaks_ties=not key
            )
            self.group.add(key, parameters)
        self.states = list(self._walk())

    def _walk(self) -> Iterator[tuple[State, ...]]:
        """Initialize, Backup, Backup after a farewell, one of two that waits, Active, Active with a rival."""
        group, wire = self.group, self.wire
        yield self.state
        group.startup(NOW - 4 * SECOND)
        yield self.state
        group.receive(0, self._heard(0), NOW - 3 * SECOND)
        yield self.state
        group.handle_timeout(NOW - 2 * SECOND)
        yield self.state
        while not group.is_active:
            assert group.deadline is not None
            group.handle_timeout(group.deadline)
        yield self.state
        group.receive(1, self._heard(90), NOW)
        yield self.state
        assert wire is self.wire

    def _heard(self, priority: int) -> Advertisement:
        return Advertisement(self.wire.version, 51, priority, self.wire.interval, self.wire.addresses, self.source)

    @property
    def state(self) -> tuple[State, ...]:
        return tuple(member.state for member in self.group.members.values())

    @state.setter
    def state(self, states: tuple[State, ...]) -> None:
        for member, state in zip(self.group.members.values(), states, strict=True):
            member.state = state


class Program:
    """Takes the fuzzer's bytes one after the other; 0 when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._data)

    def take(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0


def _signed(receiver: Receiver, message: bytes, source: bytes, program: Program) -> bytes:
    """With a trailer whose tag is right, of any key, over the message as it is now."""
    if len(message) < 8 or receiver.wire.keyring is None:
        return message
    bare = message[: 8 + message[3] * receiver.wire.address_length]
    keyring = dataclasses.replace(receiver.wire.keyring, active_key_id=KEYS[program.take() % 2][0])
    return bare + trailer(keyring, bare, source, program.take() << program.take() % 56)


def _summed(message: bytes, source: bytes, destination: bytes, form: int) -> bytes:
    """With a right checksum in one of the forms, over all or over all but a trailer."""
    if len(message) < 8:
        return message
    form = form + 4 if len(source) == 16 and form % 3 == 0 else form
    bare, rest = (message[:-28], message[-28:]) if form & 1 else (message, b"")
    if len(bare) < 8:
        return message
    before = (b"", pseudo_header(source, destination, len(bare)), pseudo_header(source, GROUPS[0], len(bare)))[form % 3]
    zeroed = bare[:6] + b"\0\0" + bare[8:]
    return bare[:6] + internet_checksum(before + zeroed).to_bytes(2, "big") + bare[8:] + rest


def _repaired(sent: Packet, message: bytes) -> Packet:
    return dataclasses.replace(sent, message=_summed(message, sent.source, sent.destination, 0))


def _with_addresses(receiver: Receiver, message: bytes, count: int) -> bytes:
    """As many as it says it has."""
    size = receiver.wire.address_length
    rest = message[8 + size * message[3] :] if len(message) > 8 else b""
    return message[:3] + bytes((count,)) + message[4:8] + bytes(count * size) + rest


def _change(receiver: Receiver, sent: Packet, program: Program) -> Packet:
    message = sent.message
    place, value = program.take(), program.take()
    at = place % (len(message) or 1)
    changes: list[Callable[[], Packet]] = [
        lambda: dataclasses.replace(sent, message=message[:at] + bytes((value,)) + message[at + 1 :]),
        lambda: dataclasses.replace(sent, message=message[:at] + bytes((value,)) + message[at:]),
        lambda: dataclasses.replace(sent, message=message[:at]),
        lambda: dataclasses.replace(sent, message=message + bytes(value % 40)),
        lambda: _repaired(sent, message[: place % 8] + bytes((value,)) + message[place % 8 + 1 :]),
        lambda: _repaired(sent, _with_addresses(receiver, message, value % 4)),
        lambda: dataclasses.replace(sent, message=_summed(message, sent.source, sent.destination, place)),
        lambda: dataclasses.replace(sent, message=_signed(receiver, message, sent.source, program)),
        lambda: dataclasses.replace(sent, ttl=value),
        lambda: dataclasses.replace(
            sent, source=(*OWN.values(), *PEER.values())[place % 2 * 2 + (len(sent.source) == 16)]
        ),
        lambda: dataclasses.replace(
            sent, destination=(OWN[len(sent.source)], GROUPS[len(sent.source) == 16])[place % 2]
        ),
    ]
    return changes[program.take() % len(changes)]()


RECEIVERS = [Receiver(wire) for wire in _wires()]


def one_input(data: bytes) -> DropReason | Advertisement:
    """Raises when a packet makes an exception, is judged otherwise than the RFC read again, or does harm although it is dropped."""
    program = Program(data)
    receiver = RECEIVERS[program.take() % len(RECEIVERS)]
    receiver.state = receiver.states[program.take() % len(receiver.states)]
    message = packet.encode(receiver.wire, program.take(), receiver.source, receiver.destination, program.take() << 32)
    sent = Packet(message, receiver.source, receiver.destination, packet.TTL)
    while not program.is_over:
        sent = _change(receiver, sent, program)
    return hear(receiver, sent)


def hear(receiver: Receiver, sent: Packet) -> DropReason | Advertisement:
    group, marks, before = receiver.group, HighWaterMarks(), (receiver.state, receiver.group.deadline)
    outcome = packet.decode(receiver.wire, sent.message, sent.source, sent.destination, sent.ttl)
    said = read(receiver.wire, sent)
    if isinstance(outcome, DropReason):
        assert said is None, f"{outcome} although the RFC accepts {sent}"
        assert (receiver.state, group.deadline) == before
        return outcome
    assert said is not None, f"accepted although it must be discarded: {sent}"
    sequence = outcome.stamp.sequence if outcome.stamp is not None else None
    assert (outcome.priority, outcome.interval, outcome.addresses, sequence) == dataclasses.astuple(said)
    if outcome.stamp is not None:
        assert marks.accept(outcome.stamp, sent.source)
        marked = dict(marks.marks)
        assert not marks.accept(outcome.stamp, sent.source), "a replay"
        assert marks.marks == marked
    for key in group.members:
        group.receive(key, outcome, NOW)
        assert group.deadline is not None or before[1] is None, "nothing would ever happen again"
    if group.deadline is not None:
        group.handle_timeout(max(group.deadline, NOW))
    return outcome
