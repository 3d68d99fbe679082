"""Good and bad FloatingIPs: one table for `floatip validate` and for real API servers."""

from __future__ import annotations

import dataclasses
from typing import Any

IPV4 = "192.0.2.94/24"
IPV6 = "2001:db8::94/64"


@dataclasses.dataclass(frozen=True)
class Case:
    """`field` is where the fault is, None for a good one; `says` stands in both messages, word for word."""

    name: str
    manifest: dict[str, Any]
    field: str | None = None
    says: str = ""


def _case(
    name: str, spec: dict[str, Any] | None, field: str | None = None, says: str = "", *, called: str = "case"
) -> Case:
    manifest = {
        "apiVersion": "floatip.dev/v1alpha1",
        "kind": "FloatingIP",
        "metadata": {"name": called},
        "spec": spec,
    }
    return Case(name, manifest, field, says)


def _with(**spec: Any) -> dict[str, Any]:
    return {"addresses": [IPV4], **spec}


def _address(text: Any) -> dict[str, Any]:
    return {"addresses": [text]}


def _node(**entry: Any) -> dict[str, Any]:
    return _with(nodes=[entry])


def _probe(**fields: Any) -> dict[str, Any]:
    return _with(probes=[{"name": "web", "tcpSocket": {"port": 80}, **fields}])


def _expression(**fields: Any) -> dict[str, Any]:
    return _node(selector={"matchExpressions": [{"key": "role", **fields}]})


def _signed(**fields: Any) -> dict[str, Any]:
    given = {**_SIGNED, **fields}
    return _with(vrrp={"authentication": {name: value for name, value in given.items() if value is not None}})


_LOCAL_PASSWORD = {"type": "Password", "secretRef": {"name": "vrrp", "key": "password"}}
_KEY = {"id": 1, "secretRef": {"name": "vrrp", "key": "one"}}
_SIGNED: dict[str, Any] = {"type": "HMACSHA256", "keys": [_KEY], "activeKeyID": 1}
_TAKES_KEYS = "type HMACSHA256 takes keys, activeKeyID and mode, and no secretRef"
_SUBNET_OR_DEFAULT = "must be a subnet in canonical text, as in 10.50.0.0/16, or default"
_UNICAST = "must be a unicast address, not loopback, multicast, broadcast or unspecified"

_ADDRESSES = [
    _case("smallest", _address(IPV4)),
    _case("both families", {"addresses": [IPV4, IPV6]}),
    _case("host prefix", {"addresses": ["192.0.2.94/32", "2001:db8::94/128"]}),
    _case("point to point", _address("192.0.2.94/31")),
    _case("IPv6 that YAML could take for a number", _address("1:2:3:4:5:6:7:8/64")),
    _case("listed link-local", {"addresses": ["fe80::94/64", IPV6]}),
    _case("64 addresses", {"addresses": [f"192.0.2.{n}/24" for n in range(1, 65)]}),
    _case(
        "64 long addresses", {"addresses": [f"2001:db8:1111:2222:3333:4444:5555:{n:x}/128" for n in range(4096, 4160)]}
    ),
    _case("65 addresses", {"addresses": [f"192.0.2.{n}/24" for n in range(1, 66)]}, "spec.addresses"),
    _case("no address", {"addresses": []}, "spec.addresses"),
    _case("addresses absent", {}, "spec.addresses"),
    _case("addresses null", {"addresses": None}, "spec.addresses"),
    _case("addresses as text", {"addresses": IPV4}, "spec.addresses"),
    _case("address as number", _address(5), "spec.addresses[0]"),
    _case("address null", _address(None), "spec.addresses[0]"),
    _case("bare IPv4", _address("192.0.2.94"), "spec.addresses[0]", "write 192.0.2.94/24"),
    _case("bare IPv6", _address("2001:db8::94"), "spec.addresses[0]", "write 2001:db8::94/64"),
    _case(
        "hostname", _address("web.example"), "spec.addresses[0]", "web.example: must be an address with its subnet's"
    ),
    _case("empty address", _address(""), "spec.addresses[0]"),
    _case("octet 256", _address("192.0.2.256/24"), "spec.addresses[0]", "192.0.2.256/24: must be an address"),
    _case("leading zero", _address("192.0.2.094/24"), "spec.addresses[0]", "192.0.2.094/24: must be an address"),
    _case("prefix 33", _address("192.0.2.94/33"), "spec.addresses[0]", "192.0.2.94/33: must be an address"),
    _case("netmask", _address("192.0.2.94/255.255.255.0"), "spec.addresses[0]", "255.255.255.0: must be an address"),
    _case("prefix with zero", _address("192.0.2.94/024"), "spec.addresses[0]", "192.0.2.94/024: must be an address"),
    _case("two prefixes", _address("192.0.2.94/24/24"), "spec.addresses[0]", "192.0.2.94/24/24: must be an address"),
    _case("scope", _address("fe80::1%eth0/64"), "spec.addresses[0]", "fe80::1%eth0/64: must be an address"),
    _case("IPv4-mapped", _address("::ffff:192.0.2.94/96"), "spec.addresses[0]", "/96: must be an address"),
    _case("space", _address(" 192.0.2.94/24"), "spec.addresses[0]", ": must be an address"),
    _case("not canonical", _address("2001:DB8:0::94/64"), "spec.addresses[0]", "text: write 2001:db8::94/64"),
    _case("zeros written out", _address("2001:db8:0:0:0:0:0:94/64"), "spec.addresses[0]", "write 2001:db8::94/64"),
    _case("loopback", _address("127.0.0.1/8"), "spec.addresses[0]", f"127.0.0.1/8: {_UNICAST}"),
    _case("IPv6 loopback", _address("::1/128"), "spec.addresses[0]", f"::1/128: {_UNICAST}"),
    _case("multicast", _address("224.0.0.18/24"), "spec.addresses[0]", f"224.0.0.18/24: {_UNICAST}"),
    _case("multicast beyond the link", _address("239.1.1.1/24"), "spec.addresses[0]", _UNICAST),
    _case("IPv6 multicast", _address("ff02::12/64"), "spec.addresses[0]", _UNICAST),
    _case("unspecified", _address("0.0.0.0/24"), "spec.addresses[0]", _UNICAST),
    _case("IPv6 unspecified", _address("::/64"), "spec.addresses[0]", _UNICAST),
    _case("limited broadcast", _address("255.255.255.255/32"), "spec.addresses[0]", _UNICAST),
    _case(
        "the subnet", _address("192.0.2.0/24"), "spec.addresses[0]", "192.0.2.0/24: must be an address in the subnet"
    ),
    _case("the IPv6 subnet", _address("2001:db8::/64"), "spec.addresses[0]", "must be an address in the subnet"),
    _case(
        "prefix 0", _address("192.0.2.94/0"), "spec.addresses[0]", "192.0.2.94/0: the prefix length must be at least 1"
    ),
    _case("twice", {"addresses": [IPV4, IPV4]}, "spec.addresses", "must be unique"),
    _case("twice with other prefix", {"addresses": [IPV4, "192.0.2.94/32"]}, "spec.addresses", "must be unique"),
    _case("one the other's beginning", {"addresses": ["192.0.2.9/24", IPV4]}),
    _case("second is bad", {"addresses": [IPV4, "192.0.2.95"]}, "spec.addresses[1]", "write 192.0.2.95/24"),
]

_ROUTES = [
    _case(
        "routes and rules",
        {
            "addresses": [IPV4, IPV6],
            "routes": [
                {"to": "10.50.0.0/16", "via": "192.0.2.1", "metric": 50},
                {"to": "default", "via": "192.0.2.1", "table": 100, "source": "192.0.2.94"},
                {"to": "2001:db8:1::/48", "via": "fe80::1", "interface": "eth1"},
                {"to": "10.60.0.0/16", "interface": "eth1"},
            ],
            "rules": [
                {"from": "192.0.2.94/32", "table": 100, "priority": 1000},
                {"from": "10.0.0.0/8", "to": "192.0.2.0/24", "table": 2147483647, "priority": 32765},
                {"to": "::/0", "table": 1, "priority": 1},
            ],
        },
    ),
    _case("64 routes", _with(routes=[{"to": f"10.{n}.0.0/16", "via": "192.0.2.1"} for n in range(64)])),
    _case("64 rules", _with(rules=[{"from": f"10.{n}.0.0/16", "table": 100, "priority": n + 1} for n in range(64)])),
    _case("65 routes", _with(routes=[{"to": f"10.{n}.0.0/16", "via": "192.0.2.1"} for n in range(65)]), "spec.routes"),
    _case("route nowhere", _with(routes=[{"via": "192.0.2.1"}]), "spec.routes[0].to"),
    _case(
        "default without via", _with(routes=[{"to": "default"}]), "spec.routes[0].via", "via is required with default"
    ),
    *(
        _case(f"route to {to}", _with(routes=[{"to": to, "via": "192.0.2.1"}]), "spec.routes[0].to", _SUBNET_OR_DEFAULT)
        for to in ("10.50.0.1/16", "10.50.0.0", "anywhere", "10.050.0.0/16")
    ),
    *(
        _case(
            f"route with {name} {text}",
            _with(routes=[{"to": "10.50.0.0/16", name: text}]),
            f"spec.routes[0].{name}",
            "must be an IP address in canonical text, without a prefix length",
        )
        for name in ("via", "source")
        for text in ("192.0.2.1/24", "gateway")
    ),
    _case(
        "route of two families",
        {"addresses": [IPV4, IPV6], "routes": [{"to": "10.50.0.0/16", "via": "2001:db8::1"}]},
        "spec.routes[0]",
        "all of it must be of one family",
    ),
    _case("table 0", _with(routes=[{"to": "10.50.0.0/16", "table": 0}]), "spec.routes[0].table"),
    _case(
        "route of another family",
        _with(routes=[{"to": "2001:db8:1::/48", "via": "fe80::1"}]),
        "spec",
        "routes or rules of a family of which there are no addresses",
    ),
    _case(
        "default of another family",
        _with(routes=[{"to": "default", "via": "fe80::1"}]),
        "spec",
        "routes or rules of a family of which there are no addresses",
    ),
    _case(
        "rule of no side", _with(rules=[{"table": 1, "priority": 1}]), "spec.rules[0]", "at least one of from and to"
    ),
    _case(
        "rule from a host",
        _with(rules=[{"from": "192.0.2.94", "table": 1, "priority": 1}]),
        "spec.rules[0].from",
        "192.0.2.94: must be a subnet in canonical text, as in 10.50.0.0/16",
    ),
    _case(
        "rule of two families",
        _with(rules=[{"from": "192.0.2.0/24", "to": "::/0", "table": 1, "priority": 1}]),
        "spec.rules[0]",
        "all of it must be of one family",
    ),
    _case("rule without a table", _with(rules=[{"to": "10.0.0.0/8", "priority": 1}]), "spec.rules[0].table"),
    _case("rule without a place", _with(rules=[{"to": "10.0.0.0/8", "table": 1}]), "spec.rules[0].priority"),
]

_PLACE = [
    _case(
        "everything",
        _with(
            virtualRouterID=51,
            interface="bond0.7",
            candidates=2,
            suspend=True,
            nodes=[{"name": "a", "priority": 255, "interface": "eth0", "sourceAddresses": ["192.0.2.1"]}],
        ),
    ),
    _case("router ID 0", _with(virtualRouterID=0), "spec.virtualRouterID"),
    _case("router ID 256", _with(virtualRouterID=256), "spec.virtualRouterID"),
    _case("router ID as text", _with(virtualRouterID="51"), "spec.virtualRouterID"),
    _case("router ID null", _with(virtualRouterID=None)),
    _case("interface too long", _with(interface="a" * 16), "spec.interface"),
    _case("interface with slash", _with(interface="eth/0"), "spec.interface"),
    _case("interface with space", _with(interface="eth 0"), "spec.interface"),
    _case("interface with a space of Unicode", _with(interface="eth\u00a00"), "spec.interface"),
    _case("interface empty", _with(interface=""), "spec.interface"),
    _case("17 candidates", _with(candidates=17), "spec.candidates"),
    _case("no candidate", _with(candidates=0), "spec.candidates"),
    _case("candidates null", _with(candidates=None)),
    _case("suspend as text", _with(suspend="yes"), "spec.suspend"),
    _case("suspend as number", _with(suspend=1), "spec.suspend"),
    _case("unknown field", _with(adresses=[]), "spec.adresses"),
    _case("field of a later version", _with(holdFor="ever"), "spec.holdFor"),
    _case("sync group", _with(syncGroup="edge-1")),
    _case("sync group that is no label", _with(syncGroup="The edge"), "spec.syncGroup"),
    _case("sync group of 64", _with(syncGroup="a" * 64), "spec.syncGroup"),
    _case("sync group empty", _with(syncGroup=""), "spec.syncGroup"),
    _case("spec absent", None, "spec"),
    _case("long name", _address(IPV4), "metadata.name", "at most 63", called="a" * 64),
    _case("name of 63", _address(IPV4), called="a" * 63),
    _case("bad name", _address(IPV4), "metadata.name", called="Big"),
]

_NODES = [
    _case("by name and by labels", _with(nodes=[{"name": "a"}, {"selector": {"matchLabels": {"role": "web"}}}])),
    _case("empty selector", _node(selector={})),
    _case("128 nodes", _with(nodes=[{"name": f"{n:03}" + "a" * 250} for n in range(128)])),
    _case("129 nodes", _with(nodes=[{"name": f"n{n}"} for n in range(129)]), "spec.nodes"),
    _case("no nodes", _with(nodes=[]), "spec.nodes"),
    _case("nodes null", _with(nodes=None)),
    _case(
        "neither name nor selector", _node(priority=5), "spec.nodes[0]", "exactly one of name and selector is required"
    ),
    _case("name and selector", _node(name="a", selector={}), "spec.nodes[0]", "exactly one of name and selector"),
    _case("name with capitals", _node(name="Node"), "spec.nodes[0].name"),
    _case("name twice", _with(nodes=[{"name": "a"}, {"name": "a"}]), "spec.nodes", "each node may be named once"),
    _case("priority 0", _node(name="a", priority=0), "spec.nodes[0].priority"),
    _case("priority 256", _node(name="a", priority=256), "spec.nodes[0].priority"),
    _case("owner by name", _node(name="a", priority=255)),
    _case(
        "owner by selector", _node(selector={}, priority=255), "spec.nodes[0].priority", "255 is for the node that owns"
    ),
    _case("unknown field of a node", _node(name="a", weight=5), "spec.nodes[0].weight"),
    _case("In", _expression(operator="In", values=["web"])),
    _case("Exists", _expression(operator="Exists")),
    _case("Exists with no values", _expression(operator="Exists", values=[])),
    _case("In without values", _expression(operator="In"), "matchExpressions[0].values", "values are required with In"),
    _case(
        "Exists with values", _expression(operator="Exists", values=["a"]), "matchExpressions[0].values", "forbidden"
    ),
    _case("operator Equals", _expression(operator="Equals", values=["a"]), "matchExpressions[0].operator"),
    _case("label value of a number", _node(selector={"matchLabels": {"a": 1}}), "spec.nodes[0].selector.matchLabels.a"),
    _case("17 labels", _node(selector={"matchLabels": {f"a{n}": "" for n in range(17)}}), "selector.matchLabels"),
    _case("source", _node(name="a", sourceAddresses=["192.0.2.1"])),
    _case("source link-local", {"addresses": [IPV6], "nodes": [{"name": "a", "sourceAddresses": ["fe80::1"]}]}),
    _case(
        "source global IPv6",
        {"addresses": [IPV6], "nodes": [{"name": "a", "sourceAddresses": ["2001:db8::1"]}]},
        "sourceAddresses[0]",
        "2001:db8::1: over IPv6 advertisements come from a link-local address",
    ),
    _case(
        "source with prefix",
        _node(name="a", sourceAddresses=["192.0.2.1/24"]),
        "sourceAddresses[0]",
        "192.0.2.1/24: must be an IP address in canonical text, without a prefix length",
    ),
    _case("source of a selector", _node(selector={}, sourceAddresses=["192.0.2.1"]), "sourceAddresses", "by name"),
    _case(
        "two sources of one family",
        _node(name="a", sourceAddresses=["192.0.2.1", "192.0.2.2"]),
        "spec.nodes[0].sourceAddresses",
        "at most one for each family",
    ),
    _case("three sources", _node(name="a", sourceAddresses=["192.0.2.1", "fe80::1", "fe80::2"]), "sourceAddresses"),
    _case(
        "source of a family without address",
        _node(name="a", sourceAddresses=["fe80::1"]),
        "spec.nodes",
        "sourceAddresses of a family of which there are no addresses",
    ),
]

_HELD = [
    _case("excluded", _with(excludedAddresses=["192.0.2.99/24", "2001:db8::99/64"])),
    _case(
        "excluded and carried",
        _with(excludedAddresses=["192.0.2.94/32"]),
        "spec.excludedAddresses",
        "stands in addresses already",
    ),
    _case(
        "excluded twice",
        _with(excludedAddresses=["192.0.2.99/24", "192.0.2.99/32"]),
        "spec.excludedAddresses",
        "must be unique",
    ),
    _case(
        "excluded without a prefix",
        _with(excludedAddresses=["192.0.2.99"]),
        "spec.excludedAddresses[0]",
        "192.0.2.99/24",
    ),
    _case("tracked", _with(trackedInterfaces=[{"name": "eth1", "lowerPriorityBy": 50}, {"name": "eth2"}])),
    _case("tracked twice", _with(trackedInterfaces=[{"name": "eth1"}, {"name": "eth1"}]), "spec.trackedInterfaces[1]"),
    _case(
        "tracked for nothing",
        _with(trackedInterfaces=[{"name": "eth1", "lowerPriorityBy": 0}]),
        "spec.trackedInterfaces[0].lowerPriorityBy",
    ),
    _case("announced once", _with(vrrp={"announcement": {"count": 1, "repeatAfterSeconds": 0, "refreshSeconds": 60}})),
    _case("never announced", _with(vrrp={"announcement": {"count": 0}}), "spec.vrrp.announcement.count"),
]

_VRRP = [
    _case("unicast", _with(vrrp={"transport": "Unicast", "extraPeers": ["192.0.2.9", "fe80::9"]})),
    _case("broadcast", _with(vrrp={"transport": "Broadcast"}), "spec.vrrp.transport"),
    _case(
        "peers of multicast",
        _with(vrrp={"extraPeers": ["192.0.2.9"]}),
        "spec.vrrp.extraPeers",
        "only Unicast has peers",
    ),
    _case(
        "peer with a prefix",
        _with(vrrp={"transport": "Unicast", "extraPeers": ["192.0.2.9/24"]}),
        "spec.vrrp.extraPeers[0]",
        "192.0.2.9/24: must be an IP address in canonical text",
    ),
    _case("empty vrrp", _with(vrrp={})),
    _case("vrrp null", _with(vrrp=None)),
    _case("version 2", _with(vrrp={"version": 2})),
    _case("version 4", _with(vrrp={"version": 4}), "spec.vrrp.version"),
    _case("version as text", _with(vrrp={"version": "3"}), "spec.vrrp.version"),
    _case("shortest", _with(vrrp={"advertisementPeriodMilliseconds": 10})),
    _case("longest", _with(vrrp={"advertisementPeriodMilliseconds": 40950})),
    _case("longest of version 2", _with(vrrp={"version": 2, "advertisementPeriodMilliseconds": 255000})),
    _case("too short", _with(vrrp={"advertisementPeriodMilliseconds": 9}), "spec.vrrp.advertisementPeriodMilliseconds"),
    _case(
        "no tens",
        _with(vrrp={"advertisementPeriodMilliseconds": 1005}),
        "spec.vrrp.advertisementPeriodMilliseconds",
        "1005: version 3 takes 10 to 40950, a multiple of 10",
    ),
    _case(
        "too long for 12 bits",
        _with(vrrp={"advertisementPeriodMilliseconds": 40960}),
        "spec.vrrp.advertisementPeriodMilliseconds",
        "40960: version 3 takes 10 to 40950",
    ),
    _case(
        "half a second of version 2",
        _with(vrrp={"version": 2, "advertisementPeriodMilliseconds": 500}),
        "spec.vrrp.advertisementPeriodMilliseconds",
        "500: version 2 takes whole seconds, 1000 to 255000",
    ),
    _case(
        "256 seconds",
        _with(vrrp={"version": 2, "advertisementPeriodMilliseconds": 256000}),
        "spec.vrrp.advertisementPeriodMilliseconds",
    ),
    _case("version 2 with IPv6", {"addresses": [IPV4, IPV6], "vrrp": {"version": 2}}, "spec.vrrp.version", "IPv4 only"),
    _case("virtual MAC", _with(vrrp={"virtualMAC": "Enabled"})),
    _case("virtual MAC of its own", _with(vrrp={"virtualMAC": "Sometimes"}), "spec.vrrp.virtualMAC"),
    _case("password", _with(vrrp={"version": 2, "authentication": _LOCAL_PASSWORD})),
    _case("signed", _signed()),
    _case("signed, in a mode", _signed(mode="ReceiveOnly")),
    _case("signed with two keys", _signed(keys=[_KEY, {**_KEY, "id": 2}], activeKeyID=2)),
    _case("signed with eight keys", _signed(keys=[{**_KEY, "id": number} for number in range(8)])),
    _case("nine keys", _signed(keys=[{**_KEY, "id": number} for number in range(9)]), "spec.vrrp.authentication.keys"),
    _case("no keys", _signed(keys=[]), "spec.vrrp.authentication.keys"),
    _case("key 256", _signed(keys=[{**_KEY, "id": 256}]), "spec.vrrp.authentication.keys[0].id"),
    _case("key without a Secret", _signed(keys=[{"id": 1}]), "spec.vrrp.authentication.keys[0].secretRef"),
    _case(
        "key 1 twice", _signed(keys=[_KEY, _KEY]), "spec.vrrp.authentication.keys", "each key needs an id of its own"
    ),
    _case(
        "active key that is none",
        _signed(activeKeyID=2),
        "spec.vrrp.authentication.activeKeyID",
        "2: must be the id of one of keys",
    ),
    _case("signed without an active key", _signed(activeKeyID=None), "spec.vrrp.authentication", _TAKES_KEYS),
    _case("signed without keys", _signed(keys=None), "spec.vrrp.authentication", _TAKES_KEYS),
    _case("signed, with a password", _signed(secretRef=_KEY["secretRef"]), "spec.vrrp.authentication", _TAKES_KEYS),
    _case("signed, in a mode of its own", _signed(mode="Strict"), "spec.vrrp.authentication.mode"),
    _case(
        "signed version 2",
        _with(vrrp={"version": 2, "authentication": _SIGNED}),
        "spec.vrrp.authentication",
        "authentication type HMACSHA256 exists in version 3 only, not in version 2",
    ),
    *(
        _case(
            f"password with {name}",
            _with(vrrp={"version": 2, "authentication": {**_LOCAL_PASSWORD, name: value}}),
            "spec.vrrp.authentication",
            "type Password takes secretRef, and neither keys nor activeKeyID nor mode",
        )
        for name, value in (("keys", [_KEY]), ("activeKeyID", 1), ("mode", "Enforce"))
    ),
    _case(
        "password in version 3",
        _with(vrrp={"authentication": _LOCAL_PASSWORD}),
        "spec.vrrp.authentication",
        "authentication type Password exists in version 2 only",
    ),
    _case(
        "password without secret",
        _with(vrrp={"version": 2, "authentication": {"type": "Password"}}),
        "spec.vrrp.authentication",
        "type Password takes secretRef, and neither keys nor activeKeyID nor mode",
    ),
    _case(
        "type PASS",
        _with(vrrp={"version": 2, "authentication": {**_LOCAL_PASSWORD, "type": "PASS"}}),
        "spec.vrrp.authentication.type",
    ),
    *(
        _case(
            f"secret {name}/{key}",
            _with(vrrp={"version": 2, "authentication": {"type": "Password", "secretRef": {"name": name, "key": key}}}),
            f"secretRef.{field}",
        )
        for name, key, field in (("../a", "b", "name"), ("a", "..", "key"), ("a", ".", "key"), ("a", "b/c", "key"))
    ),
    _case("message only", _with(vrrp={"ipv4Checksum": "MessageOnly", "linkLocal": "None"})),
    _case("checksum of another word", _with(vrrp={"ipv4Checksum": "Off"}), "spec.vrrp.ipv4Checksum"),
    _case("never preempt", _with(preemption={"policy": "Never"})),
    _case("delay", _with(preemption={"delaySeconds": 1000})),
    _case("delay too long", _with(preemption={"delaySeconds": 1001}), "spec.preemption.delaySeconds"),
    _case(
        "delay of nothing",
        _with(preemption={"policy": "Never", "delaySeconds": 5}),
        "spec.preemption.delaySeconds",
        "5: must be 0 with policy Never",
    ),
    _case("damping", _with(linkDamping={"downMilliseconds": 1999, "upMilliseconds": 3600000})),
    _case("damping of one way", _with(linkDamping={"upMilliseconds": 5000})),
    _case("no damping", _with(linkDamping={})),
    _case(
        "down for two periods",
        _with(linkDamping={"downMilliseconds": 2000}),
        "spec.linkDamping.downMilliseconds",
        "2000: must be less than two advertisement periods, which are 2000",
    ),
    _case(
        "down for two short periods",
        _with(linkDamping={"downMilliseconds": 200}, vrrp={"advertisementPeriodMilliseconds": 100}),
        "spec.linkDamping.downMilliseconds",
        "200: must be less than two advertisement periods, which are 200",
    ),
    _case("up for too long", _with(linkDamping={"upMilliseconds": 3600001}), "spec.linkDamping.upMilliseconds"),
    _case(
        "down for less than nothing", _with(linkDamping={"downMilliseconds": -1}), "spec.linkDamping.downMilliseconds"
    ),
]

_PROBES = [
    _case("smallest probe", _probe()),
    _case("tenths", _probe(periodSeconds=0.7, timeoutSeconds=0.3)),
    _case(
        "probe fields",
        _probe(
            periodSeconds=3600, failureThreshold=100, successThreshold=100, initially="Failing", lowerPriorityBy=253
        ),
    ),
    _case(
        "default timeout over the period",
        _probe(periodSeconds=0.5),
        "spec.probes[0].timeoutSeconds",
        "1: must be at most periodSeconds, which is 0.5",
    ),
    _case("hundredths", _probe(periodSeconds=1.25), "spec.probes[0].periodSeconds", "1.25: must be a multiple of 0.1"),
    _case(
        "timeout in hundredths",
        _probe(timeoutSeconds=0.55),
        "spec.probes[0].timeoutSeconds",
        "0.55: must be a multiple",
    ),
    _case("no period", _probe(periodSeconds=0), "spec.probes[0].periodSeconds"),
    _case("no time at all", _probe(timeoutSeconds=0), "spec.probes[0].timeoutSeconds"),
    _case("period as text", _probe(periodSeconds="2"), "spec.probes[0].periodSeconds"),
    _case("period true", _probe(periodSeconds=True), "spec.probes[0].periodSeconds"),
    _case("no check", _with(probes=[{"name": "web"}]), "spec.probes[0].tcpSocket"),
    _case("no probe name", _with(probes=[{"tcpSocket": {"port": 1}}]), "spec.probes[0].name"),
    _case("probe name with space", _probe(name="a b"), "spec.probes[0].name"),
    _case(
        "probe name twice",
        _with(probes=[{"name": "a", "tcpSocket": {"port": port}} for port in (1, 2)]),
        "spec.probes[1]",
    ),
    _case("port 0", _probe(tcpSocket={"port": 0}), "spec.probes[0].tcpSocket.port"),
    _case("port 65536", _probe(tcpSocket={"port": 65536}), "spec.probes[0].tcpSocket.port"),
    _case("port by name", _probe(tcpSocket={"port": "http"}), "spec.probes[0].tcpSocket.port"),
    _case("host", _probe(tcpSocket={"port": 80, "host": "2001:db8::1"})),
    _case("host with space", _probe(tcpSocket={"port": 80, "host": "a b"}), "spec.probes[0].tcpSocket.host"),
    _case("threshold 0", _probe(failureThreshold=0), "spec.probes[0].failureThreshold"),
    _case("threshold of a fraction", _probe(successThreshold=1.5), "spec.probes[0].successThreshold"),
    _case("lowered by 254", _probe(lowerPriorityBy=254), "spec.probes[0].lowerPriorityBy"),
    _case("probe not there yet", _probe(httpGet={"port": 80}), "spec.probes[0].httpGet"),
    _case("17 probes", _with(probes=[{"name": f"a{n}", "tcpSocket": {"port": 1}} for n in range(17)]), "spec.probes"),
]

CASES = [*_ADDRESSES, *_HELD, *_ROUTES, *_PLACE, *_NODES, *_VRRP, *_PROBES]
