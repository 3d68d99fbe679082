"""Programs of other Debian releases run beside this machine's own, or the text says what to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lab import debian, frr, keepalived

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("version", keepalived.PACKAGES)
def test_keepalived_of_each_release_starts(version: str) -> None:
    done = subprocess.run(
        [*_or_skip(keepalived.PACKAGES[version], "usr/sbin/keepalived", "etc/keepalived/keepalived"), "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.startswith(f"Keepalived v{version}.")


@pytest.mark.parametrize("version", frr.PACKAGES)
def test_frr_of_each_release_starts(version: str) -> None:
    command = _or_skip(frr.PACKAGES[version], "usr/lib/frr/vrrpd", None)
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"vrrpd version {version}")


def test_a_package_that_was_not_fetched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(debian.DebianError, match=r"keepalived of Debian trixie is not in .*: run `make setup`"):
        keepalived.command(keepalived.NEWER)


def _or_skip(package: debian.Package, program: str, called: str | None) -> list[str]:
    try:
        return package.command(program, called=called)
    except debian.DebianError as missing:
        pytest.skip(str(missing))
