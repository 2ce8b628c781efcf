"""An HTTP/1.1 server on non-blocking sockets, without threads: connections, limits, time-outs.

h11 knows the protocol; this module moves bytes and decides who has waited long enough. It knows no route.
All sockets hang on one epoll descriptor, which is the only thing the kernel has to watch.
Invariant: nothing a client sends raises out of here, and no client can hold more than its bounds allow.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import h11

from grace_actors.kernel import Context, Timer

MAX_CONNECTIONS = 64
MAX_HEAD_BYTES = 16 * 1024
_RECV_BYTES = 64 * 1024
_REQUESTS_A_TURN = 20
_SWEEP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request line with its headers (names in lower case); a body is never read."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An answer before it is put on the wire: status, content type and body."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


Respond = Callable[[HttpResponse], None]
Handler = Callable[[HttpRequest, Respond], None]
Refusal = Callable[[int, str], HttpResponse]


class Phase(StrEnum):
    """What a connection waits for."""

    IDLE = "idle"
    READING = "reading"
    ANSWERING = "answering"
    WRITING = "writing"
    DRAINING = "draining"


LIMIT_S = {Phase.IDLE: 30.0, Phase.READING: 10.0, Phase.WRITING: 20.0, Phase.DRAINING: 2.0}
"""How long a phase may last (writing: without progress); answering is bounded by whoever answers."""


@dataclass(slots=True, eq=False)
class _Connection:
    sock: socket.socket
    since: float
    phase: Phase = Phase.IDLE
    http: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
    )
    out: bytearray = field(default_factory=bytearray)
    method: str = ""
    is_last: bool = False
    is_served: bool = False
    is_in_turn: bool = False


class HttpServer:
    """Serves `listener` until `close`. `handler` is called once for each request and calls `respond` once,
    at once or later; `refuse` words the answers to what is not HTTP or beyond a limit."""

    def __init__(self, ctx: Context, listener: socket.socket, handler: Handler, refuse: Refusal) -> None:
        self._ctx, self._listener, self._handler, self._refuse = ctx, listener, handler, refuse
        self._connections: dict[int, _Connection] = {}
        self._epoll = select.epoll()
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        self._watch = ctx.watch(self._epoll.fileno(), self._on_ready)
        self._sweep_timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def close(self) -> None:
        """Close every socket; answers that are still being made go nowhere."""
        self._watch.cancel()
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._listener.close()
        self._epoll.close()

    # ---- connections ----------------------------------------------------------------------------

    def _on_ready(self) -> None:
        for fd, event in self._epoll.poll(0, 64):
            if fd == self._listener.fileno():
                self._accept()
                continue
            connection = self._connections.get(fd)
            if connection is None:
                continue
            if event & (select.EPOLLHUP | select.EPOLLERR):
                self._drop(connection)
            elif event & select.EPOLLOUT:
                self._write(connection)
            elif event & select.EPOLLIN:
                self._read(connection)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # out of descriptors: the backlog keeps the client waiting
            self._epoll.modify(self._listener.fileno(), 0)
            self._ctx.after(_SWEEP_S, self._accept_again)
            return
        sock.setblocking(False)
        connection = _Connection(sock, self._ctx.now())
        self._connections[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        if len(self._connections) > MAX_CONNECTIONS and not self._evict():
            self._fail(connection, 503, f"there are {MAX_CONNECTIONS} connections already")
        if self._sweep_timer is None:
            self._sweep_timer = self._ctx.after(_SWEEP_S, self._sweep)

    def _accept_again(self) -> None:
        if self._listener.fileno() >= 0:
            self._epoll.modify(self._listener.fileno(), select.EPOLLIN)

    def _evict(self) -> bool:
        """Make room by closing the connection that has been idle longest; a busy one is never closed."""
        served = [c for c in self._connections.values() if c.phase is Phase.IDLE and c.is_served]
        if served:
            self._drop(min(served, key=lambda c: c.since))
        return bool(served)

    def _sweep(self) -> None:
        """End the phases that have lasted too long."""
        self._sweep_timer = None
        now = self._ctx.now()
        for connection in list(self._connections.values()):
            if now - connection.since < LIMIT_S.get(connection.phase, float("inf")):
                continue
            if connection.phase is Phase.READING:
                self._fail(connection, 408, f"the request was not complete after {LIMIT_S[Phase.READING]:g} s")
            else:
                self._drop(connection)
        if self._connections:
            self._sweep_timer = self._ctx.after(_SWEEP_S, self._sweep)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.sock.fileno(), None) is not None:
            self._epoll.unregister(connection.sock.fileno())
            connection.sock.close()

    def _enter(self, connection: _Connection, phase: Phase) -> None:
        connection.phase, connection.since = phase, self._ctx.now()
        wanted = {Phase.ANSWERING: 0, Phase.WRITING: select.EPOLLOUT}.get(phase, select.EPOLLIN)
        self._epoll.modify(connection.sock.fileno(), wanted)

    # ---- reading --------------------------------------------------------------------------------

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.sock.recv(_RECV_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        if connection.phase is Phase.DRAINING or not data:
            if not data:
                self._drop(connection)
            return
        if connection.phase is Phase.IDLE:
            self._enter(connection, Phase.READING)
        connection.http.receive_data(data)
        self._serve(connection)

    def _serve(self, connection: _Connection) -> None:
        """Take the requests that have arrived, one after the other, and not too many in one turn: a client
        that pipelines must not keep the kernel from its mailbox."""
        connection.is_in_turn = True
        for _ in range(_REQUESTS_A_TURN):
            request = self._next_request(connection) if connection.phase is Phase.READING else None
            if request is None:
                break
            self._enter(connection, Phase.ANSWERING)
            self._handler(request, self._responder(connection))
        else:
            if connection.phase is Phase.READING:
                self._epoll.modify(connection.sock.fileno(), 0)
                self._ctx.after(0.0, lambda: self._serve_on(connection))
        connection.is_in_turn = False

    def _serve_on(self, connection: _Connection) -> None:
        if connection.sock.fileno() in self._connections and connection.phase is Phase.READING:
            self._enter(connection, Phase.READING)
            self._serve(connection)

    def _next_request(self, connection: _Connection) -> HttpRequest | None:
        """The next whole head; None if there is none yet or the connection ends with an error."""
        http = connection.http
        try:
            event = http.next_event()
            if not isinstance(event, h11.Request):
                if not http.trailing_data[0]:
                    self._enter(connection, Phase.IDLE)
                return None
            connection.method = event.method.decode("latin-1")
            connection.is_last = not isinstance(http.next_event(), h11.EndOfMessage)  # a body: refused unread
        except h11.RemoteProtocolError as error:
            self._fail(connection, error.error_status_hint, str(error))
            return None
        if len(event.target) + sum(len(name) + len(value) for name, value in event.headers) > MAX_HEAD_BYTES:
            self._fail(connection, 431, f"the head of a request may have {MAX_HEAD_BYTES} bytes")  # h11 saw it whole
            return None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        return HttpRequest(method=connection.method, target=event.target.decode("latin-1"), headers=headers)

    # ---- writing --------------------------------------------------------------------------------

    def _responder(self, connection: _Connection) -> Respond:
        def respond(response: HttpResponse) -> None:
            if connection.phase is Phase.ANSWERING and connection.sock.fileno() in self._connections:
                self._send(connection, response)

        return respond

    def _fail(self, connection: _Connection, status: int, detail: str) -> None:
        """Answer what could not be read as a request, and end the connection."""
        connection.is_last = True
        if connection.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send(connection, self._refuse(status, detail))
        else:
            self._drop(connection)

    def _send(self, connection: _Connection, response: HttpResponse) -> None:
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *response.headers,
            *([("Connection", "close")] if connection.is_last else []),
        ]
        http = connection.http
        connection.out += http.send(h11.Response(status_code=response.status, headers=headers))
        if connection.method != "HEAD":
            connection.out += http.send(h11.Data(data=response.body))
        connection.out += http.send(h11.EndOfMessage())
        connection.method = ""
        self._enter(connection, Phase.WRITING)
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        try:
            sent = connection.sock.send(connection.out)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        del connection.out[:sent]
        connection.since = self._ctx.now()
        if not connection.out:
            self._finish(connection)

    def _finish(self, connection: _Connection) -> None:
        """The response is out: go on with the next request, or let the client read it and close."""
        http = connection.http
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE or connection.is_last:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_WR)
            self._enter(connection, Phase.DRAINING)
            return
        http.start_next_cycle()
        connection.is_served = True
        self._enter(connection, Phase.READING if http.trailing_data[0] else Phase.IDLE)
        if connection.phase is Phase.READING and not connection.is_in_turn:
            self._serve(connection)
