"""Carries out a roll-out's steps: deletes a Pod, and tells on the DaemonSet why it does not go on."""

from __future__ import annotations

import logging
from typing import Any

from floatip_api import names

from floatip_operator import kube
from floatip_operator.cluster import Cluster
from floatip_operator.decide.upgrade import Step
from floatip_operator.recording import Recorder

log = logging.getLogger(__name__)

Object = dict[str, Any]
_IDENTITY = ("namespace", "name", "uid")


def identity(daemon_set: Object) -> Object:
    """What an Event about it names."""
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", **{key: daemon_set["metadata"][key] for key in _IDENTITY}}


class Rollout:
    """What was told last stands in an annotation of the DaemonSet: a restarted operator does not tell it again."""

    def __init__(self, api: kube.Kube, cluster: Cluster, events: Recorder) -> None:
        self._api = api
        self._cluster = cluster
        self._events = events
        self._daemon_set: Object | None = None

    def take(self, daemon_set: Object) -> None:
        """As it is in the cluster."""
        self._daemon_set = daemon_set

    async def carry_out(self, step: Step) -> None:
        if self._daemon_set is None:
            return
        if step.delete is not None:
            log.info("roll-out: %s: its Pod is replaced", step.delete.node)
            self._cluster.put("Pod", await self._api.delete_pod(step.delete.name, step.delete.uid))
        told = self._daemon_set["metadata"].get("annotations", {}).get(names.ROLLOUT_STOPPED)
        stopped = str(step.stopped) if step.stopped else None
        if stopped != told:
            await self._tell(self._daemon_set, stopped)

    async def _tell(self, daemon_set: Object, stopped: str | None) -> None:
        self._daemon_set = await self._api.annotate_daemon_set(names.ROLLOUT_STOPPED, stopped)
        about = identity(daemon_set)
        if stopped is None:
            log.info("roll-out: goes on")
            self._events.record(about, "Normal", "RolloutGoesOn", "nothing keeps it any more")
        else:
            log.warning("roll-out: stopped at %s", stopped)
            self._events.record(about, "Warning", "RolloutStopped", f"stopped at {stopped}")
