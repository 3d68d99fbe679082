"""Small servers in a host's namespace: `python -m lab.services`. Standard library only.

`listen PORT`: accepts TCP connections and closes them: what a `tcpSocket` probe wants of a service.
`forward NAMESPACE HOST PORT FILE`: carries connections to a port of 127.0.0.1, where it was started, into a network
namespace; FILE gets the port's number.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
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


def listen(port: int) -> None:
    with socket.create_server(("0.0.0.0", port)) as server:
        while True:
            server.accept()[0].close()


async def forward(namespace: str, host: str, port: int, file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        enter(namespace)  # the listening socket stays where it was made; those made from here on belong there

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                there_reader, there_writer = await asyncio.open_connection(host, port)
                await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))

        serving = await asyncio.start_server(carry, sock=server)
        file.write_text(str(number))
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
        case ["forward", namespace, host, port, file]:
            asyncio.run(forward(namespace, host, int(port), Path(file)))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
