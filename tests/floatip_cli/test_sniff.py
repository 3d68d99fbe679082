"""`floatip sniff` shows what is on the wire, from a capture file and live."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from floatip_agent.vrrp.authentication import Keyring
from floatip_agent.vrrp.packet import MULTICAST_IPV4, MULTICAST_IPV6, Wire, encode, padded_password
from floatip_cli.__main__ import main
from lab.network import Lan
from lab.programs import installed
from lab.waiting import until
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import PcapNgWriter, wrpcap
from wire.sniffer import send

SECOND = 1_000_000_000
IPV4 = (socket.inet_aton("172.16.69.94"),)
IPV6 = (socket.inet_pton(socket.AF_INET6, "fe80::1"), socket.inet_pton(socket.AF_INET6, "2001:db8::1"))


def frame(
    wire: Wire, priority: int, source: str, destination: str | None = None, *, ttl: int = 255, sequence: int = 0
) -> Ether:
    if len(wire.addresses[0]) == 4:
        to = socket.inet_aton(destination) if destination else MULTICAST_IPV4
        message = encode(wire, priority, socket.inet_aton(source), to, sequence)
        below = IP(src=source, dst=socket.inet_ntoa(to), proto=112, ttl=ttl)
    else:
        message = encode(wire, priority, socket.inet_pton(socket.AF_INET6, source), MULTICAST_IPV6, sequence)
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
            "172.16.69.91 > 224.0.0.18 VRRPv3 router 51 priority 100, 1 addresses: BadTTL (1)",
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


def write(folder: Path, *packets: Ether, name: str = "vrrp.pcap") -> Path:
    if name.endswith("ng"):
        with PcapNgWriter(str(folder / name)) as writer:
            for packet in packets:
                writer.write(packet)
    else:
        wrpcap(str(folder / name), packets, gz=name.endswith("gz"))
    return folder / name


def tagged(packet: Ether) -> Ether:
    return Ether(src=packet.src, dst=packet.dst) / Dot1Q(vlan=7) / packet.payload


@pytest.mark.parametrize("name", ["vrrp.pcap", "vrrp.pcap.gz", "vrrp.pcapng"])
def test_every_form_of_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    capture = write(tmp_path, frame(V3, 100, "172.16.69.91"), tagged(frame(V6, 150, "fe80::c8")), name=name)
    assert main(["sniff", "-r", str(capture)]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["172.16.69.91", "fe80::c8"]


@pytest.mark.parametrize(("name", "reason"), [("vrrp.pcap", "truncated"), ("vrrp.pcapng", "too short")])
def test_a_capture_that_ends_in_the_middle_is_shown_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    capture = write(tmp_path, frame(V2, 100, "172.16.69.91"), frame(V2, 99, "172.16.69.92"), name=name)
    capture.write_bytes(capture.read_bytes()[:-20])
    assert main(["sniff", "-r", str(capture)]) == 2
    shown = capsys.readouterr()
    assert "router 51 priority 100, every 1000 ms" in shown.out
    assert shown.err.startswith(f"{capture}: ")
    assert reason in shown.err


@pytest.mark.parametrize("content", [None, b"", b"no capture at all, only text"], ids=["missing", "empty", "text"])
def test_a_file_that_is_no_capture_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    assert main(["sniff", "-r", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"{file}: ")


def test_json_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = frame(V2, 99, "172.16.69.92", ttl=1)
    bad.time = 1_763_000_000.25
    assert main(["sniff", "-o", "json", "-r", str(write(tmp_path, frame(V6, 150, "fe80::c8"), bad))]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first.keys() == second.keys()
    assert first["addresses"] == ["fe80::1", "2001:db8::1"]
    assert second == {
        "time": "2025-11-13T02:13:20.250000+00:00",
        "interface": None,
        "source": "172.16.69.92",
        "destination": "224.0.0.18",
        "ttl": 1,
        "version": 2,
        "virtualRouterID": 51,
        "priority": 99,
        "intervalMilliseconds": 1000,
        "addresses": [],
        "authentication": "Password",
        "keyID": None,
        "sequence": None,
        "signatureValid": None,
        "fault": "BadTTL",
    }
    assert "tan124" not in str(second), "what is secret is not shown"


SECRET = "0123456789abcdef0123456789abcdef"
KEYRING = Keyring(((7, SECRET.encode()),), 7)
SIGNED = Wire(3, 51, SECOND, IPV4, keyring=KEYRING), Wire(3, 10, SECOND, IPV6, keyring=KEYRING)


@pytest.mark.parametrize(
    ("key", "is_valid", "fault"),
    [
        (None, None, None),
        (f"7={SECRET}\n", True, None),
        (f"7=hex:{SECRET.encode().hex()}", True, None),
        (f"7={SECRET[::-1]}", False, "AuthenticationFailed"),
        (f"8={SECRET}", None, None),
    ],
    ids=["no key", "the key", "in hexadecimal", "another key", "of another ID"],
)
def test_signatures_are_shown_and_checked_with_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str | None, is_valid: bool | None, fault: str | None
) -> None:
    """RFC 9568 knows none; keepalived 2.4's `auth_hmac`."""
    arguments: list[str] = []
    if key is not None:
        key_id, _, text = key.partition("=")
        (tmp_path / "key").write_text(text)
        arguments = ["--key", f"{key_id}={tmp_path / 'key'}"]
    packets = [frame(SIGNED[0], 100, "172.16.69.91", sequence=42), frame(SIGNED[1], 100, "fe80::c8", sequence=42)]
    assert main(["sniff", "-r", str(write(tmp_path, *packets)), "-o", "json", *arguments]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for packet in shown:
        assert (packet["authentication"], packet["keyID"], packet["sequence"]) == ("HMACSHA256", 7, 42)
        assert (packet["signatureValid"], packet["fault"]) == (is_valid, fault)
    if fault is None:
        assert [packet["addresses"] for packet in shown] == [["172.16.69.94"], ["fe80::1", "2001:db8::1"]]


def test_a_signature_in_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sniff", "-r", str(write(tmp_path, frame(SIGNED[0], 100, "172.16.69.91", sequence=42)))]) == 0
    assert "every 1000 ms, HMAC key 7 sequence 42 (not checked): 172.16.69.94" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "reason"),
    [("7", "must be ID=FILE"), ("256=x", "must be ID=FILE"), ("7=nowhere", "No such file"), ("7=short", "5 bytes")],
)
def test_an_unusable_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("12345")
    with pytest.raises(SystemExit):
        main(["sniff", "-r", "x", "--key", key])
    said = capsys.readouterr().err
    assert reason in said
    assert "12345" not in said


def test_only_the_routers_asked_for_and_only_so_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = write(tmp_path, *[frame(wire, 100, source) for wire, source in ((V2, "1.2.3.4"), (V6, "fe80::1")) * 3])
    asked = [["--virtual-router-id", "10"], ["-c", "2"], ["--virtual-router-id", "51", "--virtual-router-id", "10"]]
    counts = []
    for options in asked:
        assert main(["sniff", "-r", str(capture), *options]) == 0
        counts.append(len(capsys.readouterr().out.splitlines()))
    assert counts == [3, 2, 6]


@pytest.mark.parametrize(
    "arguments", [["-c", "-1"], ["-c", "0"], ["--virtual-router-id", "256"], ["-i", "lo", "-r", "file"], ["-o", "xml"]]
)
def test_unusable_arguments(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sniff", *arguments])
    assert ended.value.code == 2
    assert arguments[-2].lstrip("-") in capsys.readouterr().err


def test_an_interface_that_is_not_there_is_named_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sniff", "-i", "lo", "-i", "nope0"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("nope0: no such interface; there are: ")
    assert "lo" in said.split("there are")[1]


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    capture = write(tmp_path, *[frame(V2, 100, "172.16.69.91")] * 2000)
    command = f"{installed('floatip')} sniff -r {capture} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["0"]
    assert done.stderr == ""


@pytest.mark.linux
def test_without_the_right_to_listen_it_says_what_is_missing(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    command = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", installed("floatip"), "sniff"]
    done = host.run(command, check=False)
    assert done.returncode == 1
    assert "Operation not permitted: listening needs root, or CAP_NET_RAW" in done.stderr


@pytest.mark.linux
def test_an_interface_that_goes_away_is_told(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    log = host.folder / "sniff.log"
    process = host.popen([installed("floatip"), "sniff", "-i", "eth0"], log=log)
    until(lambda: _listens(process.pid), 20, "it listens")
    host.link_down()
    assert process.wait(timeout=20) == 1
    assert log.read_text() == "eth0: Network is down\n"


def _listens(process: int) -> bool:
    """It has opened a socket of its own. A file that it closes while this looks is none."""
    links = (os.path.realpath(link) for link in Path(f"/proc/{process}/fd").iterdir())
    return any("socket:" in link for link in links)


@pytest.mark.linux
@pytest.mark.parametrize("interface", [["-i", "eth0"], []], ids=["one interface", "all"])
def test_live(lan: Lan, interface: list[str]) -> None:
    sender, listener = lan.host("n1", "10.9.0.1/24"), lan.host("n2", "10.9.0.2/24")
    log = listener.folder / "sniff.log"
    process = listener.popen([installed("floatip"), "sniff", *interface, "-c", "2", "-o", "json"], log=log)
    noise = Ether(dst="ff:ff:ff:ff:ff:ff") / ARP()

    def ended() -> bool:
        send(sender, noise, frame(V3, 100, "10.9.0.1"), frame(V6, 150, "fe80::c8"))
        return process.poll() is not None

    until(ended, 30, f"two packets were seen: {log.read_text()}")
    assert process.returncode == 0
    first, second = map(json.loads, log.read_text().splitlines())
    assert {(packet["source"], packet["virtualRouterID"]) for packet in (first, second)} == {
        ("10.9.0.1", 51),
        ("fe80::c8", 10),
    }
    assert first["interface"] == "eth0"
    assert (first["fault"], second["fault"]) == (None, None)
