"""A control server in a thread that answers from a script, and a home of its own for each test.

Speaks the wire of the control socket and nothing else. Invariant: every request is recorded in order.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grace_actors.home import Home

Answer = list[dict[str, Any]]
Script = Mapping[str, Any]
"""Verb to its value, to a RemoteError, to Items, to a function of the args, or to HANG_UP."""

HANG_UP = object()


class Items(list):  # type: ignore[type-arg]
    """Items of a stream; the final value is None."""


class Broken(Items):
    """Items of a stream that ends without its final line."""


class RemoteError(dict):  # type: ignore[type-arg]
    """An error answer: code, message, hint."""


def kernel(name: str, **more: Any) -> dict[str, Any]:
    """A NODE of a healthy kernel."""
    node = {
        "name": name,
        "kind": "kernel",
        "state": "running",
        "pid": 4711,
        "generation": 1,
        "restarts": 0,
        "uptime_s": 192.0,
        "last_exit": None,
        "memory_mb": 12.4,
        "mailbox": 0,
        "does": f"{name} works",
        "children": [],
    }
    return {**node, **more}


def supervisor(name: str, *children: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A NODE of a supervisor."""
    node = kernel(name, kind="supervisor", strategy="rest_for_one", policies=[], does="")
    return {**node, "children": list(children), **more}


TREE = supervisor(
    "grace",
    supervisor("core", kernel("message_bus", does="4 topics, 120 messages"), kernel("immutable_log", restarts=2)),
    supervisor("services", kernel("infrastructure_manager"), kernel("memory_fusion"), policies=["watchdog"]),
)
STATUS: dict[str, Any] = {
    "instance": {"home": "/srv/grace", "pid": 100, "started_at": 1.0, "uptime_s": 200.0, "version": "0.1.0"},
    "state": "running",
    "boot": {"ready_s": 1.25, "phases": []},
    "kernels": {"total": 4, "running": 4, "degraded": 0, "failed": 0},
    "tree": TREE,
}
NAMES = ["grace", "core", "message_bus", "immutable_log", "services", "infrastructure_manager", "memory_fusion"]
SCRIPT: dict[str, Any] = {"status": STATUS, "names": NAMES, "ping": {"pong": True}, "doctor": {"checks": []}}


class FakeInstance:
    """Listens on the control socket of a home until closed."""

    def __init__(self, root: Path, script: Script | None = None, *, is_held: bool = False) -> None:
        self.home = Home(root).create()
        self.script = {**SCRIPT, **(script or {})}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.asked = threading.Condition()
        self.lock = self.home.acquire() if is_held else None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.home.control_socket))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> FakeInstance:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self.lock:
            self.lock.release()

    def verbs(self) -> list[str]:
        """The verbs asked for, in order."""
        return [verb for verb, _ in self.requests]

    def wait_for(self, verb: str, timeout_s: float = 20.0) -> bool:
        """Whether the verb was asked for in time."""
        with self.asked:
            return self.asked.wait_for(lambda: verb in self.verbs(), timeout_s)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a client of this instance."""
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        return {**kept, "GRACE_HOME": str(self.home.root), "PYTHONIOENCODING": "utf-8", **more}

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(ConnectionError), connection, connection.makefile("rwb", buffering=0) as wire:
            for line in wire:
                request = json.loads(line)
                with self.asked:
                    self.requests.append((request["verb"], request["args"]))
                    self.asked.notify_all()
                if not self._answer(connection, self.script.get(request["verb"]), request["args"]):
                    return

    def _answer(self, connection: socket.socket, value: Any, args: dict[str, Any]) -> bool:
        found: Any = value(args) if isinstance(value, Callable) else value  # type: ignore[arg-type]
        if found is HANG_UP:
            return False
        lines: list[Any] = [{"item": item} for item in found] if isinstance(found, Items) else []
        if isinstance(found, Broken):
            connection.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            return False
        if isinstance(found, RemoteError):
            lines.append({"ok": False, "error": found})
        else:
            lines.append({"ok": True, "value": None if isinstance(found, Items) else found})
        connection.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        return True


NOT_FOUND = RemoteError(code="not_found", message="there is no such thing", hint="")


def kernels(answers: Mapping[tuple[str, str], Any]) -> Script:
    """A script for `ask`: what (kernel, verb) answers, a value or a function of the arguments."""

    def ask(args: dict[str, Any]) -> Any:
        found = answers[args["name"], args["verb"]]
        return found(args["args"]) if isinstance(found, Callable) else found  # type: ignore[arg-type]

    return {"ask": ask}


def by_id(known: Mapping[str, Any]) -> Callable[[dict[str, Any]], Any]:
    """What a kernel answers that knows these records by their id."""
    return lambda args: known.get(args["id"], NOT_FOUND)


def asked(fake: FakeInstance, verb: str) -> list[dict[str, Any]]:
    """The arguments of every request for this verb of a kernel."""
    return [args["args"] for name, args in fake.requests if name == "ask" and args["verb"] == verb]
