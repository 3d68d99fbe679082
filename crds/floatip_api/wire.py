"""What two routers must agree on to settle by VRRP who holds the addresses.

A change of anything here, met by a router that still speaks the old way, makes two holders: neither hears the other.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from floatip_api.floatingipnode import VirtualRouter
from floatip_api.parts import Authentication

_LIVE = {"announcement", "ipv4_checksum", "link_local", "extra_peers", "authentication"}
"""Of `vrrp`, what may differ for a while: checksums are taken in both forms, another address list is accepted and reported, peers are
the operator's to make, and authentications are compared by who takes what. All else counts, also what a later version adds."""


def agree(one: VirtualRouter, other: VirtualRouter) -> bool:
    """Whether each takes the other's advertisements. The period is learned from the Active, but for version 2."""
    first, second = one.vrrp.authentication, other.vrrp.authentication
    return _terms(one) == _terms(other) and _takes(first, second) and _takes(second, first)


def digest(router: VirtualRouter) -> str:
    """Of what a router speaks and where, in 16 hexadecimal digits. Equal for documents of versions that know other fields by default."""
    authentication = router.vrrp.authentication
    whole = {
        **_terms(router),
        "authentication": authentication.model_dump(mode="json", exclude_defaults=True) if authentication else None,
        "interface": router.interface,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def _terms(router: VirtualRouter) -> dict[str, Any]:
    live = _LIVE if router.vrrp.version == 2 else _LIVE | {"advertisement_period_milliseconds"}
    return router.vrrp.model_dump(mode="json", exclude=live, exclude_defaults=True)


def _takes(receiver: Authentication | None, sender: Authentication | None) -> bool:
    if receiver is None or sender is None or receiver.type == "Password" or sender.type == "Password":
        unsigned = sender is None or sender.mode == "ReceiveOnly"
        lenient = receiver is None or receiver.mode in {"ReceiveOnly", "Permissive"}
        return receiver == sender or (unsigned and lenient)
    if sender.mode == "ReceiveOnly":
        return receiver.mode in {"ReceiveOnly", "Permissive"}
    known = {key.id: key.secret_ref for key in receiver.keys or []}
    used = {key.id: key.secret_ref for key in sender.keys or []}
    return sender.active_key_id in used and known.get(sender.active_key_id) == used[sender.active_key_id]
