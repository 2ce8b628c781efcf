"""Starts and steers a proxy in front of a port: for the runner, and as a block that cleans up after itself for tests.

The listening socket is made here and handed over, so that the port is known before the process exists. It must not know
what the toxics do. Invariant: a proxy never outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grace_actors.drills import burners
from grace_actors.errors import WorldFailed

_ROOT = str(Path(__file__).parents[2])


def listener() -> socket.socket:
    """A socket bound to a free port of this machine. Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


def start(listener: socket.socket, upstream: str, toxics: Sequence[dict[str, Any]], id: str) -> subprocess.Popen[bytes]:
    """Start the proxy; the listener is its own from then on. Raises OSError or subprocess.SubprocessError."""
    command = [sys.executable, "-m", "grace_actors.drills.proxy"]
    command += ["--listen", str(listener.fileno()), "--upstream", upstream]
    for toxic in toxics:
        command += ["--toxic", json.dumps(toxic)]
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    with listener:
        return burners.start(
            command,
            id,
            stdin=subprocess.PIPE,
            pass_fds=(listener.fileno(),),
            env={"PYTHONPATH": os.pathsep.join(paths)},
            nice=0,
        )


class Front:
    """A running proxy, asked in a blocking way."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def do(self, **request: Any) -> dict[str, Any]:
        """Ask the proxy for something. Raises WorldFailed when it refuses or is gone."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"ok": False, "error": "the proxy is gone"}
        if not answer["ok"]:
            raise WorldFailed(f"proxy: {answer['error']}")
        return answer

    @contextlib.contextmanager
    def toxic(
        self, type: str, *, stream: str = "downstream", toxicity: float = 1.0, **attributes: float
    ) -> Iterator[None]:
        """Spoil connections within the block."""
        name = f"{type}_{stream}"
        made = {"name": name, "type": type, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        self.do(do="add", toxic=made)
        try:
            yield
        finally:
            self.do(do="remove", name=name)

    def reset(self) -> None:
        """Take every toxic away."""
        self.do(do="reset")


@contextlib.contextmanager
def in_front_of(port: int) -> Iterator[Front]:
    """A proxy for the block: `with in_front_of(8420) as front, front.toxic("latency", latency=100): ...`."""
    sock = listener()
    own = sock.getsockname()[1]
    process = start(sock, f"127.0.0.1:{port}", (), "")
    try:
        assert process.stdout is not None
        if process.stdout.readline() != burners.READY:
            raise WorldFailed("the proxy did not start", hint="see its errors: python -m grace_actors.drills.proxy")
        yield Front(process, own)
    finally:
        burners.kill(process)
