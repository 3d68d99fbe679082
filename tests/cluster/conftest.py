"""One cluster of real kubelets for this folder's tests, with the product installed by helm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import cluster, kubelets
from lab.image_parts import ImageError
from lab.images import Images, built
from lab.installation import Installation
from lab.network import Host, Lan
from lab.prober import Prober

NODES = {"n1": "10.9.0.1/24", "n2": "10.9.0.2/24"}
ADDRESS = "10.9.0.100"
FLOATING_IP = f"""
apiVersion: floatip.dev/v1alpha1
kind: FloatingIP
metadata: {{name: ingress}}
spec:
  addresses: [{ADDRESS}/24]
"""


class World:
    """The installation as its user and a client on the LAN see it, with the smallest FloatingIP."""

    def __init__(self, lan: Lan, installed: Installation, client: Host) -> None:
        self.lan = lan
        self.installed = installed
        self.plane = installed.control_plane
        self.prober = Prober(client, ADDRESS, installed.hosts.values())


@pytest.fixture(scope="session")
def images() -> Images:
    try:
        return built()
    except ImageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def world(images: Images) -> Iterator[World]:
    if reason := kubelets.missing() or cluster.missing():
        pytest.skip(reason)
    with (
        Lan() as lan,
        # The least time: a test waits it out.
        Installation(lan, "10.9.0.10/24", NODES, values=["--set=uninstall.timeoutSeconds=60"]) as installed,
    ):
        world = World(lan, installed, lan.host("client", "10.9.0.99/24"))
        with world.prober:
            yield world
