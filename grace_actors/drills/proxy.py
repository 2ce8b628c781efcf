"""A TCP proxy that spoils connections: Toxiproxy's toxics in one small process. `python -m grace_actors.drills.proxy`.

Between two ports of this machine only. Toxics are given at the start and changed by JSON lines on stdin; each is
answered by a line on stdout. It must not know whose traffic it is. Invariant: what no toxic spoils passes unchanged and
in order; when stdin ends it lets what is on its way pass, and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import random
import socket
import sys
from typing import Any

from grace_actors.drills.toxics import Toxic, toxic
from grace_actors.drills.wires import Changes, Connection

BACKLOG = 128
DRAIN_S = 0.3
"""How long connections may live on after the end of stdin."""


class Proxy:
    """One listener in front of one upstream."""

    def __init__(self, listener: socket.socket, upstream: tuple[str, int]) -> None:
        self.port: int = listener.getsockname()[1]
        self._listener: socket.socket | None = listener
        self._upstream = upstream
        self.changes = Changes()
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._chance = random.Random()  # noqa: S311 - chance, no secret

    async def _open(self) -> None:
        if self._server is None:
            listener, self._listener = self._listener or _listen(self.port), None
            self._server = await asyncio.start_server(self._accept, sock=listener, backlog=BACKLOG)

    async def _shut(self) -> None:
        server, self._server = self._server, None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if server is not None:
            server.close()
        for connection in list(self._connections):
            connection.end(reset=True)

    @property
    def _is_down(self) -> bool:
        return any(one.type == "down" for one in self.changes.toxics.values())

    async def settle(self) -> None:
        """Listen or not, as the toxics say."""
        await (self._shut() if self._is_down else self._open())

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(self.changes, (reader, writer), (up_reader, up_writer), self._chance)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def do(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request: add, remove, reset or toxics."""
        match request.get("do"):
            case "add":
                self.changes.add(toxic(request.get("toxic") or {}))
            case "remove":
                name = request.get("name")
                if name not in self.changes.toxics:
                    known = ", ".join(self.changes.toxics) or "none"
                    raise ValueError(f"there is no toxic {name!r:.60}; there are: {known}")
                self.changes.remove(str(name))
            case "reset":
                self.changes.clear()
            case "toxics":
                pass
            case other:
                raise ValueError(f"do is {other!r:.60}; allowed: add, remove, reset, toxics")
        await self.settle()
        return {"ok": True, "toxics": sorted(self.changes.toxics), "connections": len(self._connections)}

    async def drain(self) -> None:
        """Take no more connections; what is on its way passes unspoiled for a moment."""
        self.changes.clear()
        if self._server is not None:
            self._server.close()
        end = asyncio.get_running_loop().time() + DRAIN_S
        while self._connections and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)


async def serve(proxy: Proxy, toxics: list[Toxic]) -> None:
    """Until stdin ends."""
    for one in toxics:
        proxy.changes.add(one)
    await proxy.settle()
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    print("ready", flush=True)
    while line := await stdin.readline():
        try:
            answer = await proxy.do(dict(json.loads(line)))
        except (ValueError, TypeError, OSError) as error:
            answer = {"ok": False, "error": str(error)}
        print(json.dumps(answer), flush=True)
    await proxy.drain()


def address(text: str) -> tuple[str, int]:
    """`host:port` of this machine. Raises ValueError for any other."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    if not ipaddress.ip_address(host).is_loopback or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r:.60} is no port of this machine; allowed: 127.0.0.1:PORT")
    return host, int(port)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    return listener


def main(argv: list[str]) -> int:
    """The command. Its status is 0 when stdin has ended."""
    parser = argparse.ArgumentParser(prog="proxy", description="a TCP proxy that spoils connections of this machine")
    parser.add_argument("--listen", type=int, required=True, help="descriptor of a bound loopback socket")
    parser.add_argument("--upstream", type=address, required=True, help="host:port of this machine")
    parser.add_argument("--toxic", action="append", default=[], type=lambda text: toxic(json.loads(text)))
    given = parser.parse_args(argv)
    listener = socket.socket(fileno=given.listen)
    if not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
        parser.error("the socket given by --listen is not bound to this machine alone")

    async def run() -> None:
        await serve(Proxy(listener, given.upstream), given.toxic)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
