"""`PYTHONPATH=tests python -m benchmarks.scale [NODES FLOATING-IPS]`: the real operator, a real API server and etcd, 1,000 played nodes.

The nodes lie in 8 subnets; a fifth of the FloatingIPs select nodes by label. What is counted: the API server's own count of the
operator's requests, and each change that a watch sees. `--exhaust`: one subnet with more FloatingIPs than router IDs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from floatip_api import names
from lab.control_plane import ControlPlane
from lab.waiting import until

from benchmarks.simulated_agents import FLOATING_IPS, Agents, Api

CRDS = Path(__file__).parents[1] / "crds"
SUBNETS = 8
CANDIDATES = 5
EDITS = 100
LABELS = 10
EXCLUSIONS = 3
RESTARTS = 3
IDLE = 30.0
"""Seconds in which nothing happens but the renewal of Leases."""
WITHIN = 180.0
"""Seconds that anything may take."""
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
_AT_ONCE = 16


class Operator:
    """`floatip-operator run`, as a process of its own."""

    def __init__(self, plane: ControlPlane, log: Path) -> None:
        self._plane = plane
        self._log = log
        self._used = 0.0
        self.start()

    def start(self) -> None:
        program = Path(sys.executable).with_name("floatip-operator")
        environment = {**os.environ, "KUBECONFIG": str(self._plane.kubeconfig)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([str(program), "run"], env=environment, stderr=log)

    def stop(self) -> None:
        self._used = self.processor()
        self._process.terminate()
        self._process.wait(timeout=30)

    def memory(self) -> str:
        """Resident now and at most, in MB."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        peak, now = (int(re.findall(rf"{field}:\s+(\d+) kB", text)[0]) // 1024 for field in ("VmHWM", "VmRSS"))
        return f"{now} MB, at most {peak} MB"

    def processor(self) -> float:
        """Seconds of processor time so far, of the processes before it too."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return self._used + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class World:
    """The cluster, what a watch of the FloatingIPs sees, and the measuring."""

    def __init__(self, api: Api, agents: Agents, operator: Operator) -> None:
        self.api, self.agents, self.operator = api, agents, operator
        self.floating_ips: dict[str, dict[str, Any]] = {}
        self.status_writes: Counter[str] = Counter()

    def take(self, kind: str, entry: dict[str, Any]) -> None:
        name = entry["metadata"]["name"]
        known = self.floating_ips.get(name, {})
        self.floating_ips[name] = entry
        self.status_writes[name] += entry.get("status") != known.get("status")
        if kind == "DELETED":
            del self.floating_ips[name]

    @property
    def selecting(self) -> list[str]:
        """Those that select their nodes by a label."""
        return [name for name, entry in self.floating_ips.items() if entry["spec"].get("nodes")]

    def ready(self) -> int:
        return sum(_condition(entry, "Ready") == "True" for entry in self.floating_ips.values())

    async def until(self, condition: Callable[[], bool], what: str, within: float = WITHIN) -> None:
        end = time.monotonic() + within
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: not within {within} s")
            await asyncio.sleep(0.01)

    async def calm(self, seconds: float = 1.0) -> None:
        """Until nothing has been written for a while."""
        before, since = self._seen(), time.monotonic()
        while time.monotonic() - since < seconds:
            await asyncio.sleep(0.1)
            if (now := self._seen()) != before or not self.agents.is_idle:
                before, since = now, time.monotonic()

    def _seen(self) -> tuple[int, int]:
        return self.agents.spec_writes.total(), self.status_writes.total()

    async def requests(self) -> Counter[str]:
        """Of the API server: writes that only the operator makes, by resource."""
        found: Counter[str] = Counter()
        pattern = r"^apiserver_request_total\{(.*(?:floatingips|floatingipnodes|events).*)\} (\S+)$"
        for labels, count in re.findall(pattern, await self.api.metrics(), re.MULTILINE):
            said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            what = "/".join(filter(None, (said["resource"], said["subresource"])))
            if said["verb"] in {"POST", "PUT", "PATCH", "APPLY", "DELETE"} and what != "floatingipnodes/status":
                found[what] += int(float(count))
        return found

    async def measured(self, what: str, steps: Iterable[Callable[[], Awaitable[float]]], own: int = 0) -> None:
        """Print what the steps cost, each until the cluster is calm again. A step returns its seconds; `own` are its own writes of
        FloatingIPs."""
        before, began = await self.requests(), self.operator.processor()
        times, changed, most = [], Counter[str](), Counter[str]()
        for step in steps:
            self.agents.spec_writes.clear()
            self.status_writes.clear()
            times.append(await step())
            await self.calm()
            for kind, writes in (("FloatingIPNode", self.agents.spec_writes), ("FloatingIP", self.status_writes)):
                changed[kind] += sum(map(bool, writes.values()))
                most[kind] = max(most[kind], *writes.values(), 0)
        made = await self.requests() - before
        made["floatingips"] -= own * len(times)
        times.sort()
        print(f"\n{what}")
        share = times[max(0, len(times) * 99 // 100 - 1)]
        print(
            f"  seconds until right: {statistics.median(times):.2f} median, {share:.2f} 99 %, {times[-1]:.2f} longest of {len(times)}"
        )
        for kind, count in changed.items():
            print(f"  {kind}: {count / len(times):.1f} changed a step, at most {most[kind]} writes of one")
        print(
            f"  requests a step: {', '.join(f'{n / len(times):.1f} {name}' for name, n in sorted(made.items()) if n)}"
        )
        used = (self.operator.processor() - began) / len(times)
        print(f"  operator: {self.operator.memory()}; {used:.2f} s of processor time a step", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nodes", type=int, nargs="?", default=1000)
    parser.add_argument("floating_ips", type=int, nargs="?", default=500)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended then, too
    parser.add_argument("--exhaust", action="store_true", help="one subnet, 250 FloatingIPs, 231 router IDs")
    options = parser.parse_args()
    with ControlPlane() as plane, tempfile.TemporaryDirectory() as folder:
        plane.kubectl("create", "namespace", names.DEFAULT_NAMESPACE)
        for crd in ("floatingips.yaml", "floatingipnodes.yaml"):
            plane.apply(CRDS / crd)
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        until(lambda: plane.try_kubectl("get", "fip,fipn").returncode == 0, 30, "both kinds can be listed")
        log = Path(folder) / "operator.log"
        try:
            asyncio.run(_run(plane, options, log))
        except BaseException:
            sys.stderr.write(log.read_text()[-3000:] if log.exists() else "")
            raise


async def _run(plane: ControlPlane, options: argparse.Namespace, log: Path) -> None:
    subnets = 1 if options.exhaust else SUBNETS
    addresses = {
        f"node-{n:04}": f"10.{n % subnets}.{n // subnets // 250}.{n // subnets % 250 + 1}/16"
        for n in range(options.nodes)
    }
    async with _session(plane) as session:
        api = Api(session)
        await _all(_make_node(api, name, n % SUBNETS) for n, name in enumerate(addresses))
        operator = Operator(plane, log)
        agents = Agents(api, addresses)
        world = World(api, agents, operator)
        playing = asyncio.create_task(_play(agents, api, world))
        try:
            measuring = asyncio.create_task(_exhaust(world) if options.exhaust else _measure(world, options))
            await asyncio.wait([playing, measuring], return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                measuring.cancel()
                await playing
            await measuring
        finally:
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing
            operator.stop()


async def _play(agents: Agents, api: Api, world: World) -> None:
    await asyncio.gather(agents.run(), api.follow(FLOATING_IPS, world.take))


async def _measure(world: World, options: argparse.Namespace) -> None:
    count = options.floating_ips
    began = time.monotonic()
    await world.until(lambda: len(world.agents.documents) == options.nodes, "a document for each node")
    await world.calm()
    print(f"{options.nodes} FloatingIPNodes after {time.monotonic() - began:.1f} s", flush=True)

    async def create() -> float:
        began = time.monotonic()
        await _all(_make_floating_ip(world.api, n, SUBNETS) for n in range(count))
        await world.until(lambda: world.ready() == count, "all are held")
        return time.monotonic() - began

    await world.measured(f"{count} FloatingIPs are made on {options.nodes} nodes, until all are held", [create], count)
    await _idle(world)
    edits = [partial(_edit, world, f"fip-{turn * 7 % count:03}", 1 + turn) for turn in range(EDITS)]
    await world.measured("an edit of a FloatingIP", edits, own=1)
    await world.measured(
        "a node's label changes, which a selector reads", [partial(_relabel, world, turn) for turn in range(LABELS)]
    )
    await world.measured("a node is excluded by its label", [partial(_exclude, world)] * EXCLUSIONS)
    await world.measured("the operator restarts", [partial(_restart, world, turn) for turn in range(RESTARTS)], own=1)


async def _idle(world: World) -> None:
    before = world.operator.processor()
    await asyncio.sleep(IDLE)
    share = (world.operator.processor() - before) / IDLE
    print(f"\nnothing happens: operator {world.operator.memory()}; {100 * share:.1f} % of a processor", flush=True)


async def _edit(world: World, name: str, seconds: int) -> float:
    """Until every entry of it says the new value."""
    began = time.monotonic()
    await _write(world, name, seconds)
    await _until_edited(world, name, seconds)
    return time.monotonic() - began


async def _write(world: World, name: str, seconds: int) -> None:
    announcement = {"refreshSeconds": seconds}
    await world.api.merge(f"{FLOATING_IPS}/{name}", {"spec": {"vrrp": {"announcement": announcement}}})


async def _until_edited(world: World, name: str, seconds: int) -> None:
    def is_right() -> bool:
        routers = world.agents.entries(name).values()
        return bool(routers) and all(r["vrrp"]["announcement"].get("refreshSeconds") == seconds for r in routers)

    await world.until(is_right, f"{name} is as edited")


async def _relabel(world: World, turn: int) -> float:
    """A node leaves the rack that FloatingIPs select: until it has no entry left of those, and they have five others."""
    node = min(world.agents.entries(world.selecting[turn % len(world.selecting)]))
    began = time.monotonic()
    await world.api.merge(f"/api/v1/nodes/{node}", {"metadata": {"labels": {"rack": "none"}}})

    def is_right() -> bool:
        found = [world.agents.entries(name) for name in world.selecting]
        return all(node not in entries and len(entries) == CANDIDATES for entries in found)

    await world.until(is_right, f"{node} takes no part by its rack any more")
    return time.monotonic() - began


async def _exclude(world: World) -> float:
    """The node that most floating IPs are on: until it has no entry left and all of them have five others."""
    routers = {n: d.get("spec", {}).get("virtualRouters", []) for n, d in world.agents.documents.items()}
    node = max(routers, key=lambda name: len(routers[name]))
    moved = [router["name"] for router in routers[node]]
    began = time.monotonic()
    await world.api.merge(f"/api/v1/nodes/{node}", {"metadata": {"labels": {EXCLUDED: ""}}})

    def is_right() -> bool:
        found = [world.agents.entries(name) for name in moved]
        return all(node not in entries and len(entries) == CANDIDATES for entries in found)

    await world.until(is_right, f"{node} has let go of {len(moved)}")
    return time.monotonic() - began


async def _restart(world: World, turn: int) -> float:
    """From the start of the process until an edit that was made meanwhile is carried out."""
    await asyncio.to_thread(world.operator.stop)
    name, seconds = f"fip-{turn:03}", 1000 + turn
    await _write(world, name, seconds)
    began = time.monotonic()
    world.operator.start()
    await _until_edited(world, name, seconds)
    return time.monotonic() - began


async def _exhaust(world: World) -> None:
    """250 on one subnet, 231 router IDs: those that get none say so, and take up what becomes free."""
    await world.until(lambda: len(world.agents.documents) > 0, "documents")
    await world.calm()
    wanted, ids = 250, 231

    def waiting() -> list[str]:
        return [name for name, entry in world.floating_ips.items() if _condition(entry, "Allocated") == "False"]

    def are_right(left: int) -> bool:
        given = [entry.get("status", {}).get("virtualRouterID") for entry in world.floating_ips.values()]
        given = [number for number in given if number is not None]
        is_once = len(set(given)) == len(given) == ids == world.ready()
        return is_once and len(waiting()) == left

    async def create() -> float:
        began = time.monotonic()
        await _all(_make_floating_ip(world.api, n, 1) for n in range(wanted))
        await world.until(lambda: are_right(wanted - ids), f"{ids} IDs are given")
        return time.monotonic() - began

    async def free(left: int) -> float:
        name = next(name for name in world.floating_ips if name not in waiting())
        began = time.monotonic()
        await world.api.call("DELETE", f"{FLOATING_IPS}/{name}")
        await world.until(lambda: are_right(left), "the ID is given on")
        return time.monotonic() - began

    freeing = [partial(free, left) for left in range(wanted - ids - 1, wanted - ids - 6, -1)]
    await world.measured(f"{wanted} FloatingIPs on one subnet: {ids} get a router ID", [create], own=wanted)
    await world.measured("one of them is deleted: its router ID is given on, and held", freeing, own=1)


async def _make_node(api: Api, name: str, rack: int) -> None:
    labels = {"kubernetes.io/hostname": name, "rack": f"r{rack}", "topology.kubernetes.io/zone": f"z{rack % 4}"}
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
    await api.call("POST", "/api/v1/nodes", body)


async def _make_floating_ip(api: Api, number: int, subnets: int) -> None:
    subnet, place = number % subnets, number // subnets
    spec: dict[str, Any] = {"addresses": [f"10.{subnet}.{200 + place // 250}.{place % 250 + 1}/16"]}
    if subnets > 1 and number % 5 == 0:
        spec["nodes"] = [{"selector": {"matchLabels": {"rack": f"r{subnet}"}}}]
    head = {"apiVersion": names.API_VERSION, "kind": names.FLOATING_IP, "metadata": {"name": f"fip-{number:03}"}}
    await api.call("POST", FLOATING_IPS, {**head, "spec": spec})


async def _all(steps: Iterable[Any]) -> None:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(step: Any) -> None:
        async with limit:
            await step

    await asyncio.gather(*map(one, steps))


def _condition(entry: dict[str, Any], kind: str) -> str:
    found = entry.get("status", {}).get("conditions", [])
    return next((str(condition["status"]) for condition in found if condition["type"] == kind), "")


def _session(plane: ControlPlane) -> aiohttp.ClientSession:
    user = yaml.safe_load(plane.kubeconfig.read_text())["users"][0]["user"]
    context = ssl.create_default_context(cafile=str(plane.authority_certificate))
    context.load_cert_chain(user["client-certificate"], user["client-key"])
    return aiohttp.ClientSession(
        plane.server,
        connector=aiohttp.TCPConnector(ssl=context, limit=64),
        timeout=aiohttp.ClientTimeout(total=60),
        read_bufsize=2**23,
    )


if __name__ == "__main__":
    main()
