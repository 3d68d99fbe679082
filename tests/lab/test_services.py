"""The small servers beside the product's programs."""

from __future__ import annotations

import socket

from lab.network import Lan
from lab.services import Listener, forwarded


def test_a_service_goes_and_comes_back(lan: Lan) -> None:
    node, client = lan.host("n1", "10.9.0.1/24"), lan.host("client", "10.9.0.9/24")

    def reachable() -> bool:
        with client.entered(), socket.socket() as probe:
            return probe.connect_ex(("10.9.0.1", 9200)) == 0

    service = Listener(node, 9200)
    assert reachable()
    service.stop()
    assert not reachable()
    service.start()
    assert reachable()


def test_a_forwarder_leads_into_the_namespace(lan: Lan) -> None:
    node = lan.host("n1", "10.9.0.1/24")
    with node.entered(), socket.create_server(("127.0.0.1", 6443)) as server:
        inside = server.dup()
    port = forwarded(node, 6443, lan.folder / "forwarder")
    with inside, socket.create_connection(("127.0.0.1", port), timeout=5) as outside:
        connection, _ = inside.accept()
        with connection:
            outside.sendall(b"in")
            assert connection.recv(10) == b"in"
            connection.sendall(b"out")
            assert outside.recv(10) == b"out"
