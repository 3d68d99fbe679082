"""The rules that a type cannot say. Each stands here once, in both its forms: as CEL for the API server, as Python for `floatip validate`.

`at` is where the rule hangs in the document ("spec.nodes[]": each entry); `cel` and `check` see the value there, with defaults filled in.
The two are kept alike by one table of manifests that runs through both (tests/floatip_api).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from floatip_api.addresses import (
    canonical_address,
    canonical_interface,
    interface_address,
    is_ipv4,
    link_local_source,
    not_everything,
    not_the_network,
    prefix_length_given,
    unicast,
    unique_addresses,
)
from floatip_api.rule import Rule, faults_of
from floatip_api.rules_of_routing import ROUTING_RULES, routed_families
from floatip_api.rules_of_vrrp import VRRP_RULES, down_delay


def _exactly_one(entry: dict[str, Any]) -> str | None:
    return None if ("name" in entry) != ("selector" in entry) else "exactly one of name and selector is required"


def _owner_by_name(entry: dict[str, Any]) -> str | None:
    if entry.get("priority") == 255 and "name" not in entry:
        return "255 is for the node that owns the address: give that node by name; a selector takes 1 to 254"
    return None


def _sources_by_name(entry: dict[str, Any]) -> str | None:
    if "sourceAddresses" in entry and "name" not in entry:
        return "source addresses belong to one node: give that node by name"
    return None


def _one_source_a_family(sources: list[str]) -> str | None:
    families = [is_ipv4(text) for text in sources]
    return None if len(families) == len(set(families)) else "at most one for each family"


def _unique_node_names(entries: list[dict[str, Any]]) -> str | None:
    names = [entry["name"] for entry in entries if "name" in entry]
    return None if len(names) == len(set(names)) else "each node may be named once"


def _operator_values(requirement: dict[str, Any]) -> str | None:
    needs = requirement["operator"] in {"In", "NotIn"}
    if needs != bool(requirement.get("values")):
        return "values are required with In and NotIn, and forbidden with Exists and DoesNotExist"
    return None


def _timeout(probe: dict[str, Any]) -> str | None:
    timeout, period = probe["timeoutSeconds"], probe["periodSeconds"]
    return None if timeout <= period else f"{timeout:g}: must be at most periodSeconds, which is {period:g}"


def _tenths(value: float) -> str | None:
    if value >= 0.1 and value * 10.0 == float(int(value * 10.0)):
        return None
    return f"{value:g}: must be a multiple of 0.1 and not 0"


def _delay_without_preemption(preemption: dict[str, Any]) -> str | None:
    if preemption["policy"] == "Never" and preemption["delaySeconds"] > 0:
        return f"{preemption['delaySeconds']}: must be 0 with policy Never, which takes nothing over from a living node"
    return None


def _excluded_twice(spec: dict[str, Any]) -> str | None:
    carried, excluded = (
        {text.partition("/")[0] for text in spec.get(name, [])} for name in ("addresses", "excludedAddresses")
    )
    return "an address stands in addresses already" if carried & excluded else None


def _source_families(spec: dict[str, Any]) -> str | None:
    families = {is_ipv4(text) for text in spec["addresses"]}
    for entry in spec.get("nodes", []):
        if any(is_ipv4(source) not in families for source in entry.get("sourceAddresses", [])):
            return "sourceAddresses of a family of which there are no addresses"
    return None


def _allocated_id(document: dict[str, Any]) -> str | None:
    wanted = document["spec"].get("virtualRouterID")
    allocated = document.get("status", {}).get("virtualRouterID")
    if wanted is None or allocated is None or wanted == allocated:
        return None
    return f"{wanted}: must be {allocated}, which is allocated already"


def _name_length(document: dict[str, Any]) -> str | None:
    name = document["metadata"]["name"]
    return None if len(name) <= 63 else f"metadata.name has {len(name)} characters: at most 63 are allowed"


_OF_ADDRESSES = (
    Rule(
        "[]",
        "!isIP(self)",
        "'%s: the prefix length of its subnet is missing: write %s/%s or what it is'"
        ".format([self, self, self.contains(':') ? '64' : '24'])",
        prefix_length_given,
        is_expression=True,
    ),
    Rule(
        "[]",
        "isCIDR(self) || isIP(self)",
        "self + ': must be an address with its subnet\\'s prefix length, as in 192.0.2.1/24 or 2001:db8::1/64'",
        interface_address,
        is_expression=True,
    ),
    Rule(
        "[]",
        "!isCIDR(self) || string(cidr(self)) == self",
        "'%s: must be in canonical text: write %s'.format([self, string(cidr(self))])",
        canonical_interface,
        is_expression=True,
    ),
    Rule(
        "[]",
        "!isCIDR(self) || cidr(self).ip().isGlobalUnicast() || cidr(self).ip().isLinkLocalUnicast()",
        "self + ': must be a unicast address, not loopback, multicast, broadcast or unspecified'",
        unicast,
        is_expression=True,
    ),
    Rule(
        "[]",
        "!isCIDR(self) || string(cidr(self).masked()) != self || cidr(self).prefixLength() >= (self.contains(':') ? 127 : 31)",
        "self + ': must be an address in the subnet, not the subnet itself'",
        not_the_network,
        is_expression=True,
    ),
    Rule(
        "[]",
        "!isCIDR(self) || cidr(self).prefixLength() > 0",
        "self + ': the prefix length must be at least 1'",
        not_everything,
        is_expression=True,
    ),
    Rule(
        "",
        "self.all(a, self.exists_one(b, b.startsWith(a.split('/')[0] + '/')))",
        "must be unique, whatever their prefix length",
        unique_addresses,
    ),
)
"""What holds of each list of addresses."""


FLOATING_IP_RULES = (
    *(
        dataclasses.replace(rule, at=f"{at}{rule.at}")
        for at in ("spec.addresses", "spec.excludedAddresses")
        for rule in _OF_ADDRESSES
    ),
    *VRRP_RULES,
    *ROUTING_RULES,
    Rule(
        "spec.nodes[]",
        "has(self.name) != has(self.selector)",
        "exactly one of name and selector is required",
        _exactly_one,
    ),
    Rule(
        "spec.nodes[]",
        "!has(self.priority) || self.priority < 255 || has(self.name)",
        "255 is for the node that owns the address: give that node by name; a selector takes 1 to 254",
        _owner_by_name,
        field="priority",
    ),
    Rule(
        "spec.nodes[]",
        "!has(self.sourceAddresses) || has(self.name)",
        "source addresses belong to one node: give that node by name",
        _sources_by_name,
        field="sourceAddresses",
    ),
    Rule(
        "spec.nodes[].sourceAddresses[]",
        "isIP(self) && ip.isCanonical(self)",
        "self + ': must be an IP address in canonical text, without a prefix length'",
        canonical_address,
        is_expression=True,
    ),
    Rule(
        "spec.nodes[].sourceAddresses[]",
        "!isIP(self) || !self.contains(':') || ip(self).isLinkLocalUnicast()",
        "self + ': over IPv6 advertisements come from a link-local address (RFC 9568, 5.1.2.1)'",
        link_local_source,
        is_expression=True,
    ),
    Rule(
        "spec.nodes[].sourceAddresses",
        "self.size() < 2 || !isIP(self[0]) || !isIP(self[1]) || ip(self[0]).family() != ip(self[1]).family()",
        "at most one for each family",
        _one_source_a_family,
    ),
    Rule(
        "spec.nodes[].selector.matchExpressions[]",
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
        "values are required with In and NotIn, and forbidden with Exists and DoesNotExist",
        _operator_values,
        field="values",
    ),
    Rule(
        "spec.nodes",
        "self.all(n, !has(n.name) || self.exists_one(m, has(m.name) && m.name == n.name))",
        "each node may be named once",
        _unique_node_names,
    ),
    Rule(
        "spec.preemption",
        "self.policy != 'Never' || self.delaySeconds == 0",
        "'%d: must be 0 with policy Never, which takes nothing over from a living node'.format([self.delaySeconds])",
        _delay_without_preemption,
        is_expression=True,
        field="delaySeconds",
    ),
    Rule(
        "spec.probes[]",
        "self.timeoutSeconds <= self.periodSeconds",
        "'%s: must be at most periodSeconds, which is %s'.format([self.timeoutSeconds, self.periodSeconds])",
        _timeout,
        is_expression=True,
        field="timeoutSeconds",
    ),
    *(
        Rule(
            f"spec.probes[].{field}",
            # The schema's minimum is compared as an integer when the value is one: 0 passes 0.1.
            "self >= 0.1 && self * 10.0 == double(int(self * 10.0))",
            "'%s: must be a multiple of 0.1 and not 0'.format([self])",
            _tenths,
            is_expression=True,
        )
        for field in ("periodSeconds", "timeoutSeconds")
    ),
    Rule(
        "spec",
        "!has(self.excludedAddresses) || "
        "self.excludedAddresses.all(e, !self.addresses.exists(a, a.startsWith(e.split('/')[0] + '/')))",
        "an address stands in addresses already",
        _excluded_twice,
        field="excludedAddresses",
    ),
    Rule(
        "spec",
        "!has(self.nodes) || self.nodes.all(n, !has(n.sourceAddresses) || n.sourceAddresses.all(s, !isIP(s) || "
        "self.addresses.exists(a, isCIDR(a) && cidr(a).ip().family() == ip(s).family())))",
        "sourceAddresses of a family of which there are no addresses",
        _source_families,
        field="nodes",
    ),
    Rule(
        "spec",
        "!has(oldSelf.virtualRouterID) || (has(self.virtualRouterID) && self.virtualRouterID == oldSelf.virtualRouterID)",
        "'immutable once set: it stays %d'.format([oldSelf.virtualRouterID])",
        is_expression=True,
        field="virtualRouterID",
    ),
    Rule(
        "",
        "!has(self.status) || !has(self.status.virtualRouterID) || !has(self.spec.virtualRouterID) || "
        "self.status.virtualRouterID == self.spec.virtualRouterID",
        "'%d: must be %d, which is allocated already'.format([self.spec.virtualRouterID, self.status.virtualRouterID])",
        _allocated_id,
        is_expression=True,
        field="spec.virtualRouterID",
    ),
    Rule(
        "",
        "self.metadata.name.size() <= 63",
        "metadata.name may have at most 63 characters",
        _name_length,
        field="metadata.name",
    ),
)


def virtual_router_faults(router: dict[str, Any]) -> list[str]:
    """The rules that hold for one virtual router of a FloatingIPNode, which its schema cannot carry: they do not fit CEL's budget there."""
    prefixes = {
        "spec.addresses",
        "spec.excludedAddresses",
        "spec.vrrp",
        "spec.preemption",
        "spec.probes",
        "spec.routes",
        "spec.rules",
    }
    rules = [rule for rule in FLOATING_IP_RULES if any(rule.at.startswith(prefix) for prefix in prefixes)]
    found = [fault for rule in rules for fault in faults_of(rule, {"spec": router})]
    families = {is_ipv4(text) for text in router["addresses"]}
    if families != {router["family"] == "IPv4"}:
        found.append(("addresses", f"all must be {router['family']}"))
    if router["vrrp"]["version"] == 2 and router["family"] == "IPv6":
        found.append(("vrrp.version", "version 2 carries IPv4 only"))
    if fault := down_delay(router):
        found.append(("linkDamping.downMilliseconds", fault))
    if source := router.get("sourceAddress"):
        checks = (canonical_address, link_local_source)
        found += [("sourceAddress", fault) for check in checks if (fault := check(source))]
        if is_ipv4(source) != (router["family"] == "IPv4"):
            found.append(("sourceAddress", f"{source}: must be {router['family']}"))
    if fault := routed_families(router):
        found.append(("routes", fault))
    for at, peer in enumerate(router.get("peers", [])):
        if fault := canonical_address(peer):
            found.append((f"peers[{at}]", fault))
        elif is_ipv4(peer) != (router["family"] == "IPv4"):
            found.append((f"peers[{at}]", f"{peer}: must be {router['family']}"))
    return [f"{path.removeprefix('spec.')}: {text}" for path, text in found]
