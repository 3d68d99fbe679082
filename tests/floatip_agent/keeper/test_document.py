"""From document to configuration. api.md: "Letting go is explicit"; "one bad router is refused by name, the others go on"."""

from __future__ import annotations

from typing import Any

import pytest
from floatip_agent.configuration import Family
from floatip_agent.keeper import document
from floatip_agent.keeper.credentials import SecretName
from floatip_agent.keeper.document import Accepted, Secrets, accept, without_document
from floatip_agent.messages import Configure, decode, encode
from floatip_agent.routing import RouteConfiguration, RuleConfiguration
from floatip_api.names import CLUSTER

PASSWORD = SecretName("elk-vrrp", "password")
KNOWN = Secrets({PASSWORD: "tan124"}, {}, frozenset({"elk-vrrp"}))
NONE = Secrets()


def entry(name: str = "elk", family: Family = "IPv4", **fields: Any) -> dict[str, Any]:
    address = "172.16.69.94/24" if family == "IPv4" else "2001:db8::94/64"
    return {"name": name, "family": family, "virtualRouterID": 51, "addresses": [address], "priority": 150, **fields}


def with_password(name: str = "elk", key: str = "password") -> dict[str, Any]:
    reference = {"type": "Password", "secretRef": {"name": "elk-vrrp", "key": key}}
    return entry(name, vrrp={"version": 2, "authentication": reference})


def node(*entries: object, generation: int = 7, uid: str = "u1", cluster: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "n", "uid": uid, "generation": generation}
    if cluster:
        metadata["annotations"] = {CLUSTER: cluster}
    return {"metadata": metadata, "spec": {"virtualRouters": list(entries)}}


def from_api(*documents: dict[str, Any] | None, secrets: Secrets = NONE) -> Accepted:
    """What is in force after these, one after the other; None stands for a 404."""
    accepted = None
    for seen in documents:
        if seen is None:
            assert accepted
            accepted = without_document(accepted)
        else:
            accepted = accept(seen, "API", secrets, accepted)
    assert accepted
    return accepted


def names(accepted: Accepted) -> str:
    return " ".join(sorted(name for name, _ in accepted.routers))


def test_every_field_arrives_in_the_engines_units() -> None:
    vrrp = {"version": 3, "advertisementPeriodMilliseconds": 40, "ipv4Checksum": "MessageOnly", "linkLocal": "None"}
    vrrp |= {"virtualMAC": "Enabled"}
    written = entry(
        vrrp=vrrp,
        preemption={"policy": "PreemptLowerPriority", "delaySeconds": 3},
        linkDamping={"downMilliseconds": 70, "upMilliseconds": 5000},
        interface="bond0",
        sourceAddress="172.16.69.91",
        release={"requestID": "r1"},
        routes=[{"to": "10.50.0.0/16", "via": "172.16.69.1"}, {"to": "10.60.0.0/16", "interface": "eth1", "metric": 5}],
        rules=[{"from": "172.16.69.94/32", "table": 100, "priority": 1000}],
    )
    configuration = from_api(node(written)).configuration({})
    router = configuration.routers[0]
    assert (configuration.generation, configuration.uid) == (7, "u1")
    assert (router.name, router.family, router.virtual_router_id, router.priority) == ("elk", "IPv4", 51, 150)
    assert (router.version, router.advertisement_interval) == (3, 40_000_000)
    assert (router.ipv4_checksum, router.link_local) == ("MessageOnly", "None")
    assert (router.preempt, router.preempt_delay) == (True, 3_000_000_000)
    assert (router.link_down_delay, router.link_up_delay) == (70_000_000, 5_000_000_000)
    assert (router.interface, router.source_address, router.release) == ("bond0", "172.16.69.91", "r1")
    assert router.virtual_mac
    assert router.routes == (
        RouteConfiguration("10.50.0.0/16", via="172.16.69.1"),
        RouteConfiguration("10.60.0.0/16", interface="eth1", metric=5),
    )
    assert router.rules == (RuleConfiguration(100, 1000, origin="172.16.69.94/32"),)
    assert decode(encode(Configure(1, configuration))) == Configure(1, configuration)
    never = from_api(node(entry(preemption={"policy": "Never"}))).configuration({}).routers[0]
    assert not never.preempt


@pytest.mark.parametrize(
    ("documents", "running", "missing"),
    [
        # "A missing entry, an empty list, a 404 [...] are never an order"
        ([node(entry("a"), entry("b")), node(entry("a"))], "a b", "b"),
        ([node(entry("a"), entry("b")), node()], "a b", "a b"),
        ([node(entry("a")), None], "a", "a"),
        ([node(entry("a")), None, node(entry("a"), uid="u2", generation=1)], "a", ""),
        ([node(entry("a")), node(uid="u2", generation=1)], "a", "a"),
        # "a deletionTimestamp on the FloatingIPNode"
        (
            [
                node(entry("a")),
                {"metadata": {"uid": "u1", "generation": 8, "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            ],
            "a",
            "a",
        ),
        # "an older document (a store restored from a backup)": neither what it lacks nor what it asks for counts
        (
            [node(entry("a"), generation=7), node(entry("a", release={"requestID": "r"}), entry("b"), generation=5)],
            "a",
            "",
        ),
        # what is written to the restored store afterwards comes from a living operator
        ([node(entry("a"), generation=7), node(generation=5), node(entry("a"), entry("b"), generation=6)], "a b", ""),
        ([node(entry("a"), generation=7), node(generation=5), node(generation=5), node(entry("a"))], "a", ""),
        # "The operator takes the entry off the list only after the node's status confirms": then it is gone
        ([node(entry("a", release={"requestID": "r"}), entry("b")), node(entry("b"))], "b", ""),
        ([node(entry("a", release={"requestID": "r"})), None], "a", ""),
    ],
)
def test_only_a_release_lets_go(documents: list[dict[str, Any] | None], running: str, missing: str) -> None:
    accepted = from_api(*documents)
    assert names(accepted) == running
    assert " ".join(sorted(name for name, _ in accepted.missing)) == missing
    if documents[-1] and documents[-1]["metadata"]["generation"] == 5:
        assert accepted.rewound_to == 5
        assert accepted.generation == 7
        assert accepted.routers["a", "IPv4"].configuration.release is None


def test_an_older_document_that_says_what_runs_is_followed() -> None:
    """A restored store whose entries nobody had changed since: else nothing would be confirmed until somebody changes one."""
    accepted = from_api(node(entry("a"), entry("b"), generation=7), node(entry("b"), entry("a"), generation=5))
    assert names(accepted) == "a b"
    assert (accepted.generation, accepted.rewound_to, accepted.missing) == (5, None, frozenset())


A, OF_C1, OF_C2 = entry("a"), node(entry("a"), cluster="c1"), node(uid="u2", generation=1, cluster="c2")


@pytest.mark.parametrize(
    ("documents", "other"),
    [
        ([OF_C1, OF_C2], "c1"),
        ([OF_C1, None, OF_C2], "c1"),
        ([OF_C1, OF_C2, node(entry("b"), uid="u2", generation=2, cluster="c2")], "c1"),
        # an operator before the annotation, or after a roll-back
        ([OF_C1, OF_C2, node(uid="u2", generation=2)], "c1"),
        ([OF_C1, node(uid="u2", generation=1)], ""),
        ([node(A), OF_C2], ""),
        # in the same cluster, and home again
        ([OF_C1, node(uid="u3", generation=1, cluster="c1")], ""),
        ([OF_C1, OF_C2, node(uid="u1", generation=8, cluster="c1")], ""),
        # the new cluster takes it up, and forgets it later
        ([OF_C1, OF_C2, node(A, uid="u2", generation=2, cluster="c2"), node(uid="u2", generation=3, cluster="c2")], ""),
    ],
)
def test_what_comes_from_another_cluster_is_known_as_that(documents: list[dict[str, Any] | None], other: str) -> None:
    """Issue: "a node's disk moved to another cluster [...] clear conditions and Events, addresses stay"."""
    accepted = from_api(*documents)
    assert ("a", "IPv4") in accepted.routers
    assert accepted.of_other_clusters.get(("a", "IPv4"), "") == other
    reason, text = accepted.why_missing(("a", "IPv4"))
    assert reason == ("OtherCluster" if other else "NotInDocument")
    assert other in text
    saved = document.save(accepted, "API", "n")
    assert document.restore(saved, accepted.configuration({})) == accepted


def test_an_engines_copy_of_another_document_does_not_tell_the_cluster() -> None:
    """Both files are written one after the other, and an agent may end between."""
    before, after = from_api(OF_C1), from_api(OF_C1, OF_C2)
    assert document.restore(document.save(before, "API", "n"), after.configuration({})).cluster_uid == ""


def test_in_static_mode_an_accepted_file_that_lacks_the_router_is_an_order() -> None:
    first = accept(node(entry("a"), entry("b")), "File", NONE, None)
    second = accept(node(entry("b")), "File", NONE, first)
    assert names(second) == "b"
    assert not second.missing
    assert (second.generation, second.uid) == (0, "")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (entry("bad", priority=256), "spec.virtualRouters[1].priority: '256': "),
        (entry("bad", virtualRouterID="51"), "spec.virtualRouters[1].virtualRouterID: '51': "),
        (entry("bad", vrrp={"version": 4}), "spec.virtualRouters[1].vrrp.version: '4': "),
        (entry("bad", addresses=["172.16.69.094/24"]), "spec.virtualRouters[1].addresses[0]: "),
        (entry("bad", addresses=["2001:db8::94/64"]), "spec.virtualRouters[1].addresses: "),
        (entry("bad", vrrp={"version": 2, "advertisementPeriodMilliseconds": 50}), "spec.virtualRouters[1].vrrp."),
        (entry("bad", probes=[{"name": "p"}]), "spec.virtualRouters[1].probes[0].tcpSocket: "),
    ],
)
def test_one_bad_router_is_refused_by_name_and_the_others_go_on(bad: dict[str, Any], reason: str) -> None:
    accepted = from_api(node(entry("a"), bad, entry("z")))
    assert names(accepted) == "a z"
    assert accepted.refused["bad", "IPv4"].startswith(reason)


def test_a_router_that_becomes_bad_runs_on_as_it_was() -> None:
    accepted = from_api(node(entry("a", priority=100)), node(entry("a", priority=300), generation=8))
    assert accepted.routers["a", "IPv4"].configuration.priority == 100
    assert "300" in accepted.refused["a", "IPv4"]
    assert not accepted.missing


def test_a_release_is_obeyed_also_when_the_rest_of_the_entry_is_not_understood() -> None:
    order = entry("a", priority=300, release={"requestID": "r1"})
    ran_before = from_api(node(entry("a")), node(order, generation=8))
    assert ran_before.routers["a", "IPv4"].configuration.release == "r1"
    assert from_api(node(order)).releases == {("a", "IPv4"): "r1"}


def test_and_so_is_a_request_to_hand_over() -> None:
    """What runs on of a refused entry is an earlier form of it, which a roll-out asks to leave like any other."""
    order = entry("a", priority=300, leave={"requestID": "l1"})
    ran_before = from_api(node(entry("a")), node(order, generation=8))
    assert ran_before.routers["a", "IPv4"].configuration.leave == "l1"
    assert from_api(node(order)).routers == {}


def test_entries_without_name_or_listed_twice_are_told() -> None:
    accepted = from_api(node({"family": "IPv4"}, "nonsense", entry("a", priority=1), entry("a", priority=2)))
    assert accepted.routers["a", "IPv4"].configuration.priority == 1
    assert "listed twice" in accepted.refused["a", "IPv4"]
    assert [text.partition(":")[0] for text in accepted.unreadable] == [
        "spec.virtualRouters[0].name",
        "spec.virtualRouters[1]",
    ]


def test_a_field_that_is_null_is_absent() -> None:
    assert names(from_api(node(entry(vrrp=None, probes=None, interface=None)))) == "elk"


def test_unknown_fields_are_ignored_and_reported() -> None:
    written = entry(colour="red", vrrp={"version": 3, "shape": {"round": True}})
    accepted = from_api(node(written))
    assert names(accepted) == "elk"
    assert set(accepted.ignored_fields) == {
        "spec.virtualRouters[0].colour",
        "spec.virtualRouters[0].vrrp.shape",
    }
    assert "colour" in written


@pytest.mark.parametrize(
    ("first", "second", "password", "reason"),
    [
        (KNOWN, KNOWN, "tan124", None),
        (NONE, NONE, None, "Secret elk-vrrp has not been read yet"),
        (NONE, Secrets(problems={"elk-vrrp": "does not exist"}), None, "Secret elk-vrrp does not exist"),
        (NONE, Secrets(read=frozenset({"elk-vrrp"})), None, "Secret elk-vrrp has no key password"),
        # "a missing secret refuses that router with a clear reason unless the previous password is known"
        (KNOWN, NONE, "tan124", None),
        (KNOWN, Secrets(problems={"elk-vrrp": "does not exist"}), "tan124", None),
        (KNOWN, Secrets({PASSWORD: "new"}), "new", None),
    ],
)
def test_passwords_come_from_the_named_secret(
    first: Secrets, second: Secrets, password: str | None, reason: str | None
) -> None:
    accepted = accept(node(with_password()), "API", second, accept(node(with_password()), "API", first, None))
    running = accepted.routers.get(("elk", "IPv4"))
    assert (running.configuration.password if running else None) == password
    assert accepted.refused.get(("elk", "IPv4")) == reason
    assert accepted.secrets == {PASSWORD}


def test_a_router_that_names_another_secret_which_is_not_there_runs_on_with_its_own() -> None:
    before = accept(node(with_password()), "API", KNOWN, None)
    accepted = accept(node(with_password(key="other"), generation=8), "API", KNOWN, before)
    assert accepted.routers["elk", "IPv4"].configuration.password == "tan124"
    assert accepted.refused["elk", "IPv4"] == "Secret elk-vrrp has no key other"
    assert accepted.secrets == {PASSWORD, SecretName("elk-vrrp", "other")}


def test_probes_run_once_for_both_families_where_the_first_entry_says() -> None:
    probes = [{"name": "p", "tcpSocket": {"port": 80}}]
    accepted = from_api(node(entry("elk", "IPv6", interface="eth1", probes=probes), entry("elk", probes=probes)))
    sets = accepted.probe_sets()
    assert list(sets) == ["elk"]
    assert (sets["elk"].family, sets["elk"].interface, len(sets["elk"].probes)) == ("IPv6", "eth1", 1)


def test_what_is_saved_comes_back_without_secrets_in_it() -> None:
    accepted = from_api(
        node(with_password(), entry("gone")), node(with_password(), generation=8), node(generation=3), secrets=KNOWN
    )
    saved = document.save(accepted, "API", "n")
    assert "tan124" not in str(saved)
    assert document.restore(saved, accepted.configuration({})) == accepted


def test_without_the_engines_copy_a_router_with_a_password_waits_for_its_secret() -> None:
    saved = document.save(from_api(node(with_password(), entry("b")), secrets=KNOWN), "API", "n")
    restored = document.restore(saved, None)
    assert names(restored) == "b"
    assert restored.secrets == {PASSWORD}
