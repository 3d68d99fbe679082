"""How long a roll-out has been waiting, by the operator's own clock: it is told by what was seen, not by anybody's timestamps."""

from __future__ import annotations

from typing import Any

from floatip_api import names
from floatip_operator.agents import LABELS
from floatip_operator.cluster import Cluster
from floatip_operator.decide.snapshot import Snapshot


class Picture:
    """A cluster whose clock is turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cluster = Cluster(lambda: self.now)
        self._version = 0

    def pod(self, *, ready: bool = True, leaving: bool = False, uid: str = "u1", waits: str | None = None) -> None:
        gone = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {}
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        container = {"name": "engine", "state": {"waiting": {"reason": waits}} if waits else {"running": {}}}
        status = {"conditions": [condition], "containerStatuses": [container]}
        self._put("Pod", {"name": "p", "uid": uid, "labels": LABELS, **gone}, {"nodeName": "n1"}, status)

    def document(self, *requests: str) -> None:
        entry = {"name": "web", "virtualRouterID": 51, "addresses": ["10.0.0.100/24"], "priority": 200}
        routers = [
            {**entry, "family": family, "leave": {"requestID": request}}
            for family, request in zip(("IPv4", "IPv6"), requests, strict=False)
        ]
        self._put(names.FLOATING_IP_NODE, {"name": "n1", "uid": "d1"}, {"virtualRouters": routers}, {})

    def look(self, seconds: float = 0.0) -> Snapshot:
        """The picture so many seconds later."""
        self.now += seconds
        return self.cluster.snapshot(cluster_uid="c", cluster_ranges=(), virtual_router_ids=(20, 250), node_selector={})

    def _put(self, kind: str, metadata: dict[str, Any], spec: dict[str, Any], status: dict[str, Any]) -> None:
        self._version += 1
        whole = {"metadata": {**metadata, "resourceVersion": str(self._version)}, "spec": spec, "status": status}
        self.cluster.put(kind, whole)


def test_a_pods_age_is_that_of_its_condition() -> None:
    picture = Picture()
    picture.pod(ready=False)
    assert picture.look(30).pods[0].age == 30
    picture.pod(ready=False)
    assert picture.look(30).pods[0].age == 60, "news that change nothing"
    picture.pod()
    assert picture.look(5).pods[0].age == 5
    picture.pod(ready=False)
    picture.pod(ready=False, leaving=True)
    assert picture.look(7).pods[0].age == 7
    picture.pod(ready=False, uid="u2")
    assert picture.look(1).pods[0].age == 1, "another Pod of the same name"


def test_what_the_kubelet_said_of_a_pod_stays_until_it_is_ready_or_another_one() -> None:
    """A container that exits again and again runs for a moment each time, and of a pull nothing is known while it is tried again: said
    anew each time, a roll-out that stands still would tell of it for ever."""
    picture = Picture()
    for waits, said in (
        ("ContainerCreating", None),
        ("CrashLoopBackOff", "container engine: CrashLoopBackOff"),
        (None, "container engine: CrashLoopBackOff"),
        ("ImagePullBackOff", "container engine: CrashLoopBackOff"),
    ):
        picture.pod(ready=False, waits=waits)
        assert picture.look(1).pods[0].trouble == said
    picture.pod(ready=False, uid="u2")
    assert picture.look(1).pods[0].trouble is None
    picture.pod(ready=False, uid="u2", waits="ErrImageNeverPull")
    assert picture.look(1).pods[0].trouble == "container engine: ErrImageNeverPull"
    picture.pod(uid="u2")
    assert picture.look(1).pods[0].trouble is None


def test_a_node_without_a_pod_since_when() -> None:
    picture = Picture()
    assert picture.look().pod_gone_ages == {}, "nobody knows whether there ever was one"
    picture.pod()
    picture.cluster.remove("Pod", "p")
    found = picture.look(12)
    assert (found.pods, found.pod_gone_ages) == ((), {"n1": 12})


def test_a_request_to_leave_is_as_old_as_its_id() -> None:
    picture = Picture()
    picture.document("upgrade-a", "upgrade-a")
    assert picture.look(10).asked_ages == {"n1": 10}
    picture.document("upgrade-a")
    assert picture.look(10).asked_ages == {"n1": 20}
    picture.document("upgrade-b")
    assert picture.look(3).asked_ages == {"n1": 3}
    picture.document("move-to-n2")
    assert picture.look(3).asked_ages == {}, "a planned move is no roll-out"
