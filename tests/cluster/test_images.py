"""What is in the images, and what is not."""

from __future__ import annotations

import re

import pytest
from lab.image import Image
from lab.images import Images

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

LARGEST_AGENT = 120e6
"""Bytes unpacked; the goal of docs/cluster.md."""
BUILDS_OR_INSTALLS = re.compile(r"(^|/)(pip|pip3|gcc|cc|ld|as|make|apt-get)$|/(pip|ensurepip|setuptools)/__init__\.py$")


def test_nothing_in_the_images_builds_or_installs(images: Images) -> None:
    for image in (images.agent, images.operator):
        assert [path for path in image.files() if BUILDS_OR_INSTALLS.search(path)] == []


def test_the_agent_image_is_small_and_has_no_kubernetes_client(images: Images) -> None:
    files = images.agent.files()
    print(f"unpacked: agent {sum(files.values()) / 1e6:.1f} MB, operator {_size(images.operator) / 1e6:.1f} MB")
    assert _size(images.agent) < LARGEST_AGENT
    packages = {found[1] for path in files if (found := re.search(r"/site-packages/(\w+)/__init__\.py$", path))}
    assert {"floatip_agent", "floatip_api", "aiohttp", "pydantic"} <= packages
    assert not {"kubernetes", "kopf"} & packages


def test_the_operator_is_nobody_and_neither_looks_for_modules_where_it_stands(images: Images) -> None:
    assert images.operator.configuration()["User"] == "65532:65532"
    for image in (images.agent, images.operator):
        assert "PYTHONSAFEPATH=1" in image.configuration()["Env"]


def test_every_module_is_compiled(images: Images) -> None:
    """On a read-only root it would be compiled again at every start."""
    files = images.agent.files()
    modules = [path for path in files if re.search(r"/site-packages/(floatip_\w+|pydantic|aiohttp)/[^/]+\.py$", path)]
    assert modules
    assert set(modules) - _compiled(files) == set()


def _compiled(files: dict[str, int]) -> set[str]:
    pattern = re.compile(r"__pycache__/(\w+)\.cpython-\d+\.pyc$")
    return {pattern.sub(r"\1.py", path) for path in files if pattern.search(path)}


def _size(image: Image) -> int:
    return sum(image.files().values())
