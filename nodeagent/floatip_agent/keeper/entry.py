"""One entry of `spec.virtualRouters`, read with the models: what the engine and the probes get, or why not. Pure.

api.md: "Unknown fields are ignored and reported from the API" (a newer operator wrote them), and "one bad router is refused
by name, the others go on".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from floatip_api import documents, v1alpha1, wire
from floatip_api.base import Location
from pydantic import ValidationError

from floatip_agent.configuration import Family, RouterConfiguration
from floatip_agent.keeper.credentials import SecretName, named
from floatip_agent.keeper.probe_state import Probe, ProbeSet, Thresholds
from floatip_agent.routing import RouteConfiguration, RuleConfiguration

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A good entry; what its secrets hold is not in the configuration yet (`credentials.fill`)."""

    configuration: RouterConfiguration
    probes: ProbeSet
    secrets: tuple[SecretName, ...] = ()
    ignored_fields: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, Family]:
        return self.configuration.key

    @property
    def leave(self) -> str | None:
        return self.configuration.leave

    @property
    def release(self) -> str | None:
        return self.configuration.release


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """A bad entry, as far as it could be read: without name or family `key` is None."""

    reason: str
    key: tuple[str, Family] | None = None
    leave: str | None = None
    release: str | None = None
    ignored_fields: tuple[str, ...] = ()


def read_entry(written: object, where: str) -> Entry | Refused:
    """`where` is the entry's place in the document, for messages: spec.virtualRouters[3]."""
    if not isinstance(written, Mapping):
        return Refused(f"{where}: an object is required, not {type(written).__name__}")
    passed_over: list[Location] = []
    router, reason = None, ""
    try:
        router = v1alpha1.VirtualRouter.from_newer(_without_nulls(written), passed_over)
    except ValidationError as error:
        reason = _reason(error, where)
    ignored = tuple(_path(where, location) for location in passed_over)
    if router is not None and (broken := documents.check_virtual_router(router)):
        reason = f"{where}.{broken[0]}"
    if router is None or reason:
        return Refused(reason, _key(written), _request(written, "leave"), _request(written, "release"), ignored)
    return Entry(
        _configuration(router),
        ProbeSet(tuple(map(_probe, router.probes)), router.family, router.interface),
        named(router),
        ignored,
    )


def _without_nulls(value: Any) -> Any:
    """A copy in which a field that is null is absent, as the API server takes it."""
    if isinstance(value, Mapping):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _reason(error: ValidationError, where: str) -> str:
    """Field, value and what is allowed, of the first fault."""
    first = error.errors(include_url=False)[0]
    value = "" if first["type"] == "missing" else f"{str(first['input'])[:80]!r}: "
    return f"{_path(where, first['loc'])}: {value}{first['msg']}"


def _path(where: str, location: tuple[int | str, ...]) -> str:
    return where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _key(written: Mapping[str, Any]) -> tuple[str, Family] | None:
    name, family = written.get("name"), written.get("family")
    if not isinstance(name, str) or not name:
        return None
    if family == "IPv4":
        return name, "IPv4"
    return (name, "IPv6") if family == "IPv6" else None


def _request(written: Mapping[str, Any], name: str) -> str | None:
    asked = written.get(name)
    request = asked.get("requestID") if isinstance(asked, Mapping) else None
    return request if isinstance(request, str) and request else None


def _configuration(router: v1alpha1.VirtualRouter) -> RouterConfiguration:
    authentication = router.vrrp.authentication
    keys = authentication.keys if authentication else None
    damping = router.link_damping or v1alpha1.LinkDamping()
    return RouterConfiguration(
        name=router.name,
        family=router.family,
        virtual_router_id=router.virtual_router_id,
        addresses=tuple(router.addresses),
        priority=router.priority,
        version=router.vrrp.version,
        advertisement_interval=router.vrrp.advertisement_period_milliseconds * MILLISECOND,
        interface=router.interface,
        source_address=router.source_address,
        ipv4_checksum=router.vrrp.ipv4_checksum,
        link_local=router.vrrp.link_local,
        excluded_addresses=tuple(router.excluded_addresses),
        tracked_interfaces=tuple((known.name, known.lower_priority_by or 0) for known in router.tracked_interfaces),
        link_down_delay=damping.down_milliseconds * MILLISECOND,
        link_up_delay=damping.up_milliseconds * MILLISECOND,
        announcement_count=router.vrrp.announcement.count,
        announcement_repeat=router.vrrp.announcement.repeat_after_seconds * SECOND,
        announcement_refresh=router.vrrp.announcement.refresh_seconds * SECOND,
        transport=router.vrrp.transport,
        peers=tuple(router.peers),
        hmac_keys=tuple((key.id, "") for key in keys or ()),
        hmac_active_key_id=(authentication.active_key_id if authentication else None) or 0,
        hmac_mode=(authentication.mode if authentication else None) or "Enforce",
        virtual_mac=router.vrrp.virtual_mac == "Enabled",
        routes=tuple(
            RouteConfiguration(route.to, route.via, route.interface, route.source, route.table, route.metric)
            for route in router.routes
        ),
        rules=tuple(RuleConfiguration(rule.table, rule.priority, rule.from_, rule.to) for rule in router.rules),
        preempt=router.preemption.policy == "PreemptLowerPriority",
        preempt_delay=router.preemption.delay_seconds * SECOND,
        group=router.sync_group or "",
        leave=router.leave.request_id if router.leave else None,
        digest=wire.digest(router),
        release=router.release.request_id if router.release else None,
    )


def _probe(probe: v1alpha1.Probe) -> Probe:
    return Probe(
        name=probe.name,
        port=probe.tcp_socket.port,
        host=probe.tcp_socket.host,
        period=probe.period_seconds,
        timeout=probe.timeout_seconds,
        thresholds=Thresholds(failure=probe.failure_threshold, success=probe.success_threshold),
        initially=probe.initially,
        lower_priority_by=probe.lower_priority_by,
    )


def secrets_named(document: Mapping[str, Any]) -> frozenset[SecretName]:
    """Every Secret that a good entry of the document names."""
    entries = (document.get("spec") or {}).get("virtualRouters") or []
    read = [read_entry(entry, "") for entry in entries]
    return frozenset(secret for entry in read if isinstance(entry, Entry) for secret in entry.secrets)
