"""The engine process as it is forked by the guard: wires the loop to the real node."""

from __future__ import annotations

import socket

from floatip_agent.configuration import Configuration
from floatip_agent.engine.loop import Loop
from floatip_agent.linux import realtime
from floatip_agent.linux.node import LinuxNode
from floatip_agent.marks import Marks


def run(configuration: Configuration | None, marks: Marks, listener: socket.socket, guard: socket.socket) -> None:
    """Serve until told to stop. Raises what the kernel refuses at start: no CAP_NET_ADMIN, no CAP_NET_RAW."""
    scheduling = realtime.claim_scheduling()
    node = LinuxNode()
    loop = Loop(node, realtime.DeadlineTimer(), listener, guard, scheduling, marks)
    realtime.settle_memory()
    node.start()
    loop.run(configuration)
