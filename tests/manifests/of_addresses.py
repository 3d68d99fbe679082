"""Good and bad addresses, and routes and rules that go with them."""

from __future__ import annotations

from typing import Any

from manifests.case import IPV4, IPV6, case, with_addresses


def address(text: Any) -> dict[str, Any]:
    return {"addresses": [text]}


_SUBNET_OR_DEFAULT = "must be a subnet in canonical text, as in 10.50.0.0/16, or default"
_UNICAST = "must be a unicast address, not loopback, multicast, broadcast or unspecified"

_ADDRESSES = [
    case("smallest", address(IPV4)),
    case("both families", {"addresses": [IPV4, IPV6]}),
    case("host prefix", {"addresses": ["192.0.2.94/32", "2001:db8::94/128"]}),
    case("point to point", address("192.0.2.94/31")),
    case("IPv6 that YAML could take for a number", address("1:2:3:4:5:6:7:8/64")),
    case("listed link-local", {"addresses": ["fe80::94/64", IPV6]}),
    case("64 addresses", {"addresses": [f"192.0.2.{n}/24" for n in range(1, 65)]}),
    case(
        "64 long addresses", {"addresses": [f"2001:db8:1111:2222:3333:4444:5555:{n:x}/128" for n in range(4096, 4160)]}
    ),
    case("65 addresses", {"addresses": [f"192.0.2.{n}/24" for n in range(1, 66)]}, "spec.addresses"),
    case("no address", {"addresses": []}, "spec.addresses"),
    case("addresses absent", {}, "spec.addresses"),
    case("addresses null", {"addresses": None}, "spec.addresses"),
    case("addresses as text", {"addresses": IPV4}, "spec.addresses"),
    case("address as number", address(5), "spec.addresses[0]"),
    case("address null", address(None), "spec.addresses[0]"),
    case("bare IPv4", address("192.0.2.94"), "spec.addresses[0]", "write 192.0.2.94/24"),
    case("bare IPv6", address("2001:db8::94"), "spec.addresses[0]", "write 2001:db8::94/64"),
    case("hostname", address("web.example"), "spec.addresses[0]", "web.example: must be an address with its subnet's"),
    case("empty address", address(""), "spec.addresses[0]"),
    case("octet 256", address("192.0.2.256/24"), "spec.addresses[0]", "192.0.2.256/24: must be an address"),
    case("leading zero", address("192.0.2.094/24"), "spec.addresses[0]", "192.0.2.094/24: must be an address"),
    case("prefix 33", address("192.0.2.94/33"), "spec.addresses[0]", "192.0.2.94/33: must be an address"),
    case("netmask", address("192.0.2.94/255.255.255.0"), "spec.addresses[0]", "255.255.255.0: must be an address"),
    case("prefix with zero", address("192.0.2.94/024"), "spec.addresses[0]", "192.0.2.94/024: must be an address"),
    case("two prefixes", address("192.0.2.94/24/24"), "spec.addresses[0]", "192.0.2.94/24/24: must be an address"),
    case("scope", address("fe80::1%eth0/64"), "spec.addresses[0]", "fe80::1%eth0/64: must be an address"),
    case("IPv4-mapped", address("::ffff:192.0.2.94/96"), "spec.addresses[0]", "/96: must be an address"),
    case("space", address(" 192.0.2.94/24"), "spec.addresses[0]", ": must be an address"),
    case("not canonical", address("2001:DB8:0::94/64"), "spec.addresses[0]", "text: write 2001:db8::94/64"),
    case("zeros written out", address("2001:db8:0:0:0:0:0:94/64"), "spec.addresses[0]", "write 2001:db8::94/64"),
    case("loopback", address("127.0.0.1/8"), "spec.addresses[0]", f"127.0.0.1/8: {_UNICAST}"),
    case("IPv6 loopback", address("::1/128"), "spec.addresses[0]", f"::1/128: {_UNICAST}"),
    case("multicast", address("224.0.0.18/24"), "spec.addresses[0]", f"224.0.0.18/24: {_UNICAST}"),
    case("multicast beyond the link", address("239.1.1.1/24"), "spec.addresses[0]", _UNICAST),
    case("IPv6 multicast", address("ff02::12/64"), "spec.addresses[0]", _UNICAST),
    case("unspecified", address("0.0.0.0/24"), "spec.addresses[0]", _UNICAST),
    case("IPv6 unspecified", address("::/64"), "spec.addresses[0]", _UNICAST),
    case("limited broadcast", address("255.255.255.255/32"), "spec.addresses[0]", _UNICAST),
    case("the subnet", address("192.0.2.0/24"), "spec.addresses[0]", "192.0.2.0/24: must be an address in the subnet"),
    case("the IPv6 subnet", address("2001:db8::/64"), "spec.addresses[0]", "must be an address in the subnet"),
    case(
        "prefix 0", address("192.0.2.94/0"), "spec.addresses[0]", "192.0.2.94/0: the prefix length must be at least 1"
    ),
    case("twice", {"addresses": [IPV4, IPV4]}, "spec.addresses", "must be unique"),
    case("twice with other prefix", {"addresses": [IPV4, "192.0.2.94/32"]}, "spec.addresses", "must be unique"),
    case("one the other's beginning", {"addresses": ["192.0.2.9/24", IPV4]}),
    case("second is bad", {"addresses": [IPV4, "192.0.2.95"]}, "spec.addresses[1]", "write 192.0.2.95/24"),
]

_HELD = [
    case("excluded", with_addresses(excludedAddresses=["192.0.2.99/24", "2001:db8::99/64"])),
    case(
        "excluded and carried",
        with_addresses(excludedAddresses=["192.0.2.94/32"]),
        "spec.excludedAddresses",
        "stands in addresses already",
    ),
    case(
        "excluded twice",
        with_addresses(excludedAddresses=["192.0.2.99/24", "192.0.2.99/32"]),
        "spec.excludedAddresses",
        "must be unique",
    ),
    case(
        "excluded without a prefix",
        with_addresses(excludedAddresses=["192.0.2.99"]),
        "spec.excludedAddresses[0]",
        "192.0.2.99/24",
    ),
    case("tracked", with_addresses(trackedInterfaces=[{"name": "eth1", "lowerPriorityBy": 50}, {"name": "eth2"}])),
    case(
        "tracked twice",
        with_addresses(trackedInterfaces=[{"name": "eth1"}, {"name": "eth1"}]),
        "spec.trackedInterfaces[1]",
    ),
    case(
        "tracked for nothing",
        with_addresses(trackedInterfaces=[{"name": "eth1", "lowerPriorityBy": 0}]),
        "spec.trackedInterfaces[0].lowerPriorityBy",
    ),
    case(
        "announced once",
        with_addresses(vrrp={"announcement": {"count": 1, "repeatAfterSeconds": 0, "refreshSeconds": 60}}),
    ),
    case("never announced", with_addresses(vrrp={"announcement": {"count": 0}}), "spec.vrrp.announcement.count"),
]

_ROUTES = [
    case(
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
    case("64 routes", with_addresses(routes=[{"to": f"10.{n}.0.0/16", "via": "192.0.2.1"} for n in range(64)])),
    case(
        "64 rules",
        with_addresses(rules=[{"from": f"10.{n}.0.0/16", "table": 100, "priority": n + 1} for n in range(64)]),
    ),
    case(
        "65 routes",
        with_addresses(routes=[{"to": f"10.{n}.0.0/16", "via": "192.0.2.1"} for n in range(65)]),
        "spec.routes",
    ),
    case("route nowhere", with_addresses(routes=[{"via": "192.0.2.1"}]), "spec.routes[0].to"),
    case(
        "default without via",
        with_addresses(routes=[{"to": "default"}]),
        "spec.routes[0].via",
        "via is required with default",
    ),
    *(
        case(
            f"route to {to}",
            with_addresses(routes=[{"to": to, "via": "192.0.2.1"}]),
            "spec.routes[0].to",
            _SUBNET_OR_DEFAULT,
        )
        for to in ("10.50.0.1/16", "10.50.0.0", "anywhere", "10.050.0.0/16")
    ),
    *(
        case(
            f"route with {name} {text}",
            with_addresses(routes=[{"to": "10.50.0.0/16", name: text}]),
            f"spec.routes[0].{name}",
            "must be an IP address in canonical text, without a prefix length",
        )
        for name in ("via", "source")
        for text in ("192.0.2.1/24", "gateway")
    ),
    case(
        "route of two families",
        {"addresses": [IPV4, IPV6], "routes": [{"to": "10.50.0.0/16", "via": "2001:db8::1"}]},
        "spec.routes[0]",
        "all of it must be of one family",
    ),
    case("table 0", with_addresses(routes=[{"to": "10.50.0.0/16", "table": 0}]), "spec.routes[0].table"),
    case(
        "route of another family",
        with_addresses(routes=[{"to": "2001:db8:1::/48", "via": "fe80::1"}]),
        "spec",
        "routes or rules of a family of which there are no addresses",
    ),
    case(
        "default of another family",
        with_addresses(routes=[{"to": "default", "via": "fe80::1"}]),
        "spec",
        "routes or rules of a family of which there are no addresses",
    ),
    case(
        "rule of no side",
        with_addresses(rules=[{"table": 1, "priority": 1}]),
        "spec.rules[0]",
        "at least one of from and to",
    ),
    case(
        "rule from a host",
        with_addresses(rules=[{"from": "192.0.2.94", "table": 1, "priority": 1}]),
        "spec.rules[0].from",
        "192.0.2.94: must be a subnet in canonical text, as in 10.50.0.0/16",
    ),
    case(
        "rule of two families",
        with_addresses(rules=[{"from": "192.0.2.0/24", "to": "::/0", "table": 1, "priority": 1}]),
        "spec.rules[0]",
        "all of it must be of one family",
    ),
    case("rule without a table", with_addresses(rules=[{"to": "10.0.0.0/8", "priority": 1}]), "spec.rules[0].table"),
    case("rule without a place", with_addresses(rules=[{"to": "10.0.0.0/8", "table": 1}]), "spec.rules[0].priority"),
]

ADDRESSES = [*_ADDRESSES, *_HELD, *_ROUTES]
