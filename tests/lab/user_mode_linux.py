"""`python -m lab.user_mode_linux`: a kernel with every module, as an ordinary program, from Debian into the cache folder.

User Mode Linux needs neither KVM nor a disk image: a guest (`lab.guest`) is a process of this machine and sees its files. Tests only
look (`kernel`); `scripts/setup` fetches.

What differs: trixie's 6.12 and bookworm's 6.1 have iptables-legacy and no nft, sid's has neither; one CPU in all of them.
"""

from __future__ import annotations

import dataclasses
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from lab import cache, debian

RELEASES = ("trixie", "bookworm")
"""In this order: trixie's is the faster one."""
PROGRAM, MODPROBE = "usr/bin/linux.uml", "modprobe"


class MissingKernel(Exception):
    """No guest can be started here; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Kernel:
    """`program` boots it; `modprobe` loads its modules in the guest, whose /lib/modules is this machine's."""

    program: Path
    modprobe: Path


def kernel() -> Kernel:
    """The first one that is in the cache. Raises `MissingKernel`."""
    _check_machine("modprobe")
    for folder in map(_folder, RELEASES):
        if folder.exists():
            return Kernel(folder / PROGRAM, folder / MODPROBE)
    raise MissingKernel(f"User Mode Linux is not in {_folder(RELEASES[0]).parent}: run `make setup`")


def main() -> int:
    if any(_folder(release).exists() for release in RELEASES):
        return 0
    try:
        _check_machine("modprobe", "patchelf")
    except MissingKernel as missing:
        _say(str(missing))
        return 1
    for release in RELEASES:
        try:
            _fetch(release, _folder(release))
        except debian.DebianError as error:
            _say(f"{release}'s: {error}")
        else:
            _say(f"{release}'s: in {_folder(release)}")
            return 0
    return 1


def _check_machine(*programs: str) -> None:
    if platform.machine() != "x86_64":
        raise MissingKernel(f"Debian has no User Mode Linux for {platform.machine()}")
    if missing := [program for program in programs if not shutil.which(program)]:
        raise MissingKernel(f"not installed: {', '.join(missing)}")


def _folder(release: str) -> Path:
    return cache.folder() / "user-mode-linux" / release


def _fetch(release: str, place: Path) -> None:
    """The kernel starts itself anew, so it must find its release's loader without help, and stays where it is put."""
    with cache.complete(place) as new:
        debian.extract(release, ["user-mode-linux"], new)
        loader, libraries = (_find(new, name) for name in ("ld-linux-x86-64.so.2", "libc.so.6"))
        paths = f"--set-interpreter {place / loader} --set-rpath {place / libraries.parent}"
        subprocess.run(["patchelf", *paths.split(), new / PROGRAM], check=True)
        # modprobe looks below lib/modules of the folder it is given, and the package has no such place.
        (new / "modules/lib").mkdir(parents=True)
        (new / "modules/lib/modules").symlink_to("../../usr/lib/uml/modules")
        (new / MODPROBE).write_text(f'#!/bin/sh\nexec {shutil.which("modprobe")} --dirname={place}/modules "$@"\n')
        (new / MODPROBE).chmod(0o755)


def _find(folder: Path, name: str) -> Path:
    """Where /usr is merged there are links to it."""
    return next(path for path in folder.rglob(name) if not path.is_symlink()).relative_to(folder)


def _say(line: str) -> None:
    print(f"setup: User Mode Linux: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
