"""Static mode's file: read at start, on SIGHUP and on every kind of change; a broken one is named and not followed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from floatip_agent.keeper.credentials import SecretName
from floatip_agent.keeper.sources import FileSource, Problem, Read, Reading

Eventually = Callable[[Callable[[], object]], Awaitable[None]]

ENTRY = """\
  - name: {name}
    family: IPv4
    virtualRouterID: 51
    addresses: [172.16.69.94/24]
    priority: 150
"""
HEAD = "apiVersion: floatip.dev/v1alpha1\nkind: FloatingIPNode\nmetadata: {name: n}\nspec:\n  virtualRouters:\n"
PASSWORD = "    vrrp: {version: 2, authentication: {type: Password, secretRef: {name: elk-vrrp, key: password}}}\n"


def text(*names: str) -> str:
    return HEAD + "".join(ENTRY.format(name=name) for name in names)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(text("elk"))
    return path


@contextlib.asynccontextmanager
async def _reading(source: FileSource) -> AsyncIterator[list[Reading]]:
    readings: list[Reading] = []

    async def follow() -> None:
        async for reading in source.readings():
            readings.append(reading)

    task = asyncio.create_task(follow())
    try:
        yield readings
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def names(reading: Reading) -> list[str]:
    assert isinstance(reading, Read)
    return [entry["name"] for entry in reading.document["spec"]["virtualRouters"]]


def rename_over(path: Path, content: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(content)
    new.rename(path)


@pytest.mark.parametrize("write", [Path.write_text, rename_over])
async def test_a_change_of_the_file_is_noticed(
    path: Path, write: Callable[[Path, str], object], eventually: Eventually
) -> None:
    async with _reading(FileSource(path)) as readings:
        await eventually(lambda: len(readings) == 1)
        assert names(readings[0]) == ["elk"]
        write(path, text("elk", "other"))
        await eventually(lambda: len(readings) == 2)
        assert names(readings[1]) == ["elk", "other"]


async def test_a_file_that_is_being_written_is_not_read(path: Path, eventually: Eventually) -> None:
    """Half a document may be a good one, and in static mode a router that it lacks would be let go."""
    async with _reading(FileSource(path)) as readings:
        await eventually(lambda: len(readings) == 1)
        with path.open("w") as file:
            for part in [HEAD, *(ENTRY.format(name=f"ip-{number}") for number in range(15))]:
                file.write(part)
                file.flush()
                await asyncio.sleep(0.1)
        await eventually(lambda: len(readings) == 2)
        assert len(names(readings[1])) == 15


async def test_sighup_reads_at_once_also_when_nothing_changed(path: Path, eventually: Eventually) -> None:
    source = FileSource(path)
    async with _reading(source) as readings:
        await eventually(lambda: len(readings) == 1)
        source.reload()
        async with asyncio.timeout(0.5):
            await eventually(lambda: len(readings) == 2)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (text("elk").replace("priority: 150", "priority: 300"), "{path}:10: spec.virtualRouters[0].priority: 300: "),
        (text("elk").replace("priority:", "prio:"), "{path}:10: spec.virtualRouters[0].prio: unknown field"),
        (text("elk").replace("/24]", "/24"), "{path}:1"),
        (text("elk").replace("FloatingIPNode", "FloatingIP"), "{path}: one FloatingIPNode is required, not FloatingIP"),
        (text("a") + "---\n" + text("b"), "{path}: one FloatingIPNode is required, not FloatingIPNode, FloatingIPNode"),
        ("", "{path}: one FloatingIPNode is required, not nothing"),
        ("just words\n", "{path}:1: must be an object"),
    ],
)
def test_a_broken_file_is_refused_with_file_line_and_field(path: Path, content: str, fault: str) -> None:
    path.write_text(content)
    reading = FileSource(path).read()
    assert isinstance(reading, Problem)
    assert any(found.startswith(fault.format(path=path)) for found in reading.faults), reading.faults


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    reading = FileSource(tmp_path / "none.yaml").read()
    assert reading == Problem((f"{tmp_path}/none.yaml: No such file or directory",))


async def test_secrets_are_files_beside_the_document(path: Path, eventually: Eventually) -> None:
    """api.md: "in static mode `secretRef: {name: n, key: k}` is the file `n/k` beside the document"."""
    secret = path.parent / "elk-vrrp" / "password"
    rename_over(path, text("elk") + PASSWORD)
    async with _reading(FileSource(path)) as readings:
        await eventually(lambda: len(readings) == 1)
        assert isinstance(readings[0], Read)
        assert readings[0].secrets.values == {}
        assert readings[0].secrets.problems["elk-vrrp"] == f"cannot be read: {secret}: No such file or directory"
        secret.parent.mkdir()
        secret.write_text("tan124\n")
        await eventually(lambda: len(readings) == 2)
        assert isinstance(readings[1], Read)
        assert readings[1].secrets.values == {SecretName("elk-vrrp", "password"): "tan124"}
