"""The real agent on a host: in static mode from a document in a file, or fed by an API server."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lab.clocks import Clock
from lab.network import Host
from lab.programs import Program, installed
from lab.waiting import until


class Agent(Program):
    """`floatip-agent run`: guard, engine and keeper, with a state and a run folder of the host's own."""

    def __init__(
        self,
        host: Host,
        source: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        folder: str = "agent",
    ) -> None:
        self.folder = host.folder / folder
        self.folder.mkdir()
        self.state = self.folder / "state"
        self.run = self.folder / "run"
        folders = [f"--state-dir={self.state}", f"--run-dir={self.run}"]
        command = [installed("floatip-agent"), "run", *source, *folders, *arguments]
        super().__init__(host, command, self.folder / "log", env)

    @classmethod
    def static(
        cls, host: Host, *routers: Mapping[str, Any], arguments: Sequence[str] = (), folder: str = "agent"
    ) -> StaticAgent:
        """Fed by a file with these entries of `spec.virtualRouters`."""
        return StaticAgent(host, routers, arguments, folder)

    @classmethod
    def of_node(
        cls,
        host: Host,
        kubeconfig: Path,
        *,
        namespace: str,
        arguments: Sequence[str] = (),
        clock: Clock | None = None,
    ) -> Agent:
        """Fed by the API: the node is named like the host. `clock`: absent, the machine's."""
        source = ["--node", host.name, "--namespace", namespace]
        environment = {"KUBECONFIG": str(kubeconfig), **(clock.environment if clock else {})}
        return cls(host, source, env=environment, arguments=arguments)

    def status(self) -> dict[str, Any] | None:
        """`floatip-agent status -o json`: the FloatingIPNode's status document; None when no agent answers."""
        done = self.host.run([installed("floatip-agent"), "status", "-o", "json", f"--run-dir={self.run}"], check=False)
        if done.returncode:
            return None
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def states(self) -> dict[str, str]:
        """The state of every virtual router, by "name/family"; empty when no agent answers."""
        status = self.status() or {}
        return {f"{entry['name']}/{entry['family']}": entry["state"] for entry in status.get("virtualRouters", [])}

    def wait_for(self, state: str, seconds: float) -> None:
        """Until it runs virtual routers and all of them are in this state. Raises `TimeoutError`."""
        until(lambda: set(self.states().values()) == {state}, seconds, f"{self.host} {state}; its log: {self.log}")


class StaticAgent(Agent):
    """Its document can be written anew while it runs."""

    def __init__(self, host: Host, routers: Sequence[Mapping[str, Any]], arguments: Sequence[str], folder: str) -> None:
        self.document = host.folder / "document" / "node.yaml"
        self.document.parent.mkdir()
        super().__init__(host, ["--config", str(self.document)], arguments=arguments, folder=folder)
        self.write(*routers)

    def write(self, *routers: Mapping[str, Any]) -> None:
        """A whole new document, in place at once."""
        document = {
            "apiVersion": "floatip.dev/v1alpha1",
            "kind": "FloatingIPNode",
            "metadata": {"name": self.host.name},
            "spec": {"virtualRouters": [dict(router) for router in routers]},
        }
        new = self.document.with_suffix(".new")
        new.write_text(yaml.safe_dump(document, sort_keys=False))
        new.rename(self.document)

    def write_secret(self, name: str, key: str, value: str) -> None:
        """What `secretRef: {name, key}` means in static mode: a file beside the document."""
        folder = self.document.parent / name
        folder.mkdir(exist_ok=True)
        (folder / key).touch(mode=0o600)
        (folder / key).write_text(value)

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)
