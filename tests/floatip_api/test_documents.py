"""Files: every fault with file, line and field; YAML as kubectl reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from floatip_api.documents import Unreadable, check_virtual_router, load, validate
from floatip_api.v1alpha1 import VirtualRouter

HEAD = "apiVersion: floatip.dev/v1alpha1\nkind: FloatingIP\nmetadata: {name: web}\n"
NODE_HEAD = "apiVersion: floatip.dev/v1alpha1\nkind: FloatingIPNode\nmetadata: {name: node-1}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "web.yaml"


def said(file: Path, text: str) -> list[str]:
    """The faults without the folder."""
    file.write_text(text)
    try:
        return [str(fault).removeprefix(f"{file.parent}/") for document in load(file) for fault in validate(document)]
    except Unreadable as error:
        return [str(error.fault).removeprefix(f"{file.parent}/")]


def test_every_fault_has_its_line_in_its_document(file: Path) -> None:
    good = HEAD + "spec: {addresses: [192.0.2.94/24]}\n"
    bad = HEAD + "spec:\n  addresses:\n  - 192.0.2.94/24\n  - 192.0.2.95\n  vrrp:\n    version: 4\n    speed: 1\n"
    assert said(file, f"# a comment\n{good}---\n{bad}") == [
        "web.yaml:15: spec.vrrp.version: 4: must be less than or equal to 3",
        "web.yaml:16: spec.vrrp.speed: unknown field",
    ]


def test_rules_are_checked_beside_unknown_fields(file: Path) -> None:
    text = HEAD + "spec:\n  addresses: [192.0.2.95]\n  colour: red\n"
    assert said(file, text) == [
        "web.yaml:5: spec.addresses[0]: 192.0.2.95: the prefix length of its subnet is missing: write 192.0.2.95/24 or what it is",
        "web.yaml:6: spec.colour: unknown field",
    ]


def test_a_missing_field_has_the_line_of_what_lacks_it(file: Path) -> None:
    assert said(file, HEAD + "spec:\n  candidates: 2\n") == ["web.yaml:4: spec.addresses: required"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "web.yaml:1: not YAML: expected the node content, but found '<stream end>'"),
        ("a: 1\n\tb: 2\n", "web.yaml:2: not YAML: found character '\\t' that cannot start any token"),
        ("a: 1\nb: 2\na: 3\n", "web.yaml:3: a: given twice"),
        ("a: 1\nb: &x\n  c: *x\n", "web.yaml:2: aliases make it endless or too large"),
        ("a: !!binary aGk=\n", "web.yaml:1: aGk=: of a type that JSON does not have"),
        ("a: 1\nb: 0x_\n", "web.yaml:2: 0x_: not a number"),
        (f"a: {'1' * 5000}\n", f"web.yaml:1: {'1' * 60}: not a number"),
        (f"a: {'[' * 5000}\n", "web.yaml:1: nested too deeply"),
        (
            "a: !!python/name:os.system x\n",
            "web.yaml:1: not YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/name:os.system'",
        ),
        ("? [a]\n: b\n", "web.yaml:1: a field's name must be text"),
        ("a: b\nc: \u0007\n", "web.yaml:2: not YAML: special characters are not allowed: 7"),
        ("- a\n", "web.yaml:1: must be an object with apiVersion and kind"),
        ("just text", "web.yaml:1: must be an object with apiVersion and kind"),
        ("kind: FloatingIP\n", "web.yaml:1: apiVersion: nothing: must be floatip.dev/v1alpha1"),
        (
            "kind: FloatingIP\napiVersion: floatip.dev/v2\n",
            'web.yaml:2: apiVersion: "floatip.dev/v2": must be floatip.dev/v1alpha1',
        ),
        (
            "apiVersion: floatip.dev/v1alpha1\nkind: Floating\n",
            'web.yaml:2: kind: "Floating": must be FloatingIP or FloatingIPNode',
        ),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_document(file: Path, text: str, fault: str) -> None:
    assert said(file, text) == [fault]


def test_aliases_cannot_make_it_huge(file: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert [fault.partition(": ")[2] for fault in said(file, "\n".join(lines))] == [
        "aliases make it endless or too large"
    ]


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(Unreadable, match=r"web\.yaml: No such file or directory"):
        load(file)
    file.write_bytes(b"a: \xff\n")
    with pytest.raises(Unreadable, match="not UTF-8"):
        load(file)


def test_empty_documents_are_none(file: Path) -> None:
    file.write_text("---\n---\n# nothing\n---\n")
    assert load(file) == []


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),  # YAML 1.1 has it a number of base 60
        ("2026-11-25", "2026-11-25"),
        ("0x10", 16),
        ("5.0", 5),
        ("2.5", 2.5),
        ("1e3", 1000),
        ("1.2.3", "1.2.3"),
        ("yes", True),
        ("~", None),
        ('"5"', "5"),
    ],
)
def test_values_are_what_kubectl_makes_of_them(file: Path, written: str, read: object) -> None:
    file.write_text(f"a: {written}\n")
    [document] = load(file)
    assert document.content == {"a": read}
    assert type(document.content["a"]) is type(read)


def test_merged_maps(file: Path) -> None:
    file.write_text("a: &a {b: 1, c: 2}\nd:\n  <<: *a\n  c: 3\n")
    [document] = load(file)
    assert document.content["d"] == {"b": 1, "c": 3}


def test_a_node_is_checked_router_by_router(file: Path) -> None:
    """api.md: "the agent checks the rest per router with the models"."""
    router = "  - {name: web, family: IPv4, virtualRouterID: 51, priority: 100, addresses: [192.0.2.94/24]}\n"
    bad = router.replace("web", "elk").replace("192.0.2.94/24", "192.0.2.0/24")
    head = NODE_HEAD + "spec:\n  virtualRouters:\n"
    assert said(file, head + router) == []
    assert said(file, head + router + bad) == [
        "web.yaml:7: spec.virtualRouters[1].addresses[0]: 192.0.2.0/24: must be an address in the subnet, not the subnet itself"
    ]
    assert said(file, head + router + router) == [
        "web.yaml:7: spec.virtualRouters[1]: web/IPv4: name and family must be unique"
    ]


GOOD_ROUTER = {"name": "web", "family": "IPv4", "virtualRouterID": 51, "priority": 100, "addresses": ["192.0.2.94/24"]}


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ({}, None),
        ({"sourceAddress": "192.0.2.1"}, None),
        ({"addresses": ["2001:db8::94/64"]}, "addresses: all must be IPv4"),
        ({"addresses": ["192.0.2.94"]}, "addresses[0]: 192.0.2.94: the prefix length"),
        ({"vrrp": {"advertisementPeriodMilliseconds": 1005}}, "vrrp.advertisementPeriodMilliseconds: 1005: version 3"),
        (
            {"family": "IPv6", "addresses": ["2001:db8::94/64"], "vrrp": {"version": 2}},
            "vrrp.version: version 2 carries IPv4 only",
        ),
        ({"preemption": {"policy": "Never", "delaySeconds": 5}}, "preemption.delaySeconds: 5: must be 0"),
        ({"linkDamping": {"downMilliseconds": 2000}}, "linkDamping.downMilliseconds: 2000: must be less than two"),
        (
            {"probes": [{"name": "a", "tcpSocket": {"port": 1}, "periodSeconds": 0.5}]},
            "probes[0].timeoutSeconds: 1: must be at most",
        ),
        ({"sourceAddress": "fe80::1"}, "sourceAddress: fe80::1: must be IPv4"),
        ({"sourceAddress": "192.0.2.1/24"}, "sourceAddress: 192.0.2.1/24: must be an IP address"),
        ({"family": "IPv6", "addresses": ["2001:db8::94/64"], "sourceAddress": "2001:db8::1"}, "link-local address"),
    ],
)
def test_rules_of_a_router(part: dict[str, object], fault: str | None) -> None:
    found = check_virtual_router(VirtualRouter.from_manifest(GOOD_ROUTER | part))
    assert len(found) == (fault is not None), found
    assert all(fault in text for text in found if fault)
