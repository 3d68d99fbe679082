"""The operator's Prometheus metrics (names of the API reference)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.duration = Histogram(
            "floatip_operator_reconcile_duration_seconds",
            "Time of one decision over the whole cluster",
            registry=self.registry,
        )
        self.objects = Gauge(
            "floatip_operator_objects", "Objects in the operator's picture", ["kind"], registry=self.registry
        )
        self.errors = Counter("floatip_operator_reconcile_errors", "Passes that failed", registry=self.registry)
        self.leader = Gauge("floatip_operator_is_leader", "1 while this replica has the Lease", registry=self.registry)
