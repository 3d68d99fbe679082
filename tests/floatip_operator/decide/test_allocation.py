"""api.md: "Allocation starts at a hash of the cluster's UID inside the chart's virtualRouterIDRange and skips every ID that agents
hear from strangers. A virtual router ID is unique among floating IPs whose nodes share a connected subnet; of two that ask for
the same, the older object wins."
"""

from __future__ import annotations

from floatip_operator.decide.allocation import allocate, first_choice
from floatip_operator.decide.plan import decide
from in_memory.cluster import document, floating_ip, router, said, snapshot

START = first_choice("cluster", 20, 250)


def test_begins_at_the_clusters_own_place() -> None:
    assert allocate("cluster", (20, 250), set()) == START
    assert first_choice("another cluster", 20, 250) != START


def test_goes_round_and_ends() -> None:
    assert allocate("cluster", (20, 250), set(range(START, 251))) == 20
    assert allocate("cluster", (20, 22), {20, 21, 22}) is None


def _ids(*arguments: object, **fields: object) -> dict[str, int | None]:
    plan = decide(snapshot(*arguments, **fields))  # type: ignore[arg-type]
    return {entry.metadata.name: status.virtual_router_id for entry, status in plan.statuses}


def test_two_on_one_subnet_differ() -> None:
    two = [floating_ip("old", age=2), floating_ip("young", addresses=["10.0.0.101/24"])]
    assert _ids(two, [document("n1")]) == {"old": START, "young": START + 1}


def test_one_id_serves_two_subnets() -> None:
    two = [floating_ip("old", age=2), floating_ip("young", addresses=["10.1.0.100/24"])]
    assert _ids(two, [document("n1"), document("n2", address="10.1.0.1/24")]) == {"old": START, "young": START}


def test_strangers_ids_are_skipped() -> None:
    stranger = {"virtualRouterID": START, "interface": "eth0", "address": "10.0.0.9"}
    assert _ids([floating_ip()], [document("n1", foreign=[stranger])]) == {"web": START + 1}


def test_a_strangers_id_on_another_link_is_free() -> None:
    stranger = {"virtualRouterID": START, "interface": "eth1", "address": "10.9.0.9"}
    assert _ids([floating_ip()], [document("n1", foreign=[stranger])]) == {"web": START}


def test_a_lost_status_is_recovered_from_the_nodes() -> None:
    assert _ids([floating_ip()], [document("n1", [router(virtualRouterID=77)])]) == {"web": 77}


def test_what_agents_run_is_reserved_after_a_store_jumped_back() -> None:
    """design.md: "Routers in agents' status count as reserved before anything is allocated (a store restored from a backup jumps back)"."""
    running = said("Active", "lost", virtualRouterID=START)
    assert _ids([floating_ip()], [document("n1", said=[running])]) == {"web": START + 1}


def test_of_two_that_ask_for_the_same_the_older_wins() -> None:
    two = [
        floating_ip("young", age=1, virtualRouterID=9, addresses=["10.0.0.101/24"]),
        floating_ip("old", age=2, virtualRouterID=9),
    ]
    plan = decide(snapshot(two, [document("n1")]))
    found = {entry.metadata.name: status.conditions[0] for entry, status in plan.statuses}
    assert (found["old"].status, found["young"].reason) == ("True", "VirtualRouterIDInUse")
    assert "9" in found["young"].message
    assert "old" in found["young"].message
    assert [router.name for _, spec in plan.specs for router in spec.virtual_routers] == ["old"]
