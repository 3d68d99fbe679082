"""Run in the image's build: the interpreter stays, compiled; what installs, builds or explains goes, and this file too."""

from __future__ import annotations

import compileall
import glob
import py_compile
import shutil
import sysconfig
from pathlib import Path

STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
UNUSED_MODULES = ("ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo")
UNUSED = (
    "/usr/local/lib/python3*/*-packages/*",  # pip, setuptools, wheel
    "/usr/local/bin/pip*",
    "/usr/local/bin/idle*",
    "/usr/local/include",
    "/usr/local/share/man",
    "/usr/share/doc",
    "/usr/share/locale",
    "/usr/share/man",
    "/usr/share/perl5",
    "/usr/lib/*/perl-base",
    "/usr/bin/perl*",
    "/usr/lib/apt",
    "/usr/bin/apt*",
    "/usr/lib/*/libapt-*",
    "/var/lib/apt",
    "/var/cache",
)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main() -> None:
    for name in UNUSED_MODULES:
        shutil.rmtree(STANDARD_LIBRARY / name, ignore_errors=True)
    for pattern in UNUSED:
        for path in glob.glob(pattern):  # noqa: PTH207 - an absolute pattern
            remove(Path(path))
    by_content = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(STANDARD_LIBRARY, quiet=1, force=True, invalidation_mode=by_content)
    Path(__file__).unlink()


if __name__ == "__main__":
    main()
