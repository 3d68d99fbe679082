"""What keeps the engine on time: scheduling class, locked memory, a timer without rounding."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import struct

from floatip_agent.messages import Scheduling

_PRIORITY = 50
_NICEST = -20
_MCL_CURRENT, _MCL_FUTURE = 1, 2
_RUNAWAY = 2_000_000
"""Microseconds of uninterrupted real-time CPU after which the kernel ends the process (the guard starts another)."""
_CLOCK_MONOTONIC = 1
_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def claim_scheduling(*, above: int = 0) -> Scheduling:
    """SCHED_RR where the node grants it (EPERM is common in containers), else nice -20, else what there is."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY + above))
    except OSError:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, _NICEST)
        except OSError:
            return "Normal"
        return "Nice"
    resource.setrlimit(resource.RLIMIT_RTTIME, (_RUNAWAY, _RUNAWAY))
    return "RealTime"


def step_down() -> None:
    """An ordinary process again, for a child that has no business being on time."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    if os.getpriority(os.PRIO_PROCESS, 0) < 0:
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def end_with_parent(number: int) -> None:
    """The kernel sends this process the signal when its parent dies (prctl PR_SET_PDEATHSIG)."""
    _libc.prctl(_PR_SET_PDEATHSIG, number)


def settle_memory() -> None:
    """No page of this process leaves memory and no garbage collection stalls it. Without CAP_IPC_LOCK the first is skipped."""
    _libc.mlockall(_MCL_CURRENT | _MCL_FUTURE)
    gc.collect()
    gc.freeze()
    gc.disable()


class DeadlineTimer:
    """A timerfd on the monotonic clock: readable once the deadline (nanoseconds) has passed."""

    def __init__(self) -> None:
        self._fd = _libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._armed: int | None = None

    def fileno(self) -> int:
        return int(self._fd)

    def arm(self, deadline: int | None) -> None:
        """Only a changed deadline costs a system call; None disarms."""
        if deadline == self._armed:
            return
        at = 0 if deadline is None else max(deadline, 1)
        value = struct.pack("=qqqq", 0, 0, at // 1_000_000_000, at % 1_000_000_000)
        if _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, value, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        self._armed = deadline

    def acknowledge(self) -> None:
        """The timer fired: the next `arm` must set it again."""
        self._armed = None
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
