"""What a type cannot say of routes and routing rules. See rules.py."""

from __future__ import annotations

from typing import Any

from floatip_api.addresses import canonical_address, destination, is_ipv4, subnet
from floatip_api.rule import Rule


def _via_default(route: dict[str, Any]) -> str | None:
    return "via is required with default" if route["to"] == "default" and "via" not in route else None


def _one_family(entry: dict[str, Any]) -> str | None:
    texts = [entry[name] for name in ("to", "via", "source", "from") if entry.get(name, "default") != "default"]
    return None if len(set(map(is_ipv4, texts))) < 2 else "all of it must be of one family"


def _some_side(rule: dict[str, Any]) -> str | None:
    return None if "from" in rule or "to" in rule else "at least one of from and to is required"


def routed_families(spec: dict[str, Any]) -> str | None:
    carried = {is_ipv4(text) for text in spec["addresses"]}
    routed = {
        is_ipv4(route.get("via", "") if route["to"] == "default" else route["to"]) for route in spec.get("routes", [])
    }
    routed |= {is_ipv4(rule.get("from", rule.get("to", ""))) for rule in spec.get("rules", [])}
    return None if routed <= carried else "routes or rules of a family of which there are no addresses"


ROUTING_RULES = (
    Rule(
        "spec.routes[].to",
        "self == 'default' || (isCIDR(self) && string(cidr(self).masked()) == self)",
        "self + ': must be a subnet in canonical text, as in 10.50.0.0/16, or default'",
        destination,
        is_expression=True,
    ),
    *(
        Rule(
            f"spec.routes[].{field}",
            "isIP(self) && ip.isCanonical(self)",
            "self + ': must be an IP address in canonical text, without a prefix length'",
            canonical_address,
            is_expression=True,
        )
        for field in ("via", "source")
    ),
    Rule(
        "spec.routes[]",
        "self.to != 'default' || has(self.via)",
        "via is required with default",
        _via_default,
        field="via",
    ),
    Rule(
        "spec.routes[]",
        "(!has(self.via) || self.to == 'default' || self.via.contains(':') == self.to.contains(':')) && "
        "(!has(self.source) || self.to == 'default' || self.source.contains(':') == self.to.contains(':')) && "
        "(!has(self.source) || !has(self.via) || self.source.contains(':') == self.via.contains(':'))",
        "all of it must be of one family",
        _one_family,
    ),
    *(
        Rule(
            f"spec.rules[].{field}",
            "isCIDR(self) && string(cidr(self).masked()) == self",
            "self + ': must be a subnet in canonical text, as in 10.50.0.0/16'",
            subnet,
            is_expression=True,
        )
        for field in ("from", "to")
    ),
    Rule(
        "spec.rules[]",
        "has(self.from) || has(self.to)",
        "at least one of from and to is required",
        _some_side,
    ),
    Rule(
        "spec.rules[]",
        "!has(self.from) || !has(self.to) || self.from.contains(':') == self.to.contains(':')",
        "all of it must be of one family",
        _one_family,
    ),
    Rule(
        "spec",
        "(!has(self.routes) || self.routes.all(r, self.addresses.exists(a, a.contains(':') == "
        "(r.to == 'default' ? has(r.via) && r.via.contains(':') : r.to.contains(':'))))) && "
        "(!has(self.rules) || self.rules.all(r, self.addresses.exists(a, a.contains(':') == "
        "(has(r.from) ? r.from.contains(':') : has(r.to) && r.to.contains(':')))))",
        "routes or rules of a family of which there are no addresses",
        routed_families,
    ),
)
