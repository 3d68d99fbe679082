"""The `floatip-operator` command: reads its settings, takes the Lease, runs kopf and the reconciler until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import math
import signal
import socket
import sys
import uuid
from collections.abc import Coroutine
from pathlib import Path

import yaml
from aiohttp import web
from floatip_api import names
from kubernetes.aio import client, config
from prometheus_client import generate_latest
from pydantic import ValidationError

from floatip_operator import check, handlers, kube, renewals, uninstall
from floatip_operator.agents import AgentSettings
from floatip_operator.cluster import Cluster
from floatip_operator.decide.snapshot import EXCLUDED
from floatip_operator.leadership import Leadership, StoreRestored
from floatip_operator.metrics import Metrics
from floatip_operator.reconciler import Reconciler, Settings

log = logging.getLogger("floatip_operator")

_STALE = 60.0
"""Seconds without a pass that ended well, after which /healthz turns bad."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 unusable arguments or settings, 1 anything else."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        settings = _settings(options)
    except (OSError, ValueError, yaml.YAMLError) as error:
        sys.stderr.write(f"{options.agent_settings}: {_fault(error)}\n")
        return 2
    try:
        return asyncio.run(_command(options, settings))
    except config.ConfigException as error:
        sys.stderr.write(f"no usable Kubernetes configuration: {error}\n")
        return 2
    except StoreRestored as error:
        log.error("%s: this replica ends, to begin anew from what is there", error)
        return 1


async def _run(settings: Settings, metrics_address: str) -> int:
    configuration = await kube.load_configuration()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with client.ApiClient(configuration) as api_client:
        api = kube.Kube(api_client, settings.namespace)
        cluster = Cluster()
        metrics = Metrics(cluster)
        reconciler = Reconciler(api, cluster, settings, metrics)
        runner = await _serve(metrics_address, metrics, reconciler)
        leadership = Leadership(api, f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}")
        # A replica that waits sees what the leader sees: how long agents have been silent it knows from then on.
        watching = asyncio.create_task(handlers.watch(cluster, settings.namespace, reconciler.listed))
        following = asyncio.create_task(renewals.follow(api, cluster))
        observing = asyncio.create_task(reconciler.observe())
        try:
            if not await _first(leadership.acquire(), stop, watching):
                return _status(stop, watching)
            observing.cancel()
            metrics.leader.set(1)
            ended = await _lead(leadership, reconciler, watching, following, stop)
            await leadership.give_up()
            return ended
        finally:
            for task in (observing, following, watching):
                task.cancel()
            await asyncio.gather(observing, following, watching, return_exceptions=True)
            await runner.cleanup()


async def _command(options: argparse.Namespace, settings: Settings) -> int:
    if options.command == "run":
        return await _run(settings, options.metrics_address)
    async with client.ApiClient(await kube.load_configuration()) as api_client:
        api = kube.Kube(api_client, settings.namespace)
        if options.command == "check":
            return await check.run(api, options.timeout)
        return await uninstall.run(api, settings, options.timeout)


async def _lead(
    leadership: Leadership,
    reconciler: Reconciler,
    watching: asyncio.Task[bool],
    following: asyncio.Task[None],
    stop: asyncio.Event,
) -> int:
    """Until told to stop (0) or until something that must not end has ended (1)."""
    parts = [asyncio.create_task(part) for part in (reconciler.run(), leadership.keep(), stop.wait())]
    tasks = [following, *parts]
    await asyncio.wait([watching, *tasks], return_when=asyncio.FIRST_COMPLETED)
    ended = _status(stop, watching)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("ended by %r", result)
    return ended


def _status(stop: asyncio.Event, watching: asyncio.Task[bool]) -> int:
    """0 when it was told to stop, by a signal that this process took or kopf."""
    if stop.is_set():
        return 0
    if watching.done() and (error := watching.exception()):
        log.error("the watches ended by %r", error)
        return 1
    return 0 if watching.done() and watching.result() else 1


async def _first(step: Coroutine[object, object, None], stop: asyncio.Event, watching: asyncio.Task[bool]) -> bool:
    """Whether the step ended before the stop and the watches. Raises what the step raises."""
    stepping, stopping = asyncio.create_task(step), asyncio.create_task(stop.wait())
    await asyncio.wait({stepping, stopping, watching}, return_when=asyncio.FIRST_COMPLETED)
    for task in (stepping, stopping):
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    if not stepping.cancelled():
        stepping.result()
    return not stop.is_set() and not watching.done()


async def _serve(address: str, metrics: Metrics, reconciler: Reconciler) -> web.AppRunner:
    """/healthz and /metrics. A replica that waits for the Lease is healthy."""

    async def health(_: web.Request) -> web.Response:
        age = asyncio.get_running_loop().time() - reconciler.turned_at
        if reconciler.turned_at and age > _STALE:
            return web.Response(status=503, text=f"no pass ended well for {age:.0f} s\n")
        return web.Response(text="ok\n")

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), content_type="text/plain")

    application = web.Application()
    application.add_routes([web.get("/healthz", health), web.get("/metrics", show)])
    # The kubelet asks every few seconds: no line for each.
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, _, port = address.rpartition(":")
    if address:
        try:
            await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        except OSError as error:
            log.warning("no metrics and health on %s: %s", address, error)
    return runner


def _settings(options: argparse.Namespace) -> Settings:
    if options.command != "run":
        return Settings(options.namespace, labels_namespace=options.label_namespace)
    lowest, highest = options.virtual_router_id_range
    agents = None
    if options.agent_settings is not None:
        document = yaml.safe_load(Path(options.agent_settings).read_text())
        agents = AgentSettings.from_manifest(document)
    ranges = (lowest, highest)
    return Settings(options.namespace, ranges, agents, options.label_namespace, options.ignore_exclude_lb)


def _fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return str(error)


def _range(text: str) -> tuple[int, int]:
    lowest, _, highest = text.partition("-")
    if not (lowest.isdigit() and highest.isdigit() and 1 <= int(lowest) <= int(highest) <= 255):
        raise argparse.ArgumentTypeError(f"{text!r}: two numbers of 1 to 255, as in 20-250")
    return int(lowest), int(highest)


def _seconds(text: str) -> float:
    if not 0 < (seconds := float(text)) < math.inf:
        raise ValueError
    return seconds


_seconds.__name__ = "number of seconds"  # for argparse's message


def _address(text: str) -> str:
    _, colon, port = text.rpartition(":")
    if text and not (colon and port.isascii() and port.isdigit() and int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r}: HOST:PORT, [HOST]:PORT or :PORT")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="floatip-operator", description="The floatip operator.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="in a cluster, or by KUBECONFIG")
    _add_run(run)
    end = commands.add_parser(
        "uninstall",
        help="before the release is deleted: no address, no DaemonSet, no finalizer is left; FloatingIPs stay",
    )
    checking = commands.add_parser(
        "check", help="whether the operator leads, the agents are Ready, the floating IPs held"
    )
    for command, seconds in ((end, 120.0), (checking, 60.0)):
        command.add_argument(
            "--timeout", type=_seconds, default=seconds, metavar="SECONDS", help="for all of it; default: %(default)s"
        )
    for command in (run, end, checking):
        command.add_argument(
            "--namespace", default=names.DEFAULT_NAMESPACE, help="floatip's namespace; default: %(default)s"
        )
        command.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    for command in (run, end):
        command.add_argument(
            "--label-namespace",
            action="store_true",
            help="keep the Pod Security level that the agents need on it; uninstall takes the label off",
        )
    checking.set_defaults(label_namespace=False)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("--agent-settings", metavar="FILE", help="YAML; absent: the agents' DaemonSet is not managed")
    run.add_argument(
        "--virtual-router-id-range",
        type=_range,
        default=(20, 250),
        metavar="LOW-HIGH",
        help="allocation range; default: 20-250",
    )
    run.add_argument(
        "--ignore-exclude-lb",
        action="store_true",
        help=f"take nodes with the label {EXCLUDED}, kubeadm's control planes",
    )
    run.add_argument(
        "--metrics-address", type=_address, default="", metavar="HOST:PORT", help="/healthz and /metrics; default: off"
    )


if __name__ == "__main__":
    sys.exit(main())
