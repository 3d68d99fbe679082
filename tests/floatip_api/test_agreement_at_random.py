"""Documents that nobody thought of: the models and their rules against the generated schema on real API servers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from floatip_api import yaml_lines
from floatip_api.documents import Document, Fault, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab.control_plane import ControlPlane
from manifests.client import DryRun

Values = st.SearchStrategy[Any]

TEXT = st.text(alphabet=st.sampled_from("a1-._/:%E \u00a0é"), max_size=20)
ODD: Values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-300, 300),
    st.sampled_from([0.1, 0.3, 2.5, 1e9]),
    TEXT,
    st.just([]),
    st.just({}),
)


def mostly(*good: Values) -> Values:
    """A good value, or now and then an odd one."""
    return st.integers(0, 29).flatmap(lambda chance: st.one_of(*good) if chance else ODD)


def objects(required: dict[str, Values], optional: dict[str, Values]) -> Values:
    """Now and then with an unknown field."""
    known = st.fixed_dictionaries(required, optional=optional)
    return st.builds(lambda fields, odd: fields | odd, known, st.sampled_from([{}] * 20 + [{"unknown": 1}]))


def in_odd_text(address: str) -> Values:
    """Ways to write an address, canonical first."""
    ip = ipaddress.ip_address(address)
    bits = ip.max_prefixlen
    lengths = st.one_of(st.sampled_from([24, 64, bits, bits - 1, 0, bits + 1]), st.integers(0, bits)).map(str)
    texts = st.sampled_from([address, address, address, ip.exploded, address.upper()])
    return st.one_of(st.builds("{}/{}".format, texts, lengths), texts)


ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str).flatmap(in_odd_text),
    st.ip_addresses(v=6).map(str).flatmap(in_odd_text),
    st.sampled_from(["192.0.2.94/24", "192.0.2.95/24", "2001:db8::94/64", "::ffff:1.2.3.4/96", "fe80::1%eth0/64"]),
)
SOURCES = st.one_of(st.ip_addresses().map(str), st.sampled_from(["fe80::1", "192.0.2.1", "FE80::1", "192.0.2.1/24"]))
SECONDS: Values = st.one_of(st.integers(0, 5), st.integers(0, 50).map(lambda tenths: tenths / 10), st.floats(0, 4000))
REQUIREMENTS = objects(
    {"key": mostly(st.just("role")), "operator": mostly(st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]))},
    {"values": mostly(st.lists(st.sampled_from(["a", "b"]), max_size=2))},
)
SELECTORS = objects(
    {},
    {"matchLabels": mostly(st.just({"role": "web"})), "matchExpressions": mostly(st.lists(REQUIREMENTS, max_size=2))},
)
NODES = objects(
    {},
    {
        "name": mostly(st.sampled_from(["a", "b", "c"])),
        "selector": mostly(SELECTORS),
        "priority": mostly(st.sampled_from([1, 100, 254, 255])),
        "interface": mostly(st.sampled_from(["eth0", "br-1", "é", "a b"])),
        "sourceAddresses": mostly(st.lists(SOURCES, max_size=3)),
    },
)
VRRP = objects(
    {},
    {
        "version": mostly(st.sampled_from([2, 3])),
        "advertisementPeriodMilliseconds": mostly(
            st.sampled_from([10, 15, 1000, 40950, 41000, 255000]), st.integers(0, 300000)
        ),
        "linkLocal": mostly(st.sampled_from(["Derived", "None"])),
        "authentication": mostly(st.just({"type": "Password", "secretRef": {"name": "a", "key": "b"}})),
    },
)
PREEMPTION = objects(
    {},
    {
        "policy": mostly(st.sampled_from(["PreemptLowerPriority", "Never"])),
        "delaySeconds": mostly(st.sampled_from([0, 5])),
    },
)
DAMPING = objects(
    {},
    {
        "downMilliseconds": mostly(st.sampled_from([0, 199, 200, 1999, 2000])),
        "upMilliseconds": mostly(st.sampled_from([0, 5000])),
    },
)
PROBES = objects(
    {"name": mostly(st.sampled_from(["a", "b", "c"])), "tcpSocket": mostly(st.just({"port": 80}))},
    {
        "periodSeconds": mostly(SECONDS),
        "timeoutSeconds": mostly(SECONDS),
        "lowerPriorityBy": mostly(st.integers(0, 255)),
    },
)
SPECS = objects(
    {"addresses": mostly(st.lists(ADDRESSES, max_size=3))},
    {
        "virtualRouterID": mostly(st.integers(1, 255)),
        "nodes": mostly(st.lists(NODES, max_size=3)),
        "candidates": mostly(st.integers(1, 16)),
        "suspend": mostly(st.booleans()),
        "vrrp": mostly(VRRP),
        "preemption": mostly(PREEMPTION),
        "linkDamping": mostly(DAMPING),
        "probes": mostly(st.lists(PROBES, max_size=2)),
    },
)
PARTS = st.one_of(
    SPECS,
    st.builds(lambda address: {"addresses": [address]}, ADDRESSES),
    st.builds(lambda node: {"addresses": ["192.0.2.94/24"], "nodes": [node]}, NODES),
    st.builds(lambda vrrp: {"addresses": ["192.0.2.94/24"], "vrrp": vrrp}, VRRP),
    st.builds(lambda probe: {"addresses": ["192.0.2.94/24"], "probes": [probe]}, PROBES),
)


@pytest.fixture(scope="module")
def dry_run(api_server: ControlPlane) -> Iterator[DryRun]:
    api_server.define_kinds()
    with DryRun(api_server) as client:
        yield client


def faults(manifest: dict[str, Any]) -> list[Fault]:
    [tree] = yaml_lines.read(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))
    return validate(Document("manifest.yaml", tree))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=PARTS)
def test_both_refuse_or_both_accept(dry_run: DryRun, spec: Any) -> None:
    manifest = {"apiVersion": "floatip.dev/v1alpha1", "kind": "FloatingIP", "metadata": {"name": "case"}, "spec": spec}
    found = faults(manifest)
    refusal = dry_run.refusal(manifest)
    assert bool(found) == bool(refusal), (refusal, found)
