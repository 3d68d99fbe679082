"""What a virtual router asks its executor to do: values, in the order in which they must happen."""

from __future__ import annotations

import dataclasses
from typing import Literal

StateName = Literal["Initialize", "Backup", "Active"]


@dataclasses.dataclass(frozen=True, slots=True)
class SendAdvertisement:
    """Put one advertisement with this priority on the wire now."""

    priority: int


@dataclasses.dataclass(frozen=True, slots=True)
class AssignAddresses:
    """Hold exactly the router's addresses. If that fails the executor calls `shutdown`: never advertise what is not held."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReleaseAddresses:
    """Take the router's addresses out of the kernel."""


@dataclasses.dataclass(frozen=True, slots=True)
class Announce:
    """Gratuitous ARP or unsolicited Neighbor Advertisement for each address."""


@dataclasses.dataclass(frozen=True, slots=True)
class Transition:
    """The state changed, because of `reason` (a sentence for people)."""

    to: StateName
    reason: str


Action = SendAdvertisement | AssignAddresses | ReleaseAddresses | Announce | Transition
