"""Prometheus metrics, read off the picture at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from floatip_agent.keeper.picture import Picture
from floatip_agent.messages import EngineState, RouterState

STATES = ("Initialize", "Backup", "Active", "Fault")
SCHEDULING = ("RealTime", "Nice", "Normal")
ROUTER = ("floatingip", "family")


def registry(picture: Picture) -> CollectorRegistry:
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    made.register(PictureCollector(picture))
    return made


class PictureCollector(Collector):
    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._routers(list(self._picture.routers.values()))
        yield _routers_info(self._picture.routers.values())
        yield from self._node()
        if self._picture.engine:
            yield from self._engine(self._picture.engine)

    def _routers(self, routers: list[RouterState]) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "floatip_virtual_router_state", "1 for the state it is in.", labels=[*ROUTER, "state"]
        )
        priority = GaugeMetricFamily("floatip_effective_priority", "The priority that is advertised.", labels=ROUTER)
        sent = CounterMetricFamily("floatip_advertisements_sent", "Advertisements sent.", labels=ROUTER)
        received = CounterMetricFamily("floatip_advertisements_received", "Advertisements accepted.", labels=ROUTER)
        dropped = CounterMetricFamily(
            "floatip_advertisements_dropped", "Advertisements refused.", labels=[*ROUTER, "reason"]
        )
        noted = CounterMetricFamily(
            "floatip_advertisements_noted",
            "Odd, but accepted; and addresses that were lost.",
            labels=[*ROUTER, "reason"],
        )
        mismatch = GaugeMetricFamily(
            "floatip_wire_mismatch",
            "1 for each sender that goes on sending what is refused or noted for this reason.",
            labels=[*ROUTER, "reason", "address"],
        )
        warned = GaugeMetricFamily(
            "floatip_virtual_router_warning", "1 for each warning in force.", labels=[*ROUTER, "reason"]
        )
        rival = GaugeMetricFamily(
            "floatip_rival_heard", "1 while this Active hears another one.", labels=[*ROUTER, "address"]
        )
        for router in routers:
            labels = [router.name, router.family]
            if router.rival is not None:
                rival.add_metric([*labels, router.rival], 1)
            for reason, senders in router.mismatches.items():
                for sender in senders:
                    mismatch.add_metric([*labels, reason, sender], 1)
            for name in STATES:
                state.add_metric([*labels, name], float(router.state == name))
            priority.add_metric(labels, router.effective_priority)
            sent.add_metric(labels, router.sent)
            received.add_metric(labels, router.received)
            for reason, count in router.dropped.items():
                dropped.add_metric([*labels, reason], count)
            for reason, count in router.noted.items():
                noted.add_metric([*labels, reason], count)
            for reason in router.warnings:
                warned.add_metric([*labels, reason], 1)
        yield from (state, priority, sent, received, dropped, noted, mismatch, warned, rival)

    def _node(self) -> Iterator[Metric]:
        picture = self._picture
        transitions = CounterMetricFamily("floatip_transitions", "Changes of state seen.", labels=[*ROUTER, "to"])
        for (name, family, to), count in picture.transitions.items():
            transitions.add_metric([name, family, to], count)
        success = GaugeMetricFamily("floatip_probe_success", "Of the last attempt.", labels=["floatingip", "probe"])
        duration = GaugeMetricFamily(
            "floatip_probe_duration_seconds", "Of the last attempt.", labels=["floatingip", "probe"]
        )
        for key, result in picture.probes.items():
            success.add_metric(key, float(result.is_success))
            duration.add_metric(key, result.duration)
        strangers = GaugeMetricFamily(
            "floatip_foreign_router_seen",
            "1 for each virtual router of a stranger.",
            labels=["virtual_router_id", "address", "interface"],
        )
        for stranger in picture.strangers:
            strangers.add_metric([str(stranger.virtual_router_id), stranger.address, stranger.interface], 1)
        claims = GaugeMetricFamily(
            "floatip_address_claimed",
            "1 for each address that a stranger claims while this node holds it.",
            labels=[*ROUTER, "address", "hardware_address"],
        )
        for claim in picture.claims:
            claims.add_metric([*claim.router, claim.address, claim.mac], 1)
        connected = GaugeMetricFamily("floatip_engine_connected", "1 while the engine speaks to the keeper.")
        connected.add_metric([], float(picture.is_engine_connected))
        confirmed = GaugeMetricFamily("floatip_configuration_confirmed", "1 when the engine runs the latest document.")
        confirmed.add_metric([], float(picture.is_confirmed))
        yield from (transitions, success, duration, strangers, claims, connected, confirmed)

    def _engine(self, engine: EngineState) -> Iterator[Metric]:
        is_connected = self._picture.is_engine_connected
        fence = GaugeMetricFamily("floatip_fence_active", "1 for the fence in force.", labels=["fence"])
        fence.add_metric([engine.fence], float(is_connected))
        scheduling = GaugeMetricFamily(
            "floatip_engine_scheduling", "1 for the class that the engine runs in.", labels=["scheduling"]
        )
        for name in SCHEDULING:
            scheduling.add_metric([name], float(is_connected and engine.scheduling == name))
        yield from (fence, scheduling, _lateness(engine))


def _routers_info(routers: Iterable[RouterState]) -> Metric:
    """Who speaks, and who is heard as the Active: what tells a stranger on our router ID from one of us."""
    info = InfoMetricFamily("floatip_virtual_router", "What the router runs with, and the Active that it knows.")
    for router in routers:
        labels = {
            "floatingip": router.name,
            "family": router.family,
            "virtual_router_id": str(router.virtual_router_id),
            "interface": router.interface or "",
            "source_address": router.source_address or "",
            "active_router": router.active_router or "",
        }
        info.add_metric([], labels)
    return info


def _lateness(engine: EngineState) -> Metric:
    buckets, total = [], 0
    for bound, count in engine.lateness.items():
        total += count
        buckets.append((bound, float(total)))
    return HistogramMetricFamily(
        "floatip_advertisement_lateness_seconds",
        "How late advertisements left.",
        buckets=buckets,
        sum_value=engine.lateness_sum,
    )
