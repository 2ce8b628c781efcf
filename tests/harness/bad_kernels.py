"""Kernels that misbehave: everything a user's kernel may do wrong, in every place it may do it.

`Moody` does a misdeed in one of its hooks while a file says so; `Prompter` asks kernels what a test wants asked.
For tests only: nothing here may be imported by the runtime.
Invariant: without its file a Moody kernel behaves, so that removing the cause is enough to revive it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grace_actors.errors import GraceError, Refused
from grace_actors.kernel import LATER, Answer, Check, Data, Kernel, Later, Request

LOOK_S = 0.02
BLOCK_S = 3600.0


def _boom() -> None:
    raise ValueError("boom")


def _refuse() -> None:
    raise Refused("not today", hint="tomorrow")


def _segfault() -> None:
    ctypes.string_at(0)


def _recurse() -> None:
    _recurse()


def _out_of_memory() -> None:
    raise MemoryError


def _kill_group_of_threads() -> None:
    """Die in a second thread, without the interpreter's knowledge."""
    threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGABRT)).start()
    time.sleep(BLOCK_S)


def _garbage() -> None:
    print("\x00\x1b[31m", end="", flush=True)
    os.write(1, os.urandom(100_000))
    os.write(2, b"x" * 300_000)


def _fork_children() -> None:
    """A sleeping child, one that ignores SIGTERM in a session of its own, and a fork without exec."""
    subprocess.Popen(["sleep", "3600"])
    subprocess.Popen(["setsid", "sh", "-c", "trap '' TERM HUP INT; sleep 3600 & wait"])
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(BLOCK_S)
        os._exit(0)


def _threads() -> None:
    for daemon in (True, False):
        threading.Thread(target=time.sleep, args=(BLOCK_S,), daemon=daemon).start()


def _ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _ignore_sigterm_and_block() -> None:
    _ignore_sigterm()
    time.sleep(BLOCK_S)


def _close_everything() -> None:
    os.closerange(3, 256)


def _leak() -> None:
    _leaked.append(b"\x01" * 20_000_000)


_leaked: list[bytes] = []

DEEDS: dict[str, Callable[[], Any]] = {
    "raise": _boom,
    "refuse": _refuse,
    "block": lambda: time.sleep(BLOCK_S),
    "exit0": lambda: os._exit(0),
    "exit3": lambda: os._exit(3),
    "sys_exit": lambda: sys.exit("no more"),
    "sys_exit_0": lambda: sys.exit(0),
    "interrupt": lambda: signal.raise_signal(signal.SIGKILL),
    "segfault": _segfault,
    "recurse": _recurse,
    "memory_error": _out_of_memory,
    "abort": _kill_group_of_threads,
    "garbage": _garbage,
    "fork": _fork_children,
    "threads": _threads,
    "ignore_sigterm": _ignore_sigterm,
    "ignore_sigterm_and_block": _ignore_sigterm_and_block,
    "close_everything": _close_everything,
    "leak": _leak,
    "unpicklable": lambda: threading.Lock(),
    "lambda": lambda: lambda: None,
    "huge": lambda: b"\x00" * 80_000_000,
    "none": lambda: None,
    "set": lambda: {1, 2},
    "nonsense": lambda: 7,
}


def mood_file(home: Path, name: str) -> Path:
    """While it exists the Moody kernel of this name misbehaves."""
    return home / "config" / f"{name}.bad"


class Moody(Kernel):
    """`with: {hook, deed}`: in that hook it does that deed while its file exists. Verb: `do` {deed}."""

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self._misbehave("init")

    def _misbehave(self, hook: str) -> Any:
        config = self.ctx.config
        if config.get("hook") == hook and mood_file(self.ctx.home, self.ctx.name).exists():
            return DEEDS[str(config["deed"])]()
        return None

    def restore(self, state: Data) -> None:
        self._misbehave("restore")

    def setup(self) -> None:
        self._misbehave("setup")
        self.ctx.every(LOOK_S, lambda: self._misbehave("timer"))

    def ready(self) -> list[Check]:
        result = self._misbehave("ready")
        if result is not None:
            return result  # type: ignore[no-any-return]
        fails = self.ctx.config.get("hook") == "check" and mood_file(self.ctx.home, self.ctx.name).exists()
        return [Check(name="mood", ok=not fails, detail="in a bad mood" if fails else "")]

    def does(self) -> str:
        return self._misbehave("does") or super().does()

    def metrics(self) -> dict[str, float]:
        return self._misbehave("metrics") or {}

    def snapshot(self) -> Data | None:
        return self._misbehave("snapshot") or {"n": 1}

    def stop(self, reason: str) -> None:
        self._misbehave("stop")

    def do_do(self, request: Request) -> Any:
        """Do a deed here, in a handler, and answer with what comes of it."""
        return DEEDS[str(request.args["deed"])]()


class Prompter(Kernel):
    """Asks what `home/config/ask-*.json` says ({to, verb, args, timeout_s}) and writes the answer beside it."""

    def setup(self) -> None:
        self._folder = self.ctx.home / "config"
        self.ctx.every(LOOK_S, self._look)

    def _look(self) -> None:
        for path in sorted(self._folder.glob("ask-*.json")):
            order = json.loads(path.read_text())
            path.unlink()
            self._ask(path.with_suffix(".answer"), order)

    def _ask(self, path: Path, order: Data) -> None:
        def answered(answer: Answer) -> None:
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps({"ok": answer.ok, "value": answer.value, "error": answer.error}, default=repr))
            draft.replace(path)

        self.ctx.ask(order["to"], order["verb"], order["args"], answered, timeout_s=order["timeout_s"])


class Counter(Kernel):
    """Counts what it is told, keeps the count in its snapshot. Verbs: `count`, `value`, `save`."""

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self.n = 0

    def do_count(self, request: Request) -> int:
        self.n += 1
        self.ctx.save()
        return self.n

    def do_value(self, request: Request) -> int:
        return self.n

    def snapshot(self) -> Data:
        return {"n": self.n}

    def restore(self, state: Data) -> None:
        self.n = int(state["n"])


class Publisher(Kernel):
    """Publishes 1, 2, 3, ... up to `with: {last}` on a durable topic; goes on where it was acknowledged."""

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self.n = 0

    def setup(self) -> None:
        self._file = self.ctx.data / "acknowledged"
        self.n = int(self._file.read_text()) if self._file.exists() else 0
        self.ctx.after(0.0, self._publish)

    def _publish(self) -> None:
        if self.n >= int(self.ctx.config["last"]):
            return
        args = {"topic": "task.enqueue", "payload": {"n": self.n + 1}, "id": f"message-{self.n + 1}"}
        self.ctx.ask("message_bus", "publish", args, self._published, timeout_s=1.0)

    def _published(self, answer: Answer) -> None:
        if answer.ok:
            self.n += 1
            draft = self._file.with_suffix(".tmp")
            draft.write_text(str(self.n))
            draft.replace(self._file)
            self.did = f"published {self.n}"
        elif answer.error is not None and answer.error["code"] == "refused":
            raise GraceError(answer.error["message"])
        self.ctx.after(0.0 if answer.ok else 0.1, self._publish)


class Subscriber(Kernel):
    """Writes each delivered number into a file before it acknowledges it; keeps nothing else."""

    def setup(self) -> None:
        self._file = self.ctx.data / "received"
        self._subscribe()

    def _subscribe(self) -> None:
        args = {"topic": "task.enqueue", "durable": True, "from": "start"}
        self.ctx.ask("message_bus", "subscribe", args, self._subscribed, timeout_s=2.0)

    def _subscribed(self, answer: Answer) -> None:
        if not answer.ok:
            self.ctx.after(0.1, self._subscribe)

    def do_deliver(self, request: Request) -> Data | Later:
        with self._file.open("ab") as file:
            file.write(json.dumps(request.args).encode() + b"\n")
            file.flush()
        return {"ok": True}


__all__ = ["DEEDS", "LATER", "Counter", "Moody", "Prompter", "Publisher", "Subscriber", "mood_file"]
