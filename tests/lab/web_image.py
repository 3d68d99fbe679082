"""A web server in an image of its own: Debian's nginx, for whatever configuration a Pod gives it."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from pathlib import Path

from lab import cache, debian
from lab.image import Image, add
from lab.image_parts import SUITE, UNUSED, ImageError

NAME = "localhost/nginx:lab"
COMMAND = ["/usr/sbin/nginx", "-c", "/etc/floatip/nginx.conf", "-g", "daemon off;"]
PACKAGES = ("base-files", "libc6", "nginx")
# nginx looks its user up, and there is no shell to make one.
PASSWD, GROUP = b"root:x:0:0:root:/root:/usr/sbin/nologin\n", b"root:x:0:\n"


def image() -> Image:
    """What `fetch` made. Raises `ImageError`."""
    if not _archive().exists():
        raise ImageError(f"{_archive()} is missing: run `make setup`")
    return Image(NAME, _archive())


def fetch() -> None:
    """Where it is not there yet. Raises `ImageError`."""
    if _archive().exists():
        return
    with tempfile.TemporaryDirectory() as folder, cache.complete(_archive()) as new:
        layer = Path(folder) / "layer.tar"
        try:
            debian.extract(SUITE, PACKAGES, layer, unused=(*UNUSED, *debian.UNUSED))
        except debian.DebianError as error:
            raise ImageError(str(error)) from error
        with tarfile.open(layer, "a") as tar:
            add(tar, "./etc/passwd", PASSWD)
            add(tar, "./etc/group", GROUP)
        _save(new, layer)


def _save(archive: Path, layer: Path) -> None:
    """As `docker save` does."""
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    configuration = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": COMMAND},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        add(tar, "config.json", json.dumps(configuration).encode())
        add(tar, "manifest.json", json.dumps(manifest).encode())
        tar.add(layer, "layer.tar")


def _archive() -> Path:
    digest = hashlib.sha256(json.dumps([SUITE, PACKAGES, UNUSED, COMMAND]).encode()).hexdigest()
    return cache.folder() / "images" / f"nginx-{digest[:16]}.tar"
