"""The operator's Prometheus metrics (names of the API reference)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from floatip_api import names
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from floatip_operator.cluster import Cluster
from floatip_operator.decide.snapshot import UNKNOWN_AFTER


class Metrics:
    """Counted where it happens; what the cluster looks like is read off the picture at the moment of the scrape."""

    def __init__(self, cluster: Cluster) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(ClusterCollector(cluster))
        self.duration = Histogram(
            "floatip_operator_reconcile_duration_seconds",
            "Time of one pass, writes included.",
            registry=self.registry,
        )
        self.errors = Counter("floatip_operator_reconcile_errors", "Passes that failed.", registry=self.registry)
        self.passed_at = Gauge(
            "floatip_operator_last_pass_timestamp_seconds",
            "When a pass ended well last; 0 before the first one.",
            registry=self.registry,
        )
        self.leader = Gauge("floatip_operator_is_leader", "1 while this replica has the Lease.", registry=self.registry)


class ClusterCollector(Collector):
    """A replica that waits for the Lease has no picture, and so says nothing here."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        objects = GaugeMetricFamily("floatip_operator_objects", "Objects in the operator's picture.", labels=["kind"])
        for kind in (names.FLOATING_IP, names.FLOATING_IP_NODE, "Node"):
            objects.add_metric([kind], self._cluster.count(kind))
        heard = GaugeMetricFamily(
            "floatip_operator_agent_heard",
            f"1 while the agent of a node, which has reported itself once, renews its Lease; 0 after {UNKNOWN_AFTER:.0f} s.",
            labels=["node"],
        )
        for node, age in self._cluster.agent_ages().items():
            heard.add_metric([node], float(age < UNKNOWN_AFTER))
        yield from (objects, heard, self._conditions())

    def _conditions(self) -> Metric:
        conditions = GaugeMetricFamily(
            "floatip_operator_floatingip_condition",
            "1 for each condition of a FloatingIP, with its status and reason.",
            labels=["floatingip", "type", "status", "reason"],
        )
        for floating_ip in self._cluster.objects(names.FLOATING_IP):
            for entry in floating_ip.get("status", {}).get("conditions", []):
                labels = [floating_ip["metadata"]["name"], entry["type"], entry["status"], entry["reason"]]
                conditions.add_metric(labels, 1)
        return conditions
