"""The saved copies: what a restart without the API needs, and what becomes of a broken one."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from floatip_agent.configuration import Configuration, Health, RouterConfiguration
from floatip_agent.keeper.saved import SavedCopies, write_atomically

CONFIGURATION = Configuration(
    routers=(RouterConfiguration("elk", "IPv4", 51, ("172.16.69.94/24",), 150, version=2, password="tan124"),),
    health={"elk": Health(lower_by=60)},
    generation=7,
    uid="u1",
)


def test_both_files_come_back_and_are_for_root_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    copies = SavedCopies(folder)
    copies.write_configuration(CONFIGURATION)
    copies.write_node({"document": {"a": 1}})
    assert SavedCopies(folder).read_configuration() == CONFIGURATION
    assert SavedCopies(folder).read_node() == {"format": 1, "document": {"a": 1}}
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {
        "engine.json": "0o600",
        "node.json": "0o600",
    }


def test_nothing_saved_is_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert SavedCopies(tmp_path).read_node() is None
    assert SavedCopies(tmp_path).read_configuration() is None
    assert not caplog.records


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", b'{"format":99}', b'{"format":1,"routers":7}'])
def test_a_broken_copy_is_said_and_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: bytes) -> None:
    """design.md: "A broken saved copy: said, set aside, not a crash loop"."""
    (tmp_path / "engine.json").write_bytes(text)
    with caplog.at_level(logging.ERROR):
        assert SavedCopies(tmp_path).read_configuration() is None
    assert (tmp_path / "engine.json.broken").read_bytes() == text
    assert not (tmp_path / "engine.json").exists()
    assert "set aside as engine.json.broken" in caplog.text


def test_a_write_that_fails_leaves_the_old_copy_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    write_atomically(path, b"old")
    path.unlink()
    path.mkdir()  # a rename onto a folder fails
    (path / "inside").touch()
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert [found.name for found in tmp_path.iterdir()] == ["node.json"]


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    copies = SavedCopies(tmp_path)
    copies.write_configuration(CONFIGURATION)
    before = (tmp_path / "engine.json").stat().st_ino
    copies.write_configuration(CONFIGURATION)
    assert (tmp_path / "engine.json").stat().st_ino == before
    (tmp_path / "engine.json").unlink()
    copies.write_configuration(CONFIGURATION)
    assert (tmp_path / "engine.json").exists()
