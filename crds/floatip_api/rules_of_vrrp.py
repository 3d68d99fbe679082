"""What a type cannot say of how a virtual router speaks: version and period, authentication, peers, damping. See rules.py."""

from __future__ import annotations

from typing import Any

from floatip_api.addresses import canonical_address, is_ipv4
from floatip_api.rule import Rule


def _period(vrrp: dict[str, Any]) -> str | None:
    period = vrrp["advertisementPeriodMilliseconds"]
    if vrrp["version"] == 3 and (period > 40950 or period % 10):
        return f"{period}: version 3 takes 10 to 40950, a multiple of 10"
    if vrrp["version"] == 2 and (period < 1000 or period % 1000):
        return f"{period}: version 2 takes whole seconds, 1000 to 255000"
    return None


def _password_version(vrrp: dict[str, Any]) -> str | None:
    if vrrp.get("authentication", {}).get("type") == "Password" and vrrp["version"] != 2:
        return "authentication type Password exists in version 2 only, not in version 3"
    return None


def _hmac_version(vrrp: dict[str, Any]) -> str | None:
    if vrrp.get("authentication", {}).get("type") == "HMACSHA256" and vrrp["version"] != 3:
        return "authentication type HMACSHA256 exists in version 3 only, not in version 2"
    return None


def _password_fields(authentication: dict[str, Any]) -> str | None:
    others = any(name in authentication for name in ("keys", "activeKeyID", "mode"))
    if authentication["type"] == "Password" and ("secretRef" not in authentication or others):
        return "type Password takes secretRef, and neither keys nor activeKeyID nor mode"
    return None


def _hmac_fields(authentication: dict[str, Any]) -> str | None:
    needed = all(name in authentication for name in ("keys", "activeKeyID"))
    if authentication["type"] == "HMACSHA256" and ("secretRef" in authentication or not needed):
        return "type HMACSHA256 takes keys, activeKeyID and mode, and no secretRef"
    return None


def _unique_key_ids(keys: list[dict[str, Any]]) -> str | None:
    ids = [key["id"] for key in keys]
    return None if len(ids) == len(set(ids)) else "each key needs an id of its own"


def _active_key(authentication: dict[str, Any]) -> str | None:
    active, keys = authentication.get("activeKeyID"), authentication.get("keys", [])
    if active is None or not keys or any(key["id"] == active for key in keys):
        return None
    return f"{active}: must be the id of one of keys"


def _extra_peers_by_unicast(vrrp: dict[str, Any]) -> str | None:
    if "extraPeers" in vrrp and vrrp["transport"] != "Unicast":
        return f"there is nobody to name with transport {vrrp['transport']}: only Unicast has peers"
    return None


def _version_2_ipv4(spec: dict[str, Any]) -> str | None:
    if spec["vrrp"]["version"] == 2 and not all(map(is_ipv4, spec["addresses"])):
        return "vrrp.version 2 carries IPv4 only: use version 3 for IPv6 addresses"
    return None


def down_delay(spec: dict[str, Any]) -> str | None:
    down = spec.get("linkDamping", {}).get("downMilliseconds", 0)
    most = 2 * spec["vrrp"]["advertisementPeriodMilliseconds"]
    return None if down < most else f"{down}: must be less than two advertisement periods, which are {most}"


VRRP_RULES = (
    Rule(
        "spec.vrrp",
        "self.version != 3 || (self.advertisementPeriodMilliseconds <= 40950 && self.advertisementPeriodMilliseconds % 10 == 0)",
        "'%d: version 3 takes 10 to 40950, a multiple of 10'.format([self.advertisementPeriodMilliseconds])",
        lambda vrrp: _period(vrrp) if vrrp["version"] == 3 else None,
        is_expression=True,
        field="advertisementPeriodMilliseconds",
    ),
    Rule(
        "spec.vrrp",
        "self.version != 2 || (self.advertisementPeriodMilliseconds >= 1000 && self.advertisementPeriodMilliseconds % 1000 == 0)",
        "'%d: version 2 takes whole seconds, 1000 to 255000'.format([self.advertisementPeriodMilliseconds])",
        lambda vrrp: _period(vrrp) if vrrp["version"] == 2 else None,
        is_expression=True,
        field="advertisementPeriodMilliseconds",
    ),
    Rule(
        "spec.vrrp",
        "!has(self.authentication) || self.authentication.type != 'Password' || self.version == 2",
        "authentication type Password exists in version 2 only, not in version 3",
        _password_version,
        field="authentication",
    ),
    Rule(
        "spec.vrrp",
        "!has(self.authentication) || self.authentication.type != 'HMACSHA256' || self.version == 3",
        "authentication type HMACSHA256 exists in version 3 only, not in version 2",
        _hmac_version,
        field="authentication",
    ),
    Rule(
        "spec.vrrp.authentication",
        "self.type != 'Password' || (has(self.secretRef) && !has(self.keys) && !has(self.activeKeyID) && !has(self.mode))",
        "type Password takes secretRef, and neither keys nor activeKeyID nor mode",
        _password_fields,
    ),
    Rule(
        "spec.vrrp.authentication",
        "self.type != 'HMACSHA256' || (!has(self.secretRef) && has(self.keys) && has(self.activeKeyID))",
        "type HMACSHA256 takes keys, activeKeyID and mode, and no secretRef",
        _hmac_fields,
    ),
    Rule(
        "spec.vrrp.authentication.keys",
        "self.all(k, self.exists_one(j, j.id == k.id))",
        "each key needs an id of its own",
        _unique_key_ids,
    ),
    Rule(
        "spec.vrrp.authentication",
        "!has(self.activeKeyID) || !has(self.keys) || self.keys.exists(k, k.id == self.activeKeyID)",
        "'%d: must be the id of one of keys'.format([self.activeKeyID])",
        _active_key,
        is_expression=True,
        field="activeKeyID",
    ),
    Rule(
        "spec.vrrp.extraPeers[]",
        "isIP(self) && ip.isCanonical(self)",
        "self + ': must be an IP address in canonical text, without a prefix length'",
        canonical_address,
        is_expression=True,
    ),
    Rule(
        "spec.vrrp",
        "!has(self.extraPeers) || self.transport == 'Unicast'",
        "'there is nobody to name with transport %s: only Unicast has peers'.format([self.transport])",
        _extra_peers_by_unicast,
        is_expression=True,
        field="extraPeers",
    ),
    Rule(
        "spec",
        "self.vrrp.version == 3 || self.addresses.all(a, !isCIDR(a) || cidr(a).ip().family() == 4)",
        "vrrp.version 2 carries IPv4 only: use version 3 for IPv6 addresses",
        _version_2_ipv4,
        field="vrrp.version",
    ),
    Rule(
        "spec",
        # keepalived: less than (down_timer_adverts - 1) times advert_int. A Backup whose link is down would take over otherwise.
        "!has(self.linkDamping) || self.linkDamping.downMilliseconds < 2 * self.vrrp.advertisementPeriodMilliseconds",
        "'%d: must be less than two advertisement periods, which are %d'"
        ".format([self.linkDamping.downMilliseconds, 2 * self.vrrp.advertisementPeriodMilliseconds])",
        down_delay,
        is_expression=True,
        field="linkDamping.downMilliseconds",
    ),
)
