"""Carries the bytes of one proxied connection, as spoiled as the toxics of this moment say.

Knows streams and toxics; must not know who talks. A change of the toxics is felt at once, also by data that waits.
Invariant: bytes of one direction keep their order; none is made up, and none is lost but by a toxic that says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from random import Random

from grace_actors.drills.toxics import Toxic, latency_s, portions, slices

CHUNK_BYTES = 32 * 1024
MOST_WAITING = 256
"""Chunks of one direction that wait; then the sender waits."""
_RESET = struct.pack("ii", 1, 0)

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Changes:
    """The toxics of now, and a bell that rings whenever they change."""

    def __init__(self) -> None:
        self.toxics: dict[str, Toxic] = {}
        self.since: dict[str, float] = {}
        self._bell = asyncio.Event()

    def add(self, toxic: Toxic) -> None:
        self.toxics[toxic.name] = toxic
        self.since[toxic.name] = asyncio.get_running_loop().time()
        self._ring()

    def remove(self, name: str) -> None:
        del self.toxics[name]
        self._ring()

    def clear(self) -> None:
        self.toxics.clear()
        self._ring()

    def _ring(self) -> None:
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    async def nap(self, seconds: float | None) -> bool:
        """Wait; False when the toxics changed before the time was over."""
        if seconds is not None and seconds <= 0:
            return True
        try:
            await asyncio.wait_for(self._bell.wait(), seconds)
        except TimeoutError:
            return True
        return False


class Connection:
    """A client and the upstream, and the two streams between them."""

    def __init__(self, changes: Changes, client: Ends, upstream: Ends, chance: Random) -> None:
        self.changes, self.chance = changes, chance
        self._writers = (client[1], upstream[1])
        self._draws: dict[tuple[str, float], bool] = {}
        self._began = asyncio.get_running_loop().time()
        self._streams = (
            Stream(self, "upstream", client[0], upstream[1]),
            Stream(self, "downstream", upstream[0], client[1]),
        )

    async def run(self) -> None:
        """Until both streams have ended."""
        ender = asyncio.ensure_future(self._end_in_time())
        try:
            await asyncio.gather(*(stream.run() for stream in self._streams))
        except OSError:  # one side has reset: so do we
            self.end(reset=True)
        finally:
            ender.cancel()
            self.end(reset=False)

    def end(self, *, reset: bool) -> None:
        """Close both sides, or reset them."""
        for writer in self._writers:
            if reset:
                sock = writer.get_extra_info("socket")
                with contextlib.suppress(OSError, AttributeError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
            else:
                writer.close()

    def hit_by(self, stream: str) -> Iterator[Toxic]:
        """The toxics that spoil a stream of this connection; chance is asked once for each."""
        for name, toxic in self.changes.toxics.items():
            key = (name, self.changes.since[name])
            if key not in self._draws:
                self._draws[key] = self.chance.random() < toxic.toxicity
            if toxic.stream == stream and self._draws[key]:
                yield toxic

    async def _end_in_time(self) -> None:
        """Close or reset when a `timeout` or `reset_peer` is due."""
        while True:
            due: list[tuple[float, bool]] = []
            for toxic in (*self.hit_by("upstream"), *self.hit_by("downstream")):
                after_ms = toxic.attributes.get("timeout", 0.0)
                if toxic.type == "reset_peer" or (toxic.type == "timeout" and after_ms):
                    since = max(self._began, self.changes.since[toxic.name])
                    due.append((since + after_ms / 1000, toxic.type == "reset_peer"))
            when, is_reset = min(due, default=(None, False))
            wait_s = None if when is None else when - asyncio.get_running_loop().time()
            if await self.changes.nap(wait_s):
                self.end(reset=is_reset)
                return


class Stream:
    """One direction."""

    def __init__(
        self, connection: Connection, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._connection, self._name, self._reader, self._writer = connection, name, reader, writer
        self._waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MOST_WAITING)
        self._passed = 0

    async def run(self) -> None:
        feeding = asyncio.ensure_future(self._feed())
        try:
            while True:
                arrived, data = await self._waiting.get()
                if not data:
                    break
                await self._pass(arrived, data)
            await feeding  # raises what broke it
            await self._nap_for("slow_close", "delay")
            with contextlib.suppress(RuntimeError):
                if self._writer.can_write_eof():
                    self._writer.write_eof()
        finally:
            feeding.cancel()

    async def _feed(self) -> None:
        """Read, noting when it came: what comes late is late by that, however much comes."""
        clock = asyncio.get_running_loop().time
        try:
            while data := await self._reader.read(CHUNK_BYTES):
                await self._waiting.put((clock(), data))
        finally:
            await self._waiting.put((clock(), b""))

    def _hits(self, kind: str) -> list[Toxic]:
        return [toxic for toxic in self._connection.hit_by(self._name) if toxic.type == kind]

    async def _pass(self, arrived: float, data: bytes) -> None:
        await self._late(arrived)
        if self._hits("timeout"):
            return
        limits = [int(toxic.attributes["bytes"]) for toxic in self._hits("limit_data")]
        if limits:
            data = data[: max(0, min(limits) - self._passed)]
        slicer = next(iter(self._hits("slicer")), None)
        pieces = slices(data, slicer, self._connection.chance) if slicer else iter((data,))
        for number, piece in enumerate(pieces):
            if slicer and number:
                await self._connection.changes.nap(slicer.attributes["delay"] / 1e6)
            await self._at_rate(piece)
        if limits and self._passed >= min(limits):
            self._connection.end(reset=False)

    async def _late(self, arrived: float) -> None:
        """Wait for as long as the latencies say. When they change meanwhile, it is reckoned anew."""
        while toxics := self._hits("latency"):
            due = arrived + sum(latency_s(toxic, self._connection.chance) for toxic in toxics)
            if await self._connection.changes.nap(due - asyncio.get_running_loop().time()):
                return

    async def _at_rate(self, data: bytes) -> None:
        while data:
            rate = min((toxic.attributes["rate"] for toxic in self._hits("bandwidth")), default=0.0)
            portion, takes_s = next(portions(data, rate))
            await self._connection.changes.nap(takes_s)
            await self._write(portion)
            data = data[len(portion) :]

    async def _write(self, data: bytes) -> None:
        self._passed += len(data)
        self._writer.write(data)
        await self._writer.drain()

    async def _nap_for(self, kind: str, attribute: str) -> None:
        for toxic in self._hits(kind):
            await self._connection.changes.nap(toxic.attributes[attribute] / 1000)
