"""Classic BPF on a socket: what is not listed ends in the kernel and wakes nobody."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable, Sequence

_SO_ATTACH_FILTER = 26

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand (linux/filter.h)."""
_ACCEPT: Instruction = (0x06, 0, 0, 0xFFFF)  # ret #65535
_DROP: Instruction = (0x06, 0, 0, 0)  # ret #0
LONGEST = 4096
"""Instructions that the kernel takes (BPF_MAXINSNS)."""


def accept(prologue: Sequence[Instruction], values: Iterable[int]) -> list[Instruction]:
    """Accept the packets of which the prologue loads one of these values; all of them when there are more than a program can list."""
    program = list(prologue)
    for value in sorted(set(values)):
        program += [(0x15, 0, 1, value), _ACCEPT]  # jeq #value, 0, 1
    program.append(_DROP)
    return program if len(program) <= LONGEST else [_ACCEPT]


def attach(opened: socket.socket, program: Sequence[Instruction]) -> None:
    """In place of the one that is there. Raises OSError."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program), 8 * len(program))
    layout = "=HxxxxxxQ" if ctypes.sizeof(ctypes.c_void_p) == 8 else "=HxxI"
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack(layout, len(program), ctypes.addressof(code)))
