"""api_server: the read-only HTTP API and the page that shows the tree.

Everything but `/health` is asked of the status actor; nothing is kept here, so nothing here can be stale.
It changes nothing in the tree. Invariant: it answers on an address it has written down, and a port that is
taken costs the address, never the tree.
"""

from __future__ import annotations

import difflib
import errno
import json
import os
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from grace_actors.errors import Refused
from grace_actors.kernel import Answer, Check, Context, Data, Kernel, Request
from grace_actors.kernels.api_answers import as_json, exposition, layers, problem, readiness, refused
from grace_actors.kernels.api_page import PAGE, POLICY
from grace_actors.kernels.http_wire import HttpRequest, HttpResponse, HttpServer, Respond

DEFAULT_PORT = 8420
_HOST = "127.0.0.1"
_LOCAL_NAMES = ("127.0.0.1", "localhost")
_MAX_WAIT_S = 30.0

Query = dict[str, str]
Route = Callable[[Query, Respond], None]


class ApiServer(Kernel):
    """Config: `port` (default 8420, 0 for any free one), `hosts` (more names it may be called by).
    Verb: address."""

    emits = ("api.port_taken",)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._port = _port(ctx.config.get("port", DEFAULT_PORT))
        self._names = {*_LOCAL_NAMES, *(str(name).lower() for name in ctx.config.get("hosts", ()))}
        self._served: Counter[tuple[str, int]] = Counter()
        self._server: HttpServer | None = None
        self._started = ctx.now()
        self._routes: dict[str, Route] = {
            "/": self._page,
            "/health": self._health,
            "/ready": self._ready,
            "/status": self._status,
            "/metrics": self._metrics,
            "/api/health": self._api_health,
            "/api/control/state": self._control_state,
            "/api/v1/events": self._events,
        }
        self.url = ""

    def setup(self) -> None:
        listener = self._listen()
        self.url = f"http://{_HOST}:{listener.getsockname()[1]}"
        self._server = HttpServer(self.ctx, listener, self._handle, self._refuse)
        self._write_down()
        self.did = f"listening on {self.url}"

    def ready(self) -> list[Check]:
        try:
            with socket.create_connection((_HOST, int(self.url.rsplit(":", 1)[1])), timeout=1.0):
                return [Check(name="listening", ok=True, detail=self.url)]
        except OSError as error:
            return [Check(name="listening", ok=False, detail=f"{self.url}: {error}")]

    def does(self) -> str:
        return f"{self.did}, {sum(self._served.values())} requests"

    def metrics(self) -> dict[str, float]:
        return {"requests_total": sum(self._served.values()), "connections": len(self._server or ())}

    def stop(self, reason: str) -> None:
        if self._server is not None:
            self._server.close()
        (self.ctx.home / "api.json").unlink(missing_ok=True)

    def do_address(self, request: Request) -> Data:
        """Where the API is."""
        return {"url": self.url}

    # ---- the address ----------------------------------------------------------------------------

    def _listen(self) -> socket.socket:
        """A listener on the configured port, else on the one used last, else on any. Raises OSError when
        there is none at all."""
        last = self._last_port()
        wanted = self._port or last
        try:
            return _bind(wanted)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            reason = f"port {wanted}: {error.strerror}"
        listener = _bind_first([last, 0])
        port = listener.getsockname()[1]
        if self._port:
            self.degraded = [f"{reason}; listening on {port} instead"]
            self.ctx.emit("api.port_taken", self.ctx.name, {"wanted": wanted, "port": port, "reason": reason})
        return listener

    def _last_port(self) -> int:
        try:
            return _port(int((self.ctx.data / "address").read_text().rsplit(":", 1)[1]))
        except (OSError, ValueError, IndexError):
            return 0

    def _write_down(self) -> None:
        try:
            _replace(self.ctx.data / "address", f"{self.url}\n")
            _replace(self.ctx.home / "api.json", json.dumps({"url": self.url, "pid": os.getpid()}) + "\n")
        except OSError as error:
            self.degraded.append(f"the address {self.url} could not be written down: {error.strerror}")

    # ---- requests -------------------------------------------------------------------------------

    def _handle(self, request: HttpRequest, respond: Respond) -> None:
        path, query, error = self._read(request)
        route = self._routes.get(path)

        def counted(response: HttpResponse) -> None:
            self._served[path if route else "other", response.status] += 1
            respond(response)

        if error is not None or route is None:
            counted(error or self._unknown(path))
        else:
            route(query, counted)

    def _read(self, request: HttpRequest) -> tuple[str, Query, HttpResponse | None]:
        """Path, arguments and, if it must not be served, the answer that says why."""
        try:
            parts = urlsplit(request.target)
            fields = parse_qs(parts.query, keep_blank_values=True, max_num_fields=20)
            name = (urlsplit(f"//{request.headers.get('host', '')}").hostname or _HOST).lower()
        except ValueError as error:
            return "", {}, problem(400, f"the address is not readable: {error}")
        query = {key: values[-1] for key, values in fields.items()}
        if name not in self._names:  # a foreign name that resolves to us: a page elsewhere trying to read the tree
            hint = "add the name to `hosts` of the api_server in the tree file"
            return parts.path, query, problem(421, f"this is not {name!r}", hint=hint)
        if request.method not in ("GET", "HEAD") and parts.path in self._routes:
            allow = (("Allow", "GET, HEAD"),)
            return parts.path, query, problem(405, f"{request.method} changes nothing here", headers=allow)
        return parts.path, query, None

    def _unknown(self, path: str) -> HttpResponse:
        near = difflib.get_close_matches(path, self._routes, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self._routes)}"
        return problem(404, f"there is nothing at {path!r:.200}", hint=hint)

    def _refuse(self, status: int, detail: str) -> HttpResponse:
        self._served["other", status] += 1
        return problem(status, detail)

    def _ask(self, verb: str, args: Data, respond: Respond, answer: Callable[[Any], HttpResponse]) -> None:
        """Ask the status actor; its errors become problem documents."""

        def on_answer(got: Answer) -> None:
            respond(answer(got.value) if got.ok else refused(got))

        self.ctx.ask("status", verb, args, on_answer, timeout_s=5.0 + args.get("wait_s", 0.0))

    # ---- routes ---------------------------------------------------------------------------------

    def _page(self, query: Query, respond: Respond) -> None:
        headers = (("Content-Security-Policy", POLICY),)
        respond(HttpResponse(status=200, body=PAGE, content_type="text/html; charset=utf-8", headers=headers))

    def _health(self, query: Query, respond: Respond) -> None:
        """This process answers; it says nothing of the tree."""
        uptime = round(self.ctx.now() - self._started, 1)
        respond(as_json({"status": "healthy", "uptime_s": uptime, "degraded": self.degraded}))

    def _api_health(self, query: Query, respond: Respond) -> None:
        def answer(value: Any) -> HttpResponse:
            word = "healthy" if value["state"] == "running" else value["state"]
            kernels = value["kernels"]
            body = {"status": word, "layers": layers(value), "total_kernels": kernels["total"], "kernels": kernels}
            return as_json(body)

        self._ask("status", {}, respond, answer)

    def _control_state(self, query: Query, respond: Respond) -> None:
        def answer(value: Any) -> HttpResponse:
            return as_json({"system_state": value["state"], "total_kernels": value["kernels"]["total"]})

        self._ask("status", {}, respond, answer)

    def _ready(self, query: Query, respond: Respond) -> None:
        self._ask("status", {}, respond, readiness)

    def _status(self, query: Query, respond: Respond) -> None:
        self._ask("status", {"name": query["name"]} if query.get("name") else {}, respond, as_json)

    def _events(self, query: Query, respond: Respond) -> None:
        try:
            args = event_args(query)
        except Refused as error:
            respond(problem(400, error.message, hint=error.hint))
            return
        self._ask("events", args, respond, as_json)

    def _metrics(self, query: Query, respond: Respond) -> None:
        def with_status(status: Answer) -> None:
            self.ctx.ask("status", "events", {"limit": 1}, lambda events: finish(status, events), timeout_s=2.0)

        def finish(status: Answer, events: Answer) -> None:
            last = events.value["last"] if events.ok else None
            body = exposition(status.value if status.ok else None, last, self._served)
            respond(HttpResponse(status=200, body=body, content_type="text/plain; version=0.0.4; charset=utf-8"))

        self.ctx.ask("status", "status", {}, with_status, timeout_s=2.0)


def event_args(query: Query) -> Data:
    """The arguments of `events` from a query string. Raises Refused for an unknown or unreadable one."""
    numbers: dict[str, type[int] | type[float]] = {"since": int, "limit": int, "wait_s": float}
    args: Data = {}
    for key, text in query.items():
        if key not in (*numbers, "type", "subject"):
            raise Refused(f"events has no argument {key!r:.80}", hint="since, type, subject, limit, wait_s")
        try:
            args[key] = numbers[key](text) if key in numbers else text
        except ValueError:
            raise Refused(f"{key} must be a number, not {text!r:.80}") from None
    if not 0 <= args.get("wait_s", 0.0) <= _MAX_WAIT_S:
        raise Refused(f"wait_s must be from 0 to {_MAX_WAIT_S:g} seconds, not {query['wait_s']!r:.80}")
    return args


def _port(value: Any) -> int:
    """Raises ValueError for what is not a port."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise ValueError(f"api_server: port must be a whole number from 0 to 65535, not {value!r}")
    return value


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the port of the one before us is free at once
        listener.bind((_HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_first(ports: list[int]) -> socket.socket:
    """The first of these ports that is free; the last one must be 0."""
    for port in ports[:-1]:
        try:
            return _bind(port)
        except OSError:
            continue
    return _bind(ports[-1])


def _replace(path: Path, text: str) -> None:
    """Write a small file so that nobody ever reads half of it. Raises OSError."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)
