"""Routes and rules in a real kernel."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from floatip_agent.linux import netlink, routes
from floatip_agent.linux.background import Background
from floatip_agent.linux.routes import KernelRoutes
from floatip_agent.ports import Route, RouteEntry, Rule
from lab.network import Host, Lan
from lab.waiting import until

pytestmark = pytest.mark.linux


def packed(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


class Kernel:
    def __init__(self, host: Host) -> None:
        self.host = host
        with host.entered():
            self.requests = netlink.Requests()
            self.index = socket.if_nametoindex("eth0")
        self.background = Background()
        self.routes = KernelRoutes(self.requests, self.background)

    def route(self, to: str, via: str | None = None, **more: Any) -> Route:
        address, _, length = to.partition("/")
        return Route((packed(address), int(length)), self.index, None if via is None else packed(via), **more)

    def shown(self, *words: str) -> list[dict[str, Any]]:
        """Routes or rules whose protocol is ours."""
        said = json.loads(self.host.run(["ip", "-json", "-details", *words]).stdout or "[]")
        return [entry for entry in said if entry.get("protocol") == "112"]


@pytest.fixture
def kernel(lan: Lan) -> Iterator[Kernel]:
    found = Kernel(lan.host("n1", "10.9.0.1/24", "fd09::1/64"))
    yield found
    found.requests.close()


def test_routes_of_both_families_come_and_go(kernel: Kernel) -> None:
    entries = [
        kernel.route("10.50.0.0/16", "10.9.0.254", metric=50),
        kernel.route("0.0.0.0/0", "10.9.0.254", table=100, source=packed("10.9.0.1")),
        kernel.route("10.60.0.0/16"),
        kernel.route("2001:db8:1::/48", "fd09::fe"),
    ]
    assert kernel.routes.install(entries) == {}
    four = {entry["dst"]: entry for entry in kernel.shown("-4", "route", "show", "table", "all")}
    assert four["10.50.0.0/16"]["gateway"] == "10.9.0.254"
    assert four["10.50.0.0/16"]["metric"] == 50
    assert (four["default"]["table"], four["default"]["prefsrc"]) == ("100", "10.9.0.1")
    assert four["10.60.0.0/16"]["dev"] == "eth0"
    assert [entry["dst"] for entry in kernel.shown("-6", "route", "show", "table", "all")] == ["2001:db8:1::/48"]
    kernel.routes.withdraw(entries)
    assert kernel.shown("-4", "route", "show", "table", "all") == []
    assert kernel.shown("-6", "route", "show", "table", "all") == []


def test_rules_of_both_families_come_and_go(kernel: Kernel) -> None:
    entries = [
        Rule((packed("10.9.0.100"), 32), None, 100, 1000),
        Rule((packed("10.0.0.0"), 8), (packed("10.9.0.0"), 24), 70000, 1001),
        Rule(None, (packed("2001:db8::"), 32), 100, 1000),
    ]
    assert kernel.routes.install(entries) == {}
    four = {entry["priority"]: entry for entry in kernel.shown("-4", "rule", "show")}
    assert (four[1000]["src"], four[1000]["table"]) == ("10.9.0.100", "100")
    assert (four[1001]["src"], four[1001]["srclen"], four[1001]["dst"], four[1001]["table"]) == (
        "10.0.0.0", 8, "10.9.0.0", "70000",
    )  # fmt: skip
    (six,) = kernel.shown("-6", "rule", "show")
    assert (six["dst"], six["dstlen"]) == ("2001:db8::", 32)
    kernel.routes.withdraw(entries)
    assert kernel.shown("-4", "rule", "show") == kernel.shown("-6", "rule", "show") == []


def test_what_is_there_already_is_fine_and_stays_when_ours_goes(kernel: Kernel) -> None:
    kernel.host.run(["ip", "route", "add", "10.50.0.0/16", "via", "10.9.0.254"])
    kernel.host.run(["ip", "rule", "add", "from", "10.9.0.100", "table", "100", "priority", "1000"])
    entries: list[RouteEntry] = [
        kernel.route("10.50.0.0/16", "10.9.0.254"),
        Rule((packed("10.9.0.100"), 32), None, 100, 1000),
    ]
    assert kernel.routes.install(entries) == {}
    kernel.routes.withdraw(entries)
    assert "10.50.0.0/16" in kernel.host.run(["ip", "route"]).stdout
    assert "10.9.0.100" in kernel.host.run(["ip", "rule"]).stdout


def test_what_the_kernel_refuses_is_named_and_the_others_go_on(kernel: Kernel) -> None:
    bad, good = kernel.route("10.50.0.0/16", "192.0.2.1"), kernel.route("10.60.0.0/16", "10.9.0.254")
    refused = kernel.routes.install([bad, good])
    assert list(refused) == [bad]
    assert str(bad) == "10.50.0.0/16 via 192.0.2.1"
    assert [entry["dst"] for entry in kernel.shown("-4", "route")] == ["10.60.0.0/16"]


def test_a_route_that_a_link_took_along_comes_back(kernel: Kernel) -> None:
    entry = kernel.route("10.50.0.0/16", "10.9.0.254")
    kernel.background.start()
    kernel.routes.install([entry])
    kernel.host.run(["ip", "link", "set", "eth0", "down"])
    assert kernel.shown("-4", "route") == []
    until(lambda: entry in kernel.routes.keep([entry]), 5, "it is told that the link is down")
    kernel.host.run(["ip", "link", "set", "eth0", "up"])
    kernel.routes.keep([entry])
    until(lambda: kernel.shown("-4", "route"), 5, "the route is back")
    kernel.routes.keep([entry])
    kernel.routes.withdraw([entry])
    kernel.routes.keep([entry])
    until(lambda: kernel.background._jobs.empty(), 5, "the background has nothing to do")
    assert kernel.shown("-4", "route") == []


def test_a_sweep_takes_ours_out_and_nobody_elses(kernel: Kernel) -> None:
    kernel.host.run(["ip", "route", "add", "10.70.0.0/16", "via", "10.9.0.254"])
    kernel.routes.install(
        [
            kernel.route("10.50.0.0/16", "10.9.0.254"),
            kernel.route("0.0.0.0/0", "10.9.0.254", table=100),
            kernel.route("2001:db8:1::/48", "fd09::fe"),
            Rule((packed("10.9.0.100"), 32), None, 100, 1000),
            Rule(None, (packed("2001:db8::"), 32), 100, 1000),
        ]
    )
    assert routes.sweep(kernel.requests) == 5
    assert routes.sweep(kernel.requests) == 0
    assert "10.70.0.0/16" in kernel.host.run(["ip", "route"]).stdout
