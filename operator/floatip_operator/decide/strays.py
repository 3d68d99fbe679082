"""Virtual routers that agents run and no FloatingIP asks for.

Nobody ordered them to let go, so they serve on, and must not do so unseen: the store was restored from a backup that lacks the
FloatingIP, its finalizer was taken off by hand, the node comes from another cluster.
"""

from __future__ import annotations

from collections.abc import Iterator

from floatip_api import names
from floatip_api.conditions import Reason
from floatip_api.v1alpha1 import FloatingIPNode, VirtualRouterStatus

from floatip_operator.decide.events import Event
from floatip_operator.decide.snapshot import Snapshot
from floatip_operator.decide.standing import is_from_elsewhere

_WAY_OUT = "served on until a FloatingIP of that name takes it up, or is applied and deleted"


def found(snapshot: Snapshot) -> tuple[Event, ...]:
    """One for each node and origin, by the agents' last words."""
    return tuple(event for document in snapshot.documents for event in _of_node(document, snapshot))


def _of_node(document: FloatingIPNode, snapshot: Snapshot) -> Iterator[Event]:
    strays = list(_strays(document, snapshot))
    for reason in (Reason.OTHER_CLUSTER, Reason.NOT_IN_DOCUMENT):
        texts = [_text(said) for said in strays if _reason(said) == reason]
        if texts:
            whose = (
                "FloatingIPs of another cluster" if reason == Reason.OTHER_CLUSTER else "what no FloatingIP asks for"
            )
            message = f"the node runs {whose}, {_WAY_OUT}: {'; '.join(texts)}"
            metadata = document.metadata
            yield Event(metadata.name, metadata.uid, "Warning", reason, message, names.FLOATING_IP_NODE)


def _strays(document: FloatingIPNode, snapshot: Snapshot) -> Iterator[VirtualRouterStatus]:
    going = {(router.name, router.family) for router in document.spec.virtual_routers if router.release}
    for said in document.status.virtual_routers if document.status else []:
        is_over = said.released_request_id is not None or (said.name, said.family) in going
        if said.name not in snapshot.floating_ip_of and not is_over:
            yield said


def _reason(said: VirtualRouterStatus) -> Reason:
    return Reason.OTHER_CLUSTER if is_from_elsewhere(said) else Reason.NOT_IN_DOCUMENT


def _text(said: VirtualRouterStatus) -> str:
    return f"{said.name} ({said.family}, router ID {said.virtual_router_id}, {', '.join(said.addresses)})"
