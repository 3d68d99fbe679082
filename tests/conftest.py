"""Fixtures of the lab: a LAN of namespaces and real API servers.

A test that uses one is marked by it (`linux`, `cluster`). Where the machine lacks something the test is skipped and
says what; with `CI=true` in the environment such a skip is a failure.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
from conformance.plugin import Conformance
from hypothesis import HealthCheck, settings
from lab import binaries, user_mode_linux
from lab.control_plane import ControlPlane, OwnControlPlane
from lab.network import Lan
from lab.side_by_side import AtOnce, Result

# A busy machine is no fault of the strategy or of the code.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

MARKED_BY_FIXTURE = {
    "lan": "linux",
    "lan_of_ones_own": "linux",
    "at_once": "linux",
    "uml": "guest",
    "control_plane": "cluster",
    "api_server": "cluster",
    "control_plane_of_ones_own": "cluster",
}
NEVER_SKIPPED_IN_CI = ("linux", "peers", "cluster", "guest")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-conformance", action="store_true", help="write docs/conformance.md from this run")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Conformance(writes=config.option.write_conformance))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if mark := MARKED_BY_FIXTURE.get(fixture):
                item.add_marker(mark)
        # Other work on the machine may hold a process up for longer than a protocol's timer. What fails twice is no such thing.
        if any(item.get_closest_marker(name) for name in NEVER_SKIPPED_IN_CI):
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for fixture in getattr(item, "funcargs", {}).values():
            if isinstance(network := getattr(fixture, "lan", fixture), Lan):
                report.sections += [(f"last lines of {name}", text) for name, text in network.logs()]
    marked = any(item.get_closest_marker(name) for name in NEVER_SKIPPED_IN_CI)
    if report.skipped and marked and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"with CI=true nothing of this kind is skipped. {reason}"
    return report


@pytest.fixture
def lan() -> Iterator[Lan]:
    """An empty LAN of the test's own (it takes a few milliseconds)."""
    yield from _lan()


@pytest.fixture(scope="session")
def lan_of_ones_own() -> Callable[[], AbstractContextManager[Lan]]:
    """For what needs several at once."""
    return contextlib.contextmanager(_lan)


@pytest.fixture(scope="session")
def at_once(lan_of_ones_own: Callable[[], AbstractContextManager[Lan]]) -> AtOnce[Any]:
    """Does something for every name at once, each on a LAN of its own (they mostly wait); the result, or what it raised,
    by name."""

    def do(names: Iterable[str], experiment: Callable[[Lan, str], Result]) -> Callable[[str], Result]:
        def on_a_lan(name: str) -> Result:
            with lan_of_ones_own() as lan:
                try:
                    return experiment(lan, name)
                except Exception as error:
                    for file, text in lan.logs():
                        error.add_note(f"last lines of {file}:\n{text}")
                    raise

        chosen = list(names)
        with ThreadPoolExecutor(len(chosen)) as threads:
            results = {name: threads.submit(on_a_lan, name) for name in chosen}
        return lambda name: results[name].result()

    return do


def _lan() -> Iterator[Lan]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if missing := [program for program in ("ip", "nsenter", "nft") if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Lan() as network:
        yield network


@pytest.fixture
def uml() -> None:
    """The test starts guests with kernels of their own."""
    try:
        user_mode_linux.kernel()
    except user_mode_linux.MissingKernel as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """An API server with controller manager and scheduler, shared by the session: use names of your own."""
    yield from _running(controllers=True)


@pytest.fixture(scope="session", params=[binaries.OLDEST, binaries.NEWEST])
def api_server(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """The oldest and the newest API server, without controllers, shared by the session: use names of your own."""
    yield from _running(request.param)


@pytest.fixture(scope="session")
def control_plane_of_ones_own() -> OwnControlPlane:
    """`with control_plane_of_ones_own() as server:` an API server, or the one of a version, for what acts on all there is."""
    return contextlib.contextmanager(_running)


def _running(version: str = binaries.RELEASE, *, controllers: bool = False) -> Iterator[ControlPlane]:
    try:
        server = ControlPlane(version, controllers=controllers)
    except binaries.MissingBinary as missing:
        pytest.skip(str(missing))
    with server:
        yield server
