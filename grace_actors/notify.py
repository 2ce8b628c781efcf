"""How an OS process shows that it is ready: by port, URL, log line or `sd_notify`.

Each probe is a small object that is asked again and again; none of them blocks longer than a connect on
this machine may take. Source of the protocol: sd_notify(3).
Invariant: `ready()` stays True once it was.
"""

from __future__ import annotations

import contextlib
import re
import socket
from http.client import HTTPException
from pathlib import Path
from typing import Protocol
from urllib.request import ProxyHandler, build_opener

from supervisors.spec import Readiness

CONNECT_S = 0.25
MOST_NOTES = 100
"""Notifications read in one look, so that a command that floods its socket holds nobody up."""
_direct = build_opener(ProxyHandler({}))
"""The service is on this machine: a proxy of the environment must not answer for it."""


class Probe(Protocol):
    """`poll()` says whether the process is ready now; `line` shows it each line of output."""

    def poll(self) -> bool: ...
    def line(self, text: str) -> None: ...
    def env(self) -> dict[str, str]: ...
    def close(self) -> None: ...


class Always:
    """Ready as soon as it runs."""

    def poll(self) -> bool:
        return True

    def line(self, text: str) -> None:
        """Output says nothing about readiness here."""

    def env(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        """Nothing is open."""


class Port(Always):
    """Ready when something accepts on the port."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host or "127.0.0.1", int(port))

    def poll(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(self._address, timeout=CONNECT_S):
            return True
        return False


class Url(Always):
    """Ready when the URL answers 2xx or 3xx."""

    def __init__(self, url: str) -> None:
        self._url = url

    def poll(self) -> bool:
        with (
            contextlib.suppress(HTTPException, OSError, ValueError),
            _direct.open(self._url, timeout=CONNECT_S * 2) as answer,
        ):
            return bool(answer.status < 400)
        return False


class LogLine(Always):
    """Ready when a line of output matches."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self._seen = False

    def poll(self) -> bool:
        return self._seen

    def line(self, text: str) -> None:
        self._seen = self._seen or bool(self._pattern.search(text))


class SdNotify(Always):
    """Ready when `READY=1` arrives on $NOTIFY_SOCKET."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / f"{name}.notify"
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self._path))
        self._ready = False
        self.status = ""

    def poll(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            for _ in range(MOST_NOTES):
                for line in self._socket.recv(4096).decode(errors="replace").splitlines():
                    self._ready = self._ready or line == "READY=1"
                    if line.startswith("STATUS="):
                        self.status = line[7:]
        return self._ready

    def env(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self._path)}

    def close(self) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)


def probe_for(ready: Readiness, directory: Path, name: str) -> Probe:
    """The probe the tree file asks for."""
    if ready.tcp is not None:
        return Port(ready.tcp)
    if ready.http is not None:
        return Url(ready.http)
    if ready.log_line is not None:
        return LogLine(ready.log_line)
    if ready.sd_notify:
        return SdNotify(directory, name)
    return Always()
