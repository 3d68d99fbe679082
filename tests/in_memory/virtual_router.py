"""One virtual router of the core, of priority 100 at 1 s unless another is asked for, in the state that a test begins with."""

from __future__ import annotations

import dataclasses
import socket

from floatip_agent.vrrp.packet import Advertisement, Wire
from floatip_agent.vrrp.router import Backup, Parameters, VirtualRouter

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
NOW = 5_000 * SECOND
DOWN_100 = 3_609_375_000
"""Active_Down_Interval of priority 100 at 1 s."""
VIP = socket.inet_aton("10.0.0.100")
OWN = socket.inet_aton("10.0.0.50")
BELOW, ABOVE = socket.inet_aton("10.0.0.9"), socket.inet_aton("10.0.0.200")


def parameters(priority: int = 100, interval: int = SECOND, version: int = 3, **more: object) -> Parameters:
    return dataclasses.replace(Parameters(Wire(version, 51, interval, (VIP,)), priority, OWN), **more)  # type: ignore[arg-type]


def advertisement(priority: int, interval: int = SECOND, source: bytes = BELOW, version: int = 3) -> Advertisement:
    return Advertisement(version, 51, priority, interval, (VIP,), source)


def backup(given: Parameters | None = None) -> VirtualRouter:
    """Started at NOW."""
    router = VirtualRouter(given or parameters())
    router.startup(NOW)
    assert isinstance(router.state, Backup)
    return router


def active(given: Parameters | None = None) -> VirtualRouter:
    """Active since NOW."""
    router = VirtualRouter(given or parameters())
    router.become_active(NOW, "test")
    return router


def initialize(given: Parameters | None = None) -> VirtualRouter:
    return VirtualRouter(given or parameters())
