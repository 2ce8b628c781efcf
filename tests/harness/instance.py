"""A real instance for system tests: started as an operator would, always ended, leftovers fail the test.

Waits for events with a deadline, never for a sleep. Every process carries GRACE_INSTANCE in its
environment or the home in its title, by which leftovers are found.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from grace_actors.console.client import Client
from grace_actors.console.errors import Interrupted, NotRunning, RemoteFailed
from grace_actors.home import Home

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = DEADLINE_S, step_s: float = 0.02) -> Any:
    """The first true value of `condition`. Fails the test with `what` after the deadline."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(step_s)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The node and everything below it."""
    yield node
    for child in node["children"]:
        yield from walk(child)


def title(process: psutil.Process) -> str:
    """Its command line; empty for one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class Running:
    """One `run.py --headless`."""

    def __init__(self, home: Path, tree: Path | None = None, *, env: dict[str, str] | None = None) -> None:
        self.home = Home(home)
        self.output = home.parent / f"{home.name}.out"
        command = [sys.executable, str(ROOT / "run.py"), "--headless", "--home", str(home)]
        if tree is not None:
            command += ["--tree", str(tree)]
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environ, cwd=home.parent
            )
        self.client = Client(self.home, timeout_s=20.0)
        self.seen: set[int] = set()

    # ---- asking -----------------------------------------------------------------------------------------

    def call(self, verb: str, **args: Any) -> Any:
        return self.client.call(verb, args)

    def status(self) -> dict[str, Any] | None:
        """What `status` says; None while nobody answers."""
        with contextlib.suppress(NotRunning, Interrupted, RemoteFailed, OSError):
            value: dict[str, Any] = self.client.call("status", {}, timeout_s=15.0)
            return value
        return None

    def nodes(self) -> dict[str, dict[str, Any]]:
        status = self.status()
        return {node["name"]: node for node in walk(status["tree"])} if status else {}

    def node(self, name: str) -> dict[str, Any]:
        return self.nodes()[name]

    def events(self, **args: Any) -> list[dict[str, Any]]:
        return list(self.client.stream("events", args, timeout_s=15.0))

    # ---- waiting ----------------------------------------------------------------------------------------

    def wait_running(self, timeout_s: float = DEADLINE_S) -> dict[str, Any]:
        """Until the instance says `running` and every node runs."""

        def whole() -> dict[str, Any] | None:
            if self.process.poll() is not None:
                raise AssertionError(f"run.py ended with {self.process.returncode}:\n{self.output.read_text()}")
            status = self.status()
            if status is None or status["state"] != "running":
                return None
            return status if all(node["state"] == "running" for node in walk(status["tree"])) else None

        status: dict[str, Any] = wait_for(whole, f"state running in {self.home.root}:\n{self._why()}", timeout_s)
        return status

    def wait_new_pid(self, name: str, old: int, timeout_s: float = DEADLINE_S) -> dict[str, Any]:
        """Until `name` runs with another pid than `old`."""

        def back() -> dict[str, Any] | None:
            node = self.nodes().get(name)
            return node if node and node["state"] == "running" and node["pid"] not in (None, old) else None

        node: dict[str, Any] = wait_for(back, f"{name} back with a pid other than {old}", timeout_s)
        return node

    def _why(self) -> str:
        return self.output.read_text(errors="replace")[-2000:]

    # ---- processes --------------------------------------------------------------------------------------

    def kill(self, pid: int) -> None:
        self.remember()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def remember(self) -> None:
        """Take note of every process of the instance now, to find it again should it outlive the instance."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen.update(p.pid for p in psutil.Process(self.process.pid).children(recursive=True))

    def leftovers(self) -> list[psutil.Process]:
        """Living processes that carry this instance's mark."""
        mark = f"{self.home.root}:{self.process.pid}"
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                    continue
                environ = Path(f"/proc/{process.pid}/environ").read_bytes()
                if mark.encode() in environ or f"[{self.home.root}]" in title(process):
                    found.append(process)
        return found

    def stop(self) -> int:
        """Orderly end by SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.remember()
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=DEADLINE_S)

    def close(self) -> None:
        """End it in any case. Fails when a process outlives it."""
        try:
            if self.process.poll() is None:
                self.stop()
            if self.home.running_pid() is None:  # else another instance lives in this home
                wait_for(lambda: not self.leftovers(), f"leftovers: {self.leftovers()}", timeout_s=5.0)
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
            for process in self.leftovers() if self.home.running_pid() is None else []:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def run_cli(*args: str, home: Path | None = None, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """One verb from the command line."""
    command = [sys.executable, str(ROOT / "run.py"), *args]
    if home is not None:
        command += ["--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON a verb printed."""
    return json.loads(done.stdout)
