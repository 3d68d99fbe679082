"""Strangers that say that an address is theirs while this node holds it: two machines with one address, a forgotten configuration,
a real server of load balancing that answers ARP.

VRRP settles who holds an address among routers that hear each other; a stranger that speaks no VRRP shows only in ARP and Neighbor
Discovery. One that holds the address and is silent (a keepalived that was killed leaves it behind) answers for it all the same, so the LAN
is asked now and then. Another node of the same virtual router announces the address too, when it takes over; a moment later this node is
Active no more. So a claim counts when it comes again while this node stays Active. Nothing is done against it: two that defend one address
take their clients back and forth (RFC 5227 2.4); a human has to say whose it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import Iterator, Mapping

from floatip_agent.keeper.document import RouterKey
from floatip_agent.keeper.ears import Ears
from floatip_agent.keeper.logs import Sparing
from floatip_agent.keeper.picture import AddressClaim, Picture
from floatip_agent.linux.claims import Claim, ClaimSocket, own_hardware_addresses

LOOK_EVERY = 0.25
"""Seconds."""
LISTEN_AGAIN_AFTER = 10.0
"""Seconds after which an address that is known to be claimed is listened to, and asked for, again: a flood costs next to nothing."""
ASK_EVERY = 30.0
"""Seconds between two questions for an address that nobody else claims."""
ASK_AT_ONCE = 8
"""Questions a look: they are broadcasts."""
FORGET_AFTER = 60.0
"""Seconds without a claim."""
MAXIMUM = 64
_SHORTEST_GRACE = 2.0

Place = tuple[str, bytes]
"""An interface, and a packed address that this node holds there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tenure:
    """One time of being Active. `transitions` tells it from the next, `grace` (seconds) is how long two may claim an address around a
    change of roles: as for two nodes that say Active, max(2 s, 2 periods). `source` is the node's own address, packed."""

    router: RouterKey
    virtual_router_id: int
    transitions: int
    grace: float
    source: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True)
class _Heard:
    tenure: Tenure
    mac: bytes
    first: float
    last: float

    @property
    def counts(self) -> bool:
        return self.last - self.first >= self.tenure.grace


class Claims:
    """Who claimed what, when: pure. `now` in seconds of any clock that does not jump."""

    def __init__(self) -> None:
        self._heard: dict[Place, _Heard] = {}
        self._asked: dict[Place, float] = {}

    def hear(self, place: Place, mac: bytes, held: Mapping[Place, Tenure], now: float) -> None:
        tenure = held.get(place)
        if tenure is None or mac in virtual_macs(tenure.virtual_router_id):
            return
        known = self._heard.get(place)
        if known is not None and known.tenure == tenure:
            # The first one stays: two of them must not take turns in the status.
            self._heard[place] = dataclasses.replace(known, last=now)
        elif known is not None or len(self._heard) < MAXIMUM:
            self._heard[place] = _Heard(tenure, mac, first=now, last=now)

    def listen_to(self, interface: str, held: Mapping[Place, Tenure], now: float) -> frozenset[bytes]:
        """The addresses that are worth a look on this interface now."""
        return frozenset(
            address
            for name, address in held
            if name == interface and not ((known := self._heard.get((name, address))) and self._is_settled(known, now))
        )

    def present(self, held: Mapping[Place, Tenure], now: float) -> tuple[AddressClaim, ...]:
        """Those that count, sorted; forgets who fell silent, and all that was heard in another tenure."""
        self._heard = {
            place: known
            for place, known in self._heard.items()
            if held.get(place) == known.tenure and now - known.last < FORGET_AFTER
        }
        return tuple(
            AddressClaim(known.tenure.router, _text(address), known.mac.hex(":"), interface)
            for (interface, address), known in sorted(self._heard.items(), key=lambda entry: entry[0])
            if known.counts
        )

    def ask(self, held: Mapping[Place, Tenure], now: float) -> list[Place]:
        """What the LAN is to be asked for now, the longest ago first: not before the grace time of a tenure, and soon again when somebody
        claimed it once."""
        self._asked = {place: at for place, at in self._asked.items() if place in held}
        for place, tenure in held.items():
            self._asked.setdefault(place, now - ASK_EVERY + tenure.grace)
        due = [place for place, tenure in held.items() if now - self._asked[place] >= self._pause(place, tenure)]
        askable = [place for place in due if len(held[place].source) == len(place[1])]
        chosen = sorted(askable, key=lambda place: self._asked[place])[:ASK_AT_ONCE]
        self._asked |= dict.fromkeys(chosen, now)
        return chosen

    def _pause(self, place: Place, tenure: Tenure) -> float:
        known = self._heard.get(place)
        if known is None:
            return ASK_EVERY
        return LISTEN_AGAIN_AFTER if known.counts else tenure.grace

    @staticmethod
    def _is_settled(known: _Heard, now: float) -> bool:
        return known.counts and now - known.last < LISTEN_AGAIN_AFTER


class ClaimWatch:
    """Keeps `picture.claims` current for the addresses of the routers that are Active here."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._claims = Claims()
        self._ears: Ears[ClaimSocket] = Ears(ClaimSocket)
        self._sparing = Sparing()

    async def run(self) -> None:
        """Until cancelled; without CAP_NET_RAW it says so and ends."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                held = dict(_held(self._picture))
                self._ears.open(frozenset(interface for interface, _ in held))
                self._listen(held, loop.time())
                await asyncio.sleep(LOOK_EVERY)
        except PermissionError:
            self._sparing.warning("raw", "no CAP_NET_RAW: strangers that claim an address cannot be heard")
        finally:
            self._ears.close()

    def _listen(self, held: Mapping[Place, Tenure], now: float) -> None:
        heard: list[tuple[str, Claim]] = [(name, claim) for name, _, ear in self._ears for claim in ear.heard()]
        own = own_hardware_addresses() if heard else frozenset()
        for name, claim in heard:
            if claim.mac not in own:
                self._claims.hear((name, claim.address), claim.mac, held, now)
        claims = self._claims.present(held, now)
        if claims != self._picture.claims:
            self._picture.claims = claims
            self._picture.changed()
            for said in claims:
                self._sparing.warning((said.router, said.address), f"{'/'.join(said.router)}: {said}")
        for name, _, ear in self._ears:
            wanted = self._claims.listen_to(name, held, now)
            if wanted != ear.listens_to:
                ear.socket.listen_to(wanted)
                ear.listens_to = wanted
        self._ask(held, now)

    def _ask(self, held: Mapping[Place, Tenure], now: float) -> None:
        ears = {(name, family): ear for name, family, ear in self._ears}
        for place in self._claims.ask(held, now):
            interface, address = place
            if ear := ears.get((interface, "IPv4" if len(address) == 4 else "IPv6")):
                with contextlib.suppress(OSError):  # a link that is down, a source that is gone: asked again later
                    ear.socket.ask(address, held[place].source)


def virtual_macs(virtual_router_id: int) -> tuple[bytes, bytes]:
    """RFC 9568 7.3: 00-00-5E-00-01-{VRID} over IPv4, 00-00-5E-00-02-{VRID} over IPv6; who has it is settled by VRRP."""
    return bytes((0, 0, 0x5E, 0, 1, virtual_router_id)), bytes((0, 0, 0x5E, 0, 2, virtual_router_id))


def _held(picture: Picture) -> Iterator[tuple[Place, Tenure]]:
    running = picture.accepted.routers if picture.accepted else {}
    for key, state in picture.routers.items():
        if state.state != "Active" or state.interface is None or key not in running:
            continue
        configuration = running[key].configuration
        grace = max(_SHORTEST_GRACE, 2 * configuration.advertisement_interval / 1e9)
        source = _packed(state.source_address) if state.source_address else b""
        tenure = Tenure(key, state.virtual_router_id, state.transitions, grace, source)
        for address in (*configuration.addresses, *configuration.excluded_addresses):
            yield (state.interface, _packed(address)), tenure


def _packed(address: str) -> bytes:
    text = address.partition("/")[0]
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
