"""Good and bad FloatingIPs: one table for `floatip validate` and for real API servers."""

from __future__ import annotations

from typing import Any

from manifests.case import IPV6, case, with_addresses
from manifests.of_addresses import ADDRESSES
from manifests.of_the_wire import WIRE


def node(**entry: Any) -> dict[str, Any]:
    return with_addresses(nodes=[entry])


def probe(**fields: Any) -> dict[str, Any]:
    return with_addresses(probes=[{"name": "web", "tcpSocket": {"port": 80}, **fields}])


def expression(**fields: Any) -> dict[str, Any]:
    return node(selector={"matchExpressions": [{"key": "role", **fields}]})


_LOCAL_PASSWORD = {"type": "Password", "secretRef": {"name": "vrrp", "key": "password"}}

_PLACE = [
    case(
        "everything",
        with_addresses(
            virtualRouterID=51,
            interface="bond0.7",
            candidates=2,
            suspend=True,
            nodes=[{"name": "a", "priority": 255, "interface": "eth0", "sourceAddresses": ["192.0.2.1"]}],
        ),
    ),
    case("router ID 0", with_addresses(virtualRouterID=0), "spec.virtualRouterID"),
    case("router ID 256", with_addresses(virtualRouterID=256), "spec.virtualRouterID"),
    case("router ID as text", with_addresses(virtualRouterID="51"), "spec.virtualRouterID"),
    case("router ID null", with_addresses(virtualRouterID=None)),
    case("interface too long", with_addresses(interface="a" * 16), "spec.interface"),
    case("interface with slash", with_addresses(interface="eth/0"), "spec.interface"),
    case("interface with space", with_addresses(interface="eth 0"), "spec.interface"),
    case("interface with a space of Unicode", with_addresses(interface="eth\u00a00"), "spec.interface"),
    case("interface empty", with_addresses(interface=""), "spec.interface"),
    case("17 candidates", with_addresses(candidates=17), "spec.candidates"),
    case("no candidate", with_addresses(candidates=0), "spec.candidates"),
    case("candidates null", with_addresses(candidates=None)),
    case("suspend as text", with_addresses(suspend="yes"), "spec.suspend"),
    case("suspend as number", with_addresses(suspend=1), "spec.suspend"),
    case("unknown field", with_addresses(adresses=[]), "spec.adresses"),
    case("field of a later version", with_addresses(holdFor="ever"), "spec.holdFor"),
    case("sync group", with_addresses(syncGroup="edge-1")),
    case("sync group that is no label", with_addresses(syncGroup="The edge"), "spec.syncGroup"),
    case("sync group of 64", with_addresses(syncGroup="a" * 64), "spec.syncGroup"),
    case("sync group empty", with_addresses(syncGroup=""), "spec.syncGroup"),
    case("spec absent", None, "spec"),
    case("long name", with_addresses(), "metadata.name", "at most 63", called="a" * 64),
    case("name of 63", with_addresses(), called="a" * 63),
    case("bad name", with_addresses(), "metadata.name", called="Big"),
]

_NODES = [
    case(
        "by name and by labels", with_addresses(nodes=[{"name": "a"}, {"selector": {"matchLabels": {"role": "web"}}}])
    ),
    case("empty selector", node(selector={})),
    case("128 nodes", with_addresses(nodes=[{"name": f"{n:03}" + "a" * 250} for n in range(128)])),
    case("129 nodes", with_addresses(nodes=[{"name": f"n{n}"} for n in range(129)]), "spec.nodes"),
    case("no nodes", with_addresses(nodes=[]), "spec.nodes"),
    case("nodes null", with_addresses(nodes=None)),
    case(
        "neither name nor selector", node(priority=5), "spec.nodes[0]", "exactly one of name and selector is required"
    ),
    case("name and selector", node(name="a", selector={}), "spec.nodes[0]", "exactly one of name and selector"),
    case("name with capitals", node(name="Node"), "spec.nodes[0].name"),
    case(
        "name twice", with_addresses(nodes=[{"name": "a"}, {"name": "a"}]), "spec.nodes", "each node may be named once"
    ),
    case("priority 0", node(name="a", priority=0), "spec.nodes[0].priority"),
    case("priority 256", node(name="a", priority=256), "spec.nodes[0].priority"),
    case("owner by name", node(name="a", priority=255)),
    case(
        "owner by selector", node(selector={}, priority=255), "spec.nodes[0].priority", "255 is for the node that owns"
    ),
    case("unknown field of a node", node(name="a", weight=5), "spec.nodes[0].weight"),
    case("In", expression(operator="In", values=["web"])),
    case("Exists", expression(operator="Exists")),
    case("Exists with no values", expression(operator="Exists", values=[])),
    case("In without values", expression(operator="In"), "matchExpressions[0].values", "values are required with In"),
    case("Exists with values", expression(operator="Exists", values=["a"]), "matchExpressions[0].values", "forbidden"),
    case("operator Equals", expression(operator="Equals", values=["a"]), "matchExpressions[0].operator"),
    case("label value of a number", node(selector={"matchLabels": {"a": 1}}), "spec.nodes[0].selector.matchLabels.a"),
    case("17 labels", node(selector={"matchLabels": {f"a{n}": "" for n in range(17)}}), "selector.matchLabels"),
    case("source", node(name="a", sourceAddresses=["192.0.2.1"])),
    case("source link-local", {"addresses": [IPV6], "nodes": [{"name": "a", "sourceAddresses": ["fe80::1"]}]}),
    case(
        "source global IPv6",
        {"addresses": [IPV6], "nodes": [{"name": "a", "sourceAddresses": ["2001:db8::1"]}]},
        "sourceAddresses[0]",
        "2001:db8::1: over IPv6 advertisements come from a link-local address",
    ),
    case(
        "source with prefix",
        node(name="a", sourceAddresses=["192.0.2.1/24"]),
        "sourceAddresses[0]",
        "192.0.2.1/24: must be an IP address in canonical text, without a prefix length",
    ),
    case("source of a selector", node(selector={}, sourceAddresses=["192.0.2.1"]), "sourceAddresses", "by name"),
    case(
        "two sources of one family",
        node(name="a", sourceAddresses=["192.0.2.1", "192.0.2.2"]),
        "spec.nodes[0].sourceAddresses",
        "at most one for each family",
    ),
    case("three sources", node(name="a", sourceAddresses=["192.0.2.1", "fe80::1", "fe80::2"]), "sourceAddresses"),
    case(
        "source of a family without address",
        node(name="a", sourceAddresses=["fe80::1"]),
        "spec.nodes",
        "sourceAddresses of a family of which there are no addresses",
    ),
]

_PROBES = [
    case("smallest probe", probe()),
    case("tenths", probe(periodSeconds=0.7, timeoutSeconds=0.3)),
    case(
        "probe fields",
        probe(periodSeconds=3600, failureThreshold=100, successThreshold=100, initially="Failing", lowerPriorityBy=253),
    ),
    case(
        "default timeout over the period",
        probe(periodSeconds=0.5),
        "spec.probes[0].timeoutSeconds",
        "1: must be at most periodSeconds, which is 0.5",
    ),
    case("hundredths", probe(periodSeconds=1.25), "spec.probes[0].periodSeconds", "1.25: must be a multiple of 0.1"),
    case(
        "timeout in hundredths",
        probe(timeoutSeconds=0.55),
        "spec.probes[0].timeoutSeconds",
        "0.55: must be a multiple",
    ),
    case("no period", probe(periodSeconds=0), "spec.probes[0].periodSeconds"),
    case("no time at all", probe(timeoutSeconds=0), "spec.probes[0].timeoutSeconds"),
    case("period as text", probe(periodSeconds="2"), "spec.probes[0].periodSeconds"),
    case("period true", probe(periodSeconds=True), "spec.probes[0].periodSeconds"),
    case("no check", with_addresses(probes=[{"name": "web"}]), "spec.probes[0].tcpSocket"),
    case("no probe name", with_addresses(probes=[{"tcpSocket": {"port": 1}}]), "spec.probes[0].name"),
    case("probe name with space", probe(name="a b"), "spec.probes[0].name"),
    case(
        "probe name twice",
        with_addresses(probes=[{"name": "a", "tcpSocket": {"port": port}} for port in (1, 2)]),
        "spec.probes[1]",
    ),
    case("port 0", probe(tcpSocket={"port": 0}), "spec.probes[0].tcpSocket.port"),
    case("port 65536", probe(tcpSocket={"port": 65536}), "spec.probes[0].tcpSocket.port"),
    case("port by name", probe(tcpSocket={"port": "http"}), "spec.probes[0].tcpSocket.port"),
    case("host", probe(tcpSocket={"port": 80, "host": "2001:db8::1"})),
    case("host with space", probe(tcpSocket={"port": 80, "host": "a b"}), "spec.probes[0].tcpSocket.host"),
    case("threshold 0", probe(failureThreshold=0), "spec.probes[0].failureThreshold"),
    case("threshold of a fraction", probe(successThreshold=1.5), "spec.probes[0].successThreshold"),
    case("lowered by 254", probe(lowerPriorityBy=254), "spec.probes[0].lowerPriorityBy"),
    case("probe not there yet", probe(httpGet={"port": 80}), "spec.probes[0].httpGet"),
    case(
        "17 probes",
        with_addresses(probes=[{"name": f"a{n}", "tcpSocket": {"port": 1}} for n in range(17)]),
        "spec.probes",
    ),
]

CASES = [*ADDRESSES, *WIRE, *_PLACE, *_NODES, *_PROBES]
