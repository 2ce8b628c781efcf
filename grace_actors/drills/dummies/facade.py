"""A server that answers like the HTTP API, but leaves a field out: an API that changed without a word.

It listens on this machine only and knows nothing of the real API. Invariant: every path that makes a promise is
answered, and one field of one of them is missing.
"""

from __future__ import annotations

import socket

from grace_actors.drills.dummies.kinds import FACADE_PORT
from grace_actors.kernel import Check, Kernel
from grace_actors.kernels.api_answers import as_json, problem
from grace_actors.kernels.http_wire import HttpRequest, HttpResponse, HttpServer, Respond

HOST = "127.0.0.1"
ANSWERS = {
    "/health": {"status": "healthy", "uptime_s": 0.0},
    "/api/health": {"status": "healthy", "layers": {}},  # without total_kernels
    "/api/control/state": {"system_state": "running", "total_kernels": 0},
}


class Facade(Kernel):
    """Config: `port`."""

    def setup(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # The port stands in a card, so facades of several instances share it: all of them say the same.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((HOST, int(self.ctx.config.get("port", FACADE_PORT))))
        listener.listen(16)
        self.port: int = listener.getsockname()[1]
        self._server = HttpServer(self.ctx, listener, self._handle, lambda status, detail: problem(status, detail))
        self.did = f"listening on http://{HOST}:{self.port}"

    def ready(self) -> list[Check]:
        with socket.create_connection((HOST, self.port), timeout=1.0):
            return [Check(name="listening", ok=True, detail=self.did)]

    def stop(self, reason: str) -> None:
        self._server.close()

    def _handle(self, request: HttpRequest, respond: Respond) -> None:
        path = request.target.partition("?")[0]
        found: HttpResponse = as_json(ANSWERS[path]) if path in ANSWERS else problem(404, f"there is nothing at {path}")
        respond(found)
