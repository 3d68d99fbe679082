"""The agent's first container on a host: guard and engine, fed by the saved copy alone."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from floatip_agent import messages
from floatip_agent.configuration import Configuration, Health, RouterConfiguration
from floatip_agent.messages import Configure, EngineState, Message, RouterState
from lab.network import Host
from lab.programs import Program, installed
from lab.waiting import until


class EngineAgent(Program):
    """`floatip-agent engine`; `folder` tells two on one host apart, `within` is what starts it."""

    def __init__(
        self,
        host: Host,
        *routers: RouterConfiguration,
        folder: str = "agent",
        env: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self.state_dir = host.folder / folder / "state"
        self.run_dir = host.folder / folder / "run"
        self.state_dir.mkdir(parents=True)
        (self.state_dir / "engine.json").write_bytes(Configuration(routers).dumps())
        command = [installed("floatip-agent"), "engine", f"--state-dir={self.state_dir}", f"--run-dir={self.run_dir}"]
        super().__init__(host, [*within, *command], host.folder / folder / "agent.log", env)

    @property
    def guard(self) -> int:
        return self.process.pid

    @property
    def engine(self) -> int:
        """0 while there is none."""
        children = Path(f"/proc/{self.guard}/task/{self.guard}/children").read_text().split()
        return int(children[0]) if children else 0

    def picture(self) -> list[Message]:
        """What a keeper hears when it connects; empty when there is no engine."""
        data = b""
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(0.5)
            try:
                stream.connect(str(self.run_dir / "engine.sock"))
                # EngineState says that the picture is whole.
                while b'"EngineState"' not in data and (chunk := stream.recv(1 << 20)):
                    data += chunk
            except OSError:
                pass
        return [messages.decode(line) for line in data.splitlines(keepends=True) if line.endswith(b"\n")]

    def router(self, name: str = "elk", family: str = "IPv4") -> RouterState | None:
        found = (message for message in self.picture() if isinstance(message, RouterState))
        return next((state for state in found if (state.name, state.family) == (name, family)), None)

    def lateness(self) -> dict[str, int]:
        return next(dict(message.lateness) for message in self.picture() if isinstance(message, EngineState))

    def configure(self, *routers: RouterConfiguration, health: Mapping[str, Health] | None = None) -> None:
        """As a keeper does it; `health` by FloatingIP."""
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(self.run_dir / "engine.sock"))
            stream.sendall(messages.encode(Configure(1, Configuration(routers, health or {}))))
            stream.settimeout(2)
            while b'"Applied"' not in stream.recv(1 << 20):
                time.sleep(0.001)

    def wait_for(self, state: str, seconds: float = 3.0, *, name: str = "elk", family: str = "IPv4") -> RouterState:
        """Until the router is in this state. Raises `TimeoutError`."""

        def reached() -> RouterState | None:
            now = self.router(name, family)
            return now if now is not None and now.state == state else None

        found = until(reached, seconds, f"{self.host} {name}/{family} {state}; it is {self.router(name, family)}")
        assert found is not None
        return found
