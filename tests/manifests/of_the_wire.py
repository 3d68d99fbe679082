"""Good and bad ways to speak VRRP."""

from __future__ import annotations

from typing import Any

from manifests.case import IPV4, IPV6, case, with_addresses


def signed(**fields: Any) -> dict[str, Any]:
    given = {**_SIGNED, **fields}
    return with_addresses(vrrp={"authentication": {name: value for name, value in given.items() if value is not None}})


_LOCAL_PASSWORD = {"type": "Password", "secretRef": {"name": "vrrp", "key": "password"}}
_KEY = {"id": 1, "secretRef": {"name": "vrrp", "key": "one"}}
_SIGNED: dict[str, Any] = {"type": "HMACSHA256", "keys": [_KEY], "activeKeyID": 1}
_TAKES_KEYS = "type HMACSHA256 takes keys, activeKeyID and mode, and no secretRef"

_VRRP = [
    case("unicast", with_addresses(vrrp={"transport": "Unicast", "extraPeers": ["192.0.2.9", "fe80::9"]})),
    case("broadcast", with_addresses(vrrp={"transport": "Broadcast"}), "spec.vrrp.transport"),
    case(
        "peers of multicast",
        with_addresses(vrrp={"extraPeers": ["192.0.2.9"]}),
        "spec.vrrp.extraPeers",
        "only Unicast has peers",
    ),
    case(
        "peer with a prefix",
        with_addresses(vrrp={"transport": "Unicast", "extraPeers": ["192.0.2.9/24"]}),
        "spec.vrrp.extraPeers[0]",
        "192.0.2.9/24: must be an IP address in canonical text",
    ),
    case("empty vrrp", with_addresses(vrrp={})),
    case("vrrp null", with_addresses(vrrp=None)),
    case("version 2", with_addresses(vrrp={"version": 2})),
    case("version 4", with_addresses(vrrp={"version": 4}), "spec.vrrp.version"),
    case("version as text", with_addresses(vrrp={"version": "3"}), "spec.vrrp.version"),
    case("shortest", with_addresses(vrrp={"advertisementPeriodMilliseconds": 10})),
    case("longest", with_addresses(vrrp={"advertisementPeriodMilliseconds": 40950})),
    case("longest of version 2", with_addresses(vrrp={"version": 2, "advertisementPeriodMilliseconds": 255000})),
    case(
        "too short",
        with_addresses(vrrp={"advertisementPeriodMilliseconds": 9}),
        "spec.vrrp.advertisementPeriodMilliseconds",
    ),
    case(
        "no tens",
        with_addresses(vrrp={"advertisementPeriodMilliseconds": 1005}),
        "spec.vrrp.advertisementPeriodMilliseconds",
        "1005: version 3 takes 10 to 40950, a multiple of 10",
    ),
    case(
        "too long for 12 bits",
        with_addresses(vrrp={"advertisementPeriodMilliseconds": 40960}),
        "spec.vrrp.advertisementPeriodMilliseconds",
        "40960: version 3 takes 10 to 40950",
    ),
    case(
        "half a second of version 2",
        with_addresses(vrrp={"version": 2, "advertisementPeriodMilliseconds": 500}),
        "spec.vrrp.advertisementPeriodMilliseconds",
        "500: version 2 takes whole seconds, 1000 to 255000",
    ),
    case(
        "256 seconds",
        with_addresses(vrrp={"version": 2, "advertisementPeriodMilliseconds": 256000}),
        "spec.vrrp.advertisementPeriodMilliseconds",
    ),
    case("version 2 with IPv6", {"addresses": [IPV4, IPV6], "vrrp": {"version": 2}}, "spec.vrrp.version", "IPv4 only"),
    case("virtual MAC", with_addresses(vrrp={"virtualMAC": "Enabled"})),
    case("virtual MAC of its own", with_addresses(vrrp={"virtualMAC": "Sometimes"}), "spec.vrrp.virtualMAC"),
    case("password", with_addresses(vrrp={"version": 2, "authentication": _LOCAL_PASSWORD})),
    case("signed", signed()),
    case("signed, in a mode", signed(mode="ReceiveOnly")),
    case("signed with two keys", signed(keys=[_KEY, {**_KEY, "id": 2}], activeKeyID=2)),
    case("signed with eight keys", signed(keys=[{**_KEY, "id": number} for number in range(8)])),
    case("nine keys", signed(keys=[{**_KEY, "id": number} for number in range(9)]), "spec.vrrp.authentication.keys"),
    case("no keys", signed(keys=[]), "spec.vrrp.authentication.keys"),
    case("key 256", signed(keys=[{**_KEY, "id": 256}]), "spec.vrrp.authentication.keys[0].id"),
    case("key without a Secret", signed(keys=[{"id": 1}]), "spec.vrrp.authentication.keys[0].secretRef"),
    case("key 1 twice", signed(keys=[_KEY, _KEY]), "spec.vrrp.authentication.keys", "each key needs an id of its own"),
    case(
        "active key that is none",
        signed(activeKeyID=2),
        "spec.vrrp.authentication.activeKeyID",
        "2: must be the id of one of keys",
    ),
    case("signed without an active key", signed(activeKeyID=None), "spec.vrrp.authentication", _TAKES_KEYS),
    case("signed without keys", signed(keys=None), "spec.vrrp.authentication", _TAKES_KEYS),
    case("signed, with a password", signed(secretRef=_KEY["secretRef"]), "spec.vrrp.authentication", _TAKES_KEYS),
    case("signed, in a mode of its own", signed(mode="Strict"), "spec.vrrp.authentication.mode"),
    case(
        "signed version 2",
        with_addresses(vrrp={"version": 2, "authentication": _SIGNED}),
        "spec.vrrp.authentication",
        "authentication type HMACSHA256 exists in version 3 only, not in version 2",
    ),
    *(
        case(
            f"password with {name}",
            with_addresses(vrrp={"version": 2, "authentication": {**_LOCAL_PASSWORD, name: value}}),
            "spec.vrrp.authentication",
            "type Password takes secretRef, and neither keys nor activeKeyID nor mode",
        )
        for name, value in (("keys", [_KEY]), ("activeKeyID", 1), ("mode", "Enforce"))
    ),
    case(
        "password in version 3",
        with_addresses(vrrp={"authentication": _LOCAL_PASSWORD}),
        "spec.vrrp.authentication",
        "authentication type Password exists in version 2 only",
    ),
    case(
        "password without secret",
        with_addresses(vrrp={"version": 2, "authentication": {"type": "Password"}}),
        "spec.vrrp.authentication",
        "type Password takes secretRef, and neither keys nor activeKeyID nor mode",
    ),
    case(
        "type PASS",
        with_addresses(vrrp={"version": 2, "authentication": {**_LOCAL_PASSWORD, "type": "PASS"}}),
        "spec.vrrp.authentication.type",
    ),
    *(
        case(
            f"secret {name}/{key}",
            with_addresses(
                vrrp={"version": 2, "authentication": {"type": "Password", "secretRef": {"name": name, "key": key}}}
            ),
            f"secretRef.{field}",
        )
        for name, key, field in (("../a", "b", "name"), ("a", "..", "key"), ("a", ".", "key"), ("a", "b/c", "key"))
    ),
    case("message only", with_addresses(vrrp={"ipv4Checksum": "MessageOnly", "linkLocal": "None"})),
    case("checksum of another word", with_addresses(vrrp={"ipv4Checksum": "Off"}), "spec.vrrp.ipv4Checksum"),
    case("never preempt", with_addresses(preemption={"policy": "Never"})),
    case("delay", with_addresses(preemption={"delaySeconds": 1000})),
    case("delay too long", with_addresses(preemption={"delaySeconds": 1001}), "spec.preemption.delaySeconds"),
    case(
        "delay of nothing",
        with_addresses(preemption={"policy": "Never", "delaySeconds": 5}),
        "spec.preemption.delaySeconds",
        "5: must be 0 with policy Never",
    ),
    case("damping", with_addresses(linkDamping={"downMilliseconds": 1999, "upMilliseconds": 3600000})),
    case("damping of one way", with_addresses(linkDamping={"upMilliseconds": 5000})),
    case("no damping", with_addresses(linkDamping={})),
    case(
        "down for two periods",
        with_addresses(linkDamping={"downMilliseconds": 2000}),
        "spec.linkDamping.downMilliseconds",
        "2000: must be less than two advertisement periods, which are 2000",
    ),
    case(
        "down for two short periods",
        with_addresses(linkDamping={"downMilliseconds": 200}, vrrp={"advertisementPeriodMilliseconds": 100}),
        "spec.linkDamping.downMilliseconds",
        "200: must be less than two advertisement periods, which are 200",
    ),
    case("up for too long", with_addresses(linkDamping={"upMilliseconds": 3600001}), "spec.linkDamping.upMilliseconds"),
    case(
        "down for less than nothing",
        with_addresses(linkDamping={"downMilliseconds": -1}),
        "spec.linkDamping.downMilliseconds",
    ),
]

WIRE = [*_VRRP]
