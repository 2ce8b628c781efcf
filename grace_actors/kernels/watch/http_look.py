"""Asks the HTTP API of this instance for some paths without holding anything up.

One connection for each path, one after the other, read as data arrives. It must not judge the answers. Invariant:
`on_done` is called exactly once: with every answer, or with the reason why there are none.
"""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from grace_actors.kernel import Context, Timer
from grace_actors.kernels.watch.schemas import ABSENT

CONNECT_S = 0.05
"""On this machine; a listener that lives takes a connection at once."""
ANSWER_S = 10.0
MOST_BYTES = 1_000_000

OnDone = Callable[[dict[str, object] | None, str], None]


def api_url(home: Path) -> str:
    """Where the API of this home says it listens; empty when it does not say."""
    try:
        url = json.loads((home / "api.json").read_text())["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return url if isinstance(url, str) else ""


@dataclass(slots=True)
class Look:
    """One look at all the paths."""

    ctx: Context
    url: str
    paths: Sequence[str]
    on_done: OnDone
    _answers: dict[str, object] = field(default_factory=dict)
    _sock: socket.socket | None = None
    _raw: bytearray = field(default_factory=bytearray)
    _timers: list[Timer] = field(default_factory=list)

    def start(self) -> None:
        """Ask for the first path; the others follow."""
        if not self.url:
            self.on_done(None, "api_server has not written down an address")
        else:
            self._next()

    def _next(self) -> None:
        path = next((path for path in self.paths if path not in self._answers), None)
        if path is None:
            self.on_done(self._answers, "")
            return
        try:
            parts = urlsplit(self.url)
            sock = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=CONNECT_S)
            self._sock, self._raw = sock, bytearray()
            sock.setblocking(False)
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        except (OSError, ValueError) as error:
            self._fail(path, str(error))
            return
        watch = self.ctx.watch(sock.fileno(), lambda: self._readable(path))
        late = self.ctx.after(ANSWER_S, lambda: self._fail(path, f"no answer in {ANSWER_S:g} s"))
        self._timers = [watch, late]

    def _readable(self, path: str) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(65_536)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(path, str(error))
            return
        self._raw += data
        if len(self._raw) > MOST_BYTES:
            self._fail(path, f"more than {MOST_BYTES} bytes")
        elif not data:
            self._ended(path)

    def _ended(self, path: str) -> None:
        try:
            status, body = parsed(bytes(self._raw))
        except (HTTPException, ValueError) as error:
            self._fail(path, f"it speaks no HTTP: {error!r:.100}")
            return
        if status not in (200, 404):
            self._fail(path, f"status {status}")
            return
        self._close()
        self._answers[path] = ABSENT if status == 404 else body
        self._next()

    def _fail(self, path: str, why: str) -> None:
        self._close()
        self.on_done(None, f"{self.url}{path}: {why}")

    def _close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def parsed(raw: bytes) -> tuple[int, object]:
    """Status and JSON of a whole answer; None for a body that is no JSON. Raises HTTPException or ValueError."""
    response = HTTPResponse(cast(socket.socket, _Heard(raw)))
    response.begin()
    body = response.read()
    try:
        return response.status, json.loads(body)
    except ValueError:
        return response.status, None


@dataclass(frozen=True, slots=True)
class _Heard:
    """As much of a socket as HTTPResponse needs."""

    raw: bytes

    def makefile(self, mode: str, *args: Any, **kwargs: Any) -> io.BytesIO:
        return io.BytesIO(self.raw)
