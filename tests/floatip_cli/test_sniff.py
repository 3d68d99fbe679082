"""`floatip sniff` shows what is on the wire, from a capture file and live."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from floatip_agent.vrrp.packet import MULTICAST_IPV4, MULTICAST_IPV6, Wire, encode, padded_password
from floatip_cli.__main__ import main
from lab.network import Lan
from lab.programs import installed
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

SECOND = 1_000_000_000
IPV4 = (socket.inet_aton("172.16.69.94"),)
IPV6 = (socket.inet_pton(socket.AF_INET6, "fe80::1"), socket.inet_pton(socket.AF_INET6, "2001:db8::1"))


def frame(wire: Wire, priority: int, source: str, destination: str | None = None, ttl: int = 255) -> Ether:
    if len(wire.addresses[0]) == 4:
        to = socket.inet_aton(destination) if destination else MULTICAST_IPV4
        message = encode(wire, priority, socket.inet_aton(source), to)
        below = IP(src=source, dst=socket.inet_ntoa(to), proto=112, ttl=ttl)
    else:
        message = encode(wire, priority, socket.inet_pton(socket.AF_INET6, source), MULTICAST_IPV6)
        below = IPv6(src=source, dst="ff02::12", nh=112, hlim=ttl)
    return Ether(src="02:00:00:00:00:01", dst="01:00:5e:00:00:12") / below / Raw(message)


V2 = Wire(2, 51, SECOND, IPV4, password=padded_password("tan124"))
V3 = Wire(3, 51, SECOND // 10, IPV4)
V6 = Wire(3, 10, SECOND, IPV6)


@pytest.mark.parametrize(
    ("packet", "line"),
    [
        (
            frame(V2, 100, "172.16.69.91"),
            "172.16.69.91 > 224.0.0.18 VRRPv2 router 51 priority 100, every 1000 ms, password: 172.16.69.94",
        ),
        (
            frame(V3, 0, "172.16.69.91"),
            "172.16.69.91 > 224.0.0.18 VRRPv3 router 51 priority 0 (leaving), every 100 ms: 172.16.69.94",
        ),
        (
            frame(V3, 255, "172.16.69.91", "172.16.69.92", ttl=60),
            "172.16.69.91 > 172.16.69.92 VRRPv3 router 51 priority 255 (owner), every 100 ms: 172.16.69.94",
        ),
        (
            frame(V6, 150, "fe80::c8"),
            "fe80::c8 > ff02::12 VRRPv3 router 10 priority 150, every 1000 ms: fe80::1, 2001:db8::1",
        ),
        (
            frame(V3, 100, "172.16.69.91", ttl=1),
            "172.16.69.91 > 224.0.0.18 VRRPv3 router 51 priority 100, 1 addresses: BadTTL",
        ),
    ],
    ids=["version 2", "leaving", "unicast", "IPv6", "wrong TTL"],
)
def test_a_line_for_each_packet(tmp_path: Path, capsys: pytest.CaptureFixture[str], packet: Ether, line: str) -> None:
    capture = tmp_path / "vrrp.pcap"
    wrpcap(str(capture), [Ether() / ARP(), packet])
    assert main(["sniff", "-r", str(capture)]) == 0
    (shown,) = capsys.readouterr().out.splitlines()
    assert shown.partition(" ")[2] == line, "and the ARP frame is passed over"


def test_a_file_that_is_no_capture_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("no capture")
    assert main(["sniff", "-r", str(tmp_path / "text")]) == 2
    assert str(tmp_path / "text") in capsys.readouterr().err


@pytest.mark.linux
def test_live(lan: Lan) -> None:
    sender, listener = lan.host("n1", "10.9.0.1/24"), lan.host("n2", "10.9.0.2/24")
    command = [installed("floatip"), "sniff", "-i", "eth0", "-c", "1"]
    log = listener.folder / "sniff.log"
    process = listener.popen(command, log=log)
    program = "from scapy.sendrecv import sendp; from scapy.layers.l2 import Ether; import sys, time\n"
    program += f"frame = Ether(bytes.fromhex('{bytes(frame(V3, 100, '10.9.0.1')).hex()}'))\n"
    program += "for _ in range(40): sendp(frame, iface='eth0', verbose=False); time.sleep(0.2)"
    flood = sender.popen([sys.executable, "-c", program])
    try:
        assert process.wait(timeout=20) == 0
    except subprocess.TimeoutExpired:
        pytest.fail(f"nothing was seen: {log.read_text()}")
    finally:
        flood.kill()
        flood.wait()
    assert "10.9.0.1 > 224.0.0.18 VRRPv3 router 51 priority 100, every 100 ms: 172.16.69.94" in log.read_text()
