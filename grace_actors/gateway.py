"""Serves the control socket: every verb of a running instance, one thread a connection.

Translates verbs into requests to actors and answers in JSON lines; it holds no state of the tree.
Invariant: each request line gets item lines and exactly one final line, whatever goes wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from grace_actors.doctor import examine
from grace_actors.errors import GraceError, NotFound, Refused, TimedOut
from grace_actors.kernel import Data
from grace_actors.outside import Outside

if TYPE_CHECKING:
    from grace_actors.system import System

ASK_S = 30.0
LONG_POLL_S = 5.0
TREE_S = 5.0
_ROOT_FAULTS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "hang": signal.SIGSTOP}
_WORDS = {
    "ok": "done",
    "running": "it is running already",
    "not_found": "its supervisor does not know it",
    "restarting": "it is being restarted right now",
    "start_failed": "its start failed",
}


class Verbs:
    """The verbs that need the tree. Each returns its value; `events` yields items."""

    def __init__(self, system: System, outside: Outside) -> None:
        self._system, self._outside = system, outside

    def run(self, verb: str, args: Data) -> Any:
        method: Callable[..., Any] | None = getattr(self, f"verb_{verb}", None)
        if method is None:
            known = sorted(name[5:] for name in dir(self) if name.startswith("verb_"))
            raise NotFound(f"there is no verb {verb!r}", hint=f"known: {', '.join(known)}")
        try:
            return method(**args)
        except TypeError as error:
            raise Refused(f"{verb}: {error}", hint="see: help " + verb) from error

    # ---- looking --------------------------------------------------------------------------------------

    def verb_ping(self) -> Data:
        return {"pong": True, "pid": self._system.guard_pid}

    def verb_status(self, name: str | None = None) -> Data:
        if name is not None:
            return self._node(name)
        status = self._status()
        return {"instance": self._system.instance(), "boot": self._system.boot_info(), **status, **self._state(status)}

    def _status(self) -> Data:
        """The status actor's answer; one that has just been restarted knows the tree a moment later."""
        deadline = time.monotonic() + TREE_S
        while True:
            status: Data = self._outside.ask("status", "status", {}, timeout_s=ASK_S)
            if status["tree"] is not None:
                return status
            if time.monotonic() > deadline:
                raise TimedOut(f"no supervisor described the tree within {TREE_S:g} s", hint="see: tail grace")
            time.sleep(0.02)

    def _state(self, status: Data) -> Data:
        """Until the boot has ended, and once the stop has begun, the instance's own state tells more."""
        return {"state": self._system.state} if self._system.state != "running" else {"state": status["state"]}

    def _node(self, name: str) -> Data:
        node = self._outside.ask("status", "status", {"name": name}, timeout_s=ASK_S)
        value = {"node": node, "checks": [], "metrics": {}}
        if node["state"] in ("running", "paused"):
            with contextlib.suppress(TimedOut, NotFound):
                value.update(self._outside.ask(name, "inspect", {}, timeout_s=3.0))
        return value

    def verb_names(self) -> list[Any]:
        names: list[Any] = self._outside.ask("status", "names", {}, timeout_s=ASK_S)
        return names

    def verb_events(
        self,
        since: int | None = None,
        type: str | None = None,
        subject: str | None = None,
        limit: int = 100,
        follow: bool = False,
    ) -> Iterator[Data]:
        query: Data = {"since": since, "type": type, "subject": subject, "limit": limit}
        answer = self._outside.ask("status", "events", query, timeout_s=ASK_S)
        yield from answer["events"]
        while follow and self._system.state != "stopping":
            query = {"since": answer["last"], "type": type, "subject": subject, "limit": 1000, "wait_s": LONG_POLL_S}
            try:
                answer = self._outside.ask("status", "events", query, timeout_s=LONG_POLL_S * 2)
            except TimedOut:  # the status actor is being restarted: ask the next one
                continue
            yield from answer["events"]

    def verb_doctor(self) -> Data:
        status = self._status()
        return {"checks": examine(self._system, status["tree"], self._outside)}

    # ---- acting ---------------------------------------------------------------------------------------

    def verb_start(self, name: str) -> Data:
        node, parent = self._find(name)
        op = "reset" if node["state"] in ("failed", "quarantined", "awaiting_repair") else "restart_child"
        return self._operate(parent, op, name)

    def verb_stop(self, name: str) -> Data:
        return self._operate(self._find(name)[1], "terminate_child", name)

    def verb_restart(self, name: str) -> Data:
        node, parent = self._find(name)
        if node["state"] in ("running", "paused", "starting"):
            return self._operate(parent, "recycle", name)
        return self.verb_start(name)

    def _operate(self, parent: str | None, op: str, name: str) -> Data:
        if parent is None:
            raise Refused(f"{name} is the root of the tree", hint="end everything with: shutdown")
        answer = self._outside.ask(parent, "call", {"op": op, "child": name}, timeout_s=ASK_S)
        result = answer["result"]
        if result not in ("ok", "running"):
            raise Refused(f"{name}: {_WORDS.get(result, result)}", hint=f"see: status {name}")
        return {"name": name, "result": result, "message": _WORDS.get(result, result)}

    def verb_kill(self, name: str) -> Data:
        return self.verb_inject("kill", name, {})

    def verb_pause(self, name: str) -> Data:
        return self._pause("pause", name)

    def verb_resume(self, name: str) -> Data:
        return self._pause("resume", name)

    def _pause(self, verb: str, name: str) -> Data:
        node, parent = self._find(name)
        if node["kind"] in ("actor",):
            raise Refused(f"{name} is part of the runtime and cannot be paused", hint="pause a kernel or a process")
        if node["kind"] == "supervisor":
            self._outside.ask(name, verb, {}, timeout_s=ASK_S)
        else:
            self._outside.ask(str(parent), verb, {"child": name}, timeout_s=ASK_S)
        return {"name": name, "result": "ok", "message": f"{verb}d"}

    def verb_inject(self, fault: str, target: str, params: Data | None = None) -> Data:
        _, parent = self._find(target)
        if parent is not None:
            args = {"fault": fault, "child": target, "params": params or {}}
            self._outside.ask(parent, "inject", args, timeout_s=ASK_S)
        elif fault in _ROOT_FAULTS:
            self._system.emit("fault.injected", target, {"fault": fault, "params": params or {}})
            os.kill(self._system.root_pid, _ROOT_FAULTS[fault])
        else:
            self._outside.ask(target, "inject", {"fault": fault, "params": params or {}}, timeout_s=ASK_S)
        return {"fault": fault, "target": target, "result": "injected"}

    def verb_shutdown(self, reason: str = "shutdown asked for") -> Data:
        self._system.stop(reason)
        return {"result": "ok", "message": "stopping"}

    def _find(self, name: str) -> tuple[Data, str | None]:
        """The node of a name and the name of its supervisor. Raises NotFound."""
        tree = self._status()["tree"]
        found = _search(tree, name, None)
        if found is None:
            self._outside.ask("status", "status", {"name": name}, timeout_s=ASK_S)  # says what is near
            raise NotFound(f"there is no {name!r} in the tree", hint="see: tree")
        return found


def _search(node: Data, name: str, parent: str | None) -> tuple[Data, str | None] | None:
    if node["name"] == name:
        return node, parent
    for child in node["children"]:
        found = _search(child, name, node["name"])
        if found is not None:
            return found
    return None


class _Handler(socketserver.StreamRequestHandler):
    """One connection: request lines until it is closed."""

    server: Gateway

    def handle(self) -> None:
        with self.server.system.outside() as outside, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            verbs = Verbs(self.server.system, outside)
            for line in self.rfile:
                self._answer(verbs, line)

    def _answer(self, verbs: Verbs, line: bytes) -> None:
        try:
            request = json.loads(line)
            value = verbs.run(str(request["verb"]), dict(request.get("args") or {}))
            if isinstance(value, Iterator):
                for item in value:
                    self._write({"item": item})
                value = None
            self._write({"ok": True, "value": value})
        except GraceError as error:
            self._fail(error.code, error.message, error.hint)
        except (ValueError, KeyError, TypeError) as error:
            self._fail("refused", f"not a request: {error!r}", 'a line like {"verb": "status", "args": {}}')

    def _fail(self, code: str, message: str, hint: str) -> None:
        self._write({"ok": False, "error": {"code": code, "message": message, "hint": hint}})

    def _write(self, value: Data) -> None:
        self.wfile.write(json.dumps(value, default=str).encode() + b"\n")
        self.wfile.flush()


class Gateway(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Accepts on a socket that outlives it: the guard holds it open across restarts of the system."""

    daemon_threads = True
    address_family = socket.AF_UNIX

    def __init__(self, system: System, listener: socket.socket) -> None:
        socketserver.BaseServer.__init__(self, listener.getsockname(), _Handler)
        self.socket = listener
        self.system = system

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, _ = self.socket.accept()
        return connection, "client"

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 3600}, name="gateway", daemon=True).start()
