"""One instance of the built-in tree in a home of its own, for benchmarks that look at the whole."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.errors import Interrupted, NotRunning, RemoteFailed
from grace_actors.home import Home

RUN = Path(__file__).resolve().parents[1] / "run.py"
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Instance:
    """`pid` is that of run.py; `status` is what it showed when it was up."""

    home: Home
    pid: int
    status: dict[str, Any]

    def call(self, verb: str, /, **args: Any) -> Any:
        """One verb of the running instance."""
        return Client(self.home).call(verb, args)

    def ask(self, name: str, verb: str, **args: Any) -> Any:
        """The answer of an actor."""
        return Client(self.home).call("ask", {"name": name, "verb": verb, "args": args})

    def events(self, since: int) -> list[dict[str, Any]]:
        """The events after this number."""
        return list(Client(self.home).stream("events", {"since": since, "limit": 10_000}))


@contextlib.contextmanager
def instance() -> Iterator[Instance]:
    """Start one, and end it."""
    with tempfile.TemporaryDirectory(prefix="grace-bench-") as directory:
        home = Home(Path(directory) / "home")
        process = subprocess.Popen(
            [sys.executable, str(RUN), "--headless", "--home", str(home.root)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Instance(home, process.pid, _running(home))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _running(home: Home) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(NotRunning, Interrupted, RemoteFailed, OSError):
            status: dict[str, Any] = Client(home).call("status")
            if status["state"] == "running":
                return status
        time.sleep(0.1)
    raise RuntimeError("the instance did not come up")
