"""Small servers in a host's namespace: `python -m lab.services`. Standard library only.

`listen PORT`: accepts TCP connections and closes them: what a `tcpSocket` probe wants of a service.
`forward NAMESPACE PORT FILE`: carries connections to a port of 127.0.0.1, where it was started, to a port of
127.0.0.1 in a network namespace; FILE gets the number of the former.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

from lab.network import Host, enter
from lab.prober import TESTS
from lab.waiting import until

COMMAND = [sys.executable, "-m", "lab.services"]
ENVIRONMENT = {"PYTHONPATH": str(TESTS)}


class Listener:
    """A TCP service on a host that can go and come back."""

    def __init__(self, host: Host, port: int) -> None:
        self._host = host
        self._port = port
        self.start()

    def start(self) -> None:
        self._process = self._host.popen([*COMMAND, "listen", str(self._port)], env=ENVIRONMENT)

        def listening() -> bool:
            with self._host.entered(), socket.socket() as client:
                return client.connect_ex(("127.0.0.1", self._port)) == 0

        until(listening, 10, f"{self._host} listens on port {self._port}")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(timeout=10)


def forwarded(host: Host, port: int, folder: Path) -> int:
    """A port of 127.0.0.1 out here that leads to that port in the host; for as long as the host is there."""
    folder.mkdir()
    file, log = folder / "port", folder / "log"
    file.touch()
    with log.open("ab") as output:
        command = [*COMMAND, "forward", host.namespace, str(port), str(file)]
        subprocess.Popen(
            command,
            env=os.environ | ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return int(until(file.read_text, 10, f"the forwarder listens; its log: {log}"))


def listen(port: int) -> None:
    with socket.create_server(("0.0.0.0", port)) as server:
        while True:
            server.accept()[0].close()


def forward(namespace: str, port: int, file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        file.write_text(str(server.getsockname()[1]))
        enter(namespace)  # the listening socket stays where it was made; those made from here on belong there
        asyncio.run(_carry(server, port))


async def _carry(server: socket.socket, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))

    serving = await asyncio.start_server(connected, sock=server)
    await serving.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def main(arguments: list[str]) -> None:
    match arguments:
        case ["listen", port]:
            listen(int(port))
        case ["forward", namespace, port, file]:
            forward(namespace, int(port), Path(file))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
