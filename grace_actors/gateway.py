"""Serves the control socket: every verb of a running instance, one thread a connection.

Translates verbs into requests to actors and answers in JSON lines; it holds no state of the tree.
Invariant: each request line gets item lines and exactly one final line, whatever goes wrong.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from chaos.faults.table import INJECTABLE, PARDON
from grace_actors import injection
from grace_actors.doctor import examine, walk
from grace_actors.errors import Died, GraceError, NotFound, Refused, TimedOut
from grace_actors.kernel import Data
from grace_actors.outside import Outside
from grace_actors.stores import damage

if TYPE_CHECKING:
    from grace_actors.system import System

ASK_S = 30.0
ASK_KERNEL_S = 25.0
"""Less than a client waits for a line, so that it gets this answer instead of losing patience."""
MAX_ASK_S = 900.0
"""A client that is more patient may say so."""
LONG_POLL_S = 5.0
MAX_REQUEST_BYTES = 16 * 1024 * 1024
TREE_S = 5.0
_SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "hang": signal.SIGSTOP}
_log = logging.getLogger("grace.gateway")
_OURS = frozenset({"call", "inject", "observe", "pause", "resume", "subscribe", "unsubscribe"})
"""Verbs by which the runtime steers actors or streams to them: `ask` would go behind the supervisor's back."""
_OF_ACTORS = frozenset({"describe", "record", "record_many"})
"""What the built-in actors are told by the tree; from outside it would forge the tree or the event log."""
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
            status: Data = self._outside.ask("status", "status", {}, again=True, timeout_s=ASK_S)
            if status["tree"] is not None:
                return status
            if time.monotonic() > deadline:
                raise TimedOut(f"no supervisor described the tree within {TREE_S:g} s", hint="see: tail grace")
            time.sleep(0.02)

    def _state(self, status: Data) -> Data:
        """Until the boot has ended, and once the stop has begun, the instance's own state tells more."""
        return {"state": self._system.state} if self._system.state != "running" else {"state": status["state"]}

    def _node(self, name: str) -> Data:
        node = self._outside.ask("status", "status", {"name": name}, again=True, timeout_s=ASK_S)
        value = {"node": node, "checks": [], "metrics": {}}
        if node["state"] in ("running", "paused"):
            with contextlib.suppress(TimedOut, NotFound, Died):
                value.update(self._outside.ask(name, "inspect", {}, timeout_s=3.0))
        return value

    def verb_names(self) -> list[Any]:
        names: list[Any] = self._outside.ask("status", "names", {}, again=True, timeout_s=ASK_S)
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
        answer = self._outside.ask("status", "events", query, again=True, timeout_s=ASK_S)
        yield from answer["events"]
        while follow and self._system.state != "stopping":
            query = {"since": answer["last"], "type": type, "subject": subject, "limit": 1000, "wait_s": LONG_POLL_S}
            try:
                answer = self._outside.ask("status", "events", query, again=True, timeout_s=LONG_POLL_S * 2)
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
        node, parent = self._find(name)
        if parent is not None:
            _refuse_runtime(node, "stopped", "restart it instead, or end everything with: shutdown")
        return self._operate(parent, "terminate_child", name)

    def verb_restart(self, name: str) -> Data:
        node, parent = self._find(name)
        if node["state"] in ("running", "paused", "starting"):
            return self._operate(parent, "recycle", name)
        return self.verb_start(name)

    def _operate(self, parent: str | None, op: str, name: str) -> Data:
        if parent is None:
            raise Refused(f"{name} is the root of the tree", hint="end everything with: shutdown")
        result = self._outside.ask(parent, "call", {"op": op, "child": name}, timeout_s=ASK_S)["result"]
        if result == "simple_one_for_one":  # a dynamic supervisor restarts nothing by hand, but it ends a wait
            result = self._outside.ask(parent, "call", {"op": "reset", "child": name}, timeout_s=ASK_S)["result"]
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
        if verb == "pause":
            _refuse_runtime(node, "paused", "pause a kernel, a process or a supervisor of these")
        if node["kind"] == "supervisor":
            self._outside.ask(name, verb, {}, timeout_s=ASK_S)
        else:
            self._outside.ask(str(parent), verb, {"child": name}, timeout_s=ASK_S)
        return {"name": name, "result": "ok", "message": f"{verb}d"}

    def verb_inject(self, fault: str, target: str, params: Data | None = None) -> Data:
        given = injection.admitted(fault, params or {})
        if injection.by_runner(fault):
            return self._by_runner(fault, target, given)
        node, parent = self._find(target)
        injection.refuse_target(fault, target, node["kind"])
        if fault == "corrupt":
            return {"fault": fault, "target": target, "result": "injected", **self._corrupt(target, parent, given)}
        if "seconds" in given and parent is not None and self._is_beside_runner(node):
            with contextlib.suppress(Died, NotFound):  # the runner is not there now: it is done without a record
                return self._of_runner(fault, target, given)
        if parent is not None:
            args = {"fault": fault, "child": target, "params": given}
            self._outside.ask(parent, "inject", args, timeout_s=ASK_S)
        elif fault in _SIGNALS:
            self._signal_root(fault, given)
        else:
            with contextlib.suppress(Died):  # which is what was asked for
                self._outside.ask(target, "inject", {"fault": fault, "params": given}, timeout_s=ASK_S)
        return {"fault": fault, "target": target, "result": "ended" if fault == PARDON.name else "injected"}

    def _by_runner(self, fault: str, target: str, params: Data) -> Data:
        """What no supervisor can do to a child: the runner does it, and keeps how it is undone."""
        if _search(self._status()["tree"], injection.RUNNER, None) is None:
            raise Refused(
                f"{fault} is caused by {injection.RUNNER}, which is not in the tree", hint=injection.NO_RUNNER
            )
        whole = INJECTABLE[fault].whole
        if whole is None:
            injection.refuse_target(fault, target, self._find(target)[0]["kind"])
        elif target != whole:
            injection.refuse_target(fault, target, "node")
        return self._of_runner(fault, target, params)

    def _is_beside_runner(self, node: Data) -> bool:
        """Is there a runner, which keeps what lasts, and will it still answer when this node does not?"""
        is_in_it = _search(node, injection.RUNNER, None) is not None
        return not is_in_it and _search(self._status()["tree"], injection.RUNNER, None) is not None

    def _of_runner(self, fault: str, target: str, params: Data) -> Data:
        asked = {"fault": fault, "target": target, "params": params, "by": "console"}
        done = self._outside.ask(injection.RUNNER, "inject", asked, timeout_s=ASK_KERNEL_S)
        return {"fault": fault, "target": target, "result": "injected", **done}

    def _corrupt(self, target: str, parent: str | None, params: Data) -> Data:
        """Damage a kernel's store while it stands still, then end it: the damage is the next start's."""
        file = damage.chosen(self._system.plan.home.root / "data", target)

        def inject(fault: str, more: Data) -> None:
            self._outside.ask(str(parent), "inject", {"fault": fault, "child": target, "params": more}, timeout_s=ASK_S)

        inject("hold", {})
        try:
            done = damage.damage(file, params["bytes"])
        except GraceError:
            inject("release", {})
            raise
        inject("corrupt", done)
        return done

    def _signal_root(self, fault: str, params: Data) -> None:
        """Nobody is above the root: the system process itself does to it what a supervisor does to a child."""
        pid = self._system.root_pid
        self._system.emit("fault.injected", self._system.plan.tree.root.name, {"fault": fault, "params": params})
        os.kill(pid, _SIGNALS[fault])
        if fault == "hang":
            go_on = threading.Timer(params["seconds"], _go_on, args=(os.pidfd_open(pid),))
            go_on.daemon = True
            go_on.start()

    def verb_ask(self, name: str, verb: str, args: Data | None = None, timeout_s: float = ASK_KERNEL_S) -> Any:
        """A request to a kernel's own verb; the kernel sees the sender `console`."""
        if isinstance(timeout_s, bool) or not (isinstance(timeout_s, int | float) and 0 < timeout_s <= MAX_ASK_S):
            raise Refused(f"ask: timeout_s is {timeout_s!r:.80}", hint=f"above 0, at most {MAX_ASK_S:g}")
        node, _ = self._find(name)
        if node["kind"] == "supervisor":
            raise Refused(f"{name} is a supervisor and answers no verbs of its own", hint=f"see: status {name}")
        if verb in _OURS or (node["kind"] == "actor" and verb in _OF_ACTORS):
            raise Refused(f"{name}: {verb} belongs to the runtime and cannot be asked from outside", hint="see: help")
        return self._outside.ask(name, verb, args or {}, timeout_s=timeout_s)

    def verb_shutdown(self, reason: str = "shutdown asked for") -> Data:
        self._system.stop(reason)
        return {"result": "ok", "message": "stopping"}

    def _find(self, name: str) -> tuple[Data, str | None]:
        """The node of a name and the name of its supervisor. Raises NotFound."""
        tree = self._status()["tree"]
        found = _search(tree, name, None)
        if found is None:
            self._outside.ask("status", "status", {"name": name}, again=True, timeout_s=ASK_S)  # says what is near
            raise NotFound(f"there is no {name!r} in the tree", hint="see: tree")
        return found


def _go_on(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGCONT)
    os.close(pidfd)


def _refuse_runtime(node: Data, done: str, hint: str) -> None:
    """Without registry and status no verb finds its actor any more, so not even the opposite could be asked for."""
    held = [found["name"] for found in walk(node) if found["kind"] == "actor"]
    if held:
        what = f"{node['name']} holds {', '.join(held)}, parts" if held != [node["name"]] else f"{node['name']} is part"
        raise Refused(f"{what} of the runtime that cannot be {done}", hint=hint)


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
            while line := self.rfile.readline(MAX_REQUEST_BYTES):
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
        except (BrokenPipeError, ConnectionResetError):
            raise
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._fail("refused", f"not a request: {error!r}", 'a line like {"verb": "status", "args": {}}')
        except Exception as error:  # a bug of ours: told to the client and the log, the gateway goes on
            _log.exception("a request failed: %.200r", line)
            self._fail("error", f"the gateway failed: {error!r}", "see logs/system.log")

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
