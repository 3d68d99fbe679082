"""A cgroup (version 2) with a memory limit, as a kubelet makes one for each container: beyond it all of its processes are killed."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class Cgroup:
    """Needs a machine whose version 2 hierarchy has the memory controller (`lab.guest` has)."""

    def __init__(self, name: str) -> None:
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        self._folder = ROOT / name
        self._folder.mkdir()
        (self._folder / "memory.oom.group").write_text("1")

    @property
    def within(self) -> list[str]:
        """Before a command: it starts in this cgroup."""
        return ["sh", "-c", f'echo $$ > {self._folder}/cgroup.procs && exec "$@"', "sh"]

    def limit(self, size: int | None) -> None:
        """Bytes, None for no limit. What uses more already is killed before this returns."""
        (self._folder / "memory.max").write_text("max" if size is None else str(size))

    @property
    def kills(self) -> int:
        """How often all of its processes were killed for its limit."""
        events = dict(line.split() for line in (self._folder / "memory.events").read_text().splitlines())
        return int(events["oom_group_kill"])
