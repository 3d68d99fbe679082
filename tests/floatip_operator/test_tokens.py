"""Issue: "Tokens are re-read after long outages". The operator as in a Pod, with the files that a kubelet keeps there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from floatip_api import names
from lab.control_plane import ControlPlane, OwnControlPlane
from lab.played import lay_out
from lab.programs import installed
from lab.tokens import Tokens
from lab.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.linux]

NAMESPACE = names.DEFAULT_NAMESPACE

# A /run of its own, with the folder that Kubernetes mounts into each container.
IN_A_POD = """set -e
mount -t tmpfs run /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
mount --bind "$1" /run/secrets/kubernetes.io/serviceaccount
shift
exec "$@"
"""


@pytest.fixture
def plane(control_plane_of_ones_own: OwnControlPlane) -> Iterator[ControlPlane]:
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    with control_plane_of_ones_own() as server:
        lay_out(server)
        server.define_kinds()
        yield server


def test_the_operator_goes_on_with_the_token_that_came_meanwhile(plane: ControlPlane, tmp_path: Path) -> None:
    tokens = Tokens(plane, "floatip-operator", NAMESPACE)
    first, second = tokens.issue("one"), tokens.issue("other")
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    shutil.copy(plane.authority_certificate, folder / "ca.crt")
    (folder / "token").write_text(first)
    host, port = plane.server.removeprefix("https://").split(":")
    environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    environment |= {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    command = ["unshare", "--mount", "sh", "-c", IN_A_POD, "pod", str(folder), installed("floatip-operator"), "run"]
    log = tmp_path / "operator.log"
    with log.open("ab") as output:
        operator = subprocess.Popen(command, env=environment, stderr=output)
    try:
        apply(plane, "before")
        until(lambda: has_conditions(plane, "before"), 30, f"the operator works: {log}")
        (folder / "token").write_text(second)
        tokens.end("one", first)
        plane.stop_api_server()  # ends the watches too
        plane.start_api_server()
        apply(plane, "after")
        until(lambda: has_conditions(plane, "after"), 60, f"it works with the second token: {log.read_text()}")
        apply(plane, "watched")
        until(lambda: has_conditions(plane, "watched"), 60, f"it watches with the second token: {log.read_text()}")
        assert operator.poll() is None, "by itself, not because it was started again"
    finally:
        operator.kill()
        operator.wait(timeout=10)


def apply(plane: ControlPlane, name: str) -> None:
    octet = 100 + len(name)
    plane.apply(
        f"{{apiVersion: {names.API_VERSION}, kind: {names.FLOATING_IP}, metadata: {{name: {name}}}, "
        f"spec: {{addresses: [10.9.0.{octet}/24]}}}}"
    )


def has_conditions(plane: ControlPlane, name: str) -> bool:
    return bool(plane.get("fip", name).get("status", {}).get("conditions"))
