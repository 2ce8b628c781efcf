"""The one way to talk to a running instance: JSON lines over its control socket.

A request is `{"verb", "args"}`; the answer is any number of `{"item"}` lines and one final `{"ok"}` line.
Knows the wire, not the verbs. Every request has a connection of its own, so a slow answer never holds up
another one.
Invariant: an answer is returned only after its final line; a connection that ends early is an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

from grace_actors.console.errors import Interrupted, NotRunning, RemoteFailed
from grace_actors.errors import WorldFailed
from grace_actors.home import Home

DEFAULT_TIMEOUT_S = 30.0
"""A supervisor of the whole tree may be starting again behind the open socket: seconds are normal."""
MAX_LINE_BYTES = 64 * 1024 * 1024
PAGE_EVENTS = 1000
RECONNECT_PAUSE_S = 0.2
_CONNECT_PAUSE_S = 0.02

Args = Mapping[str, Any]


class Client:
    """Requests to the instance of one home. `value` of the last finished stream is in `last_value`."""

    def __init__(self, home: Home, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self.home = home
        self.timeout_s = timeout_s
        self.last_value: Any = None

    def call(self, verb: str, args: Args | None = None, *, timeout_s: float | None = None) -> Any:
        """The value of one answer. Raises NotRunning, RemoteFailed (the instance's own error) or Interrupted."""
        for _ in self.stream(verb, args, timeout_s=timeout_s or self.timeout_s):
            pass  # progress of a verb whose caller only wants the result
        return self.last_value

    def stream(self, verb: str, args: Args | None = None, *, timeout_s: float | None = None) -> Iterator[Any]:
        """The items of one answer as they come; `timeout_s` limits each silence, None waits for ever."""
        with self._connect() as sock:
            sock.settimeout(timeout_s)
            with contextlib.suppress(ConnectionError):  # reading says what happened, or still finds the answer
                sock.sendall(request_line(verb, args))
            for line in self._lines(sock, verb):
                answer = parse_line(line, verb)
                if "item" in answer:
                    yield answer["item"]
                    continue
                self.last_value = final_value(answer, verb)
                return

    def events(self, args: Args | None = None) -> Iterator[Any]:
        """Events that are there already. With `since` and no `limit`: all after it, page by page."""
        wanted = dict(args or {})
        if "limit" in wanted or "since" not in wanted:
            yield from self.stream("events", wanted, timeout_s=self.timeout_s)
            return
        seen = None
        while seen != wanted["since"]:
            seen = wanted["since"]
            for event in self.stream("events", {**wanted, "limit": PAGE_EVENTS}, timeout_s=self.timeout_s):
                yield event
                wanted = after_event(wanted, event)

    def follow(self, args: Args | None = None) -> Iterator[Any]:
        """Events as they happen, over restarts of the instance's inside: a broken stream goes on behind the last
        event seen. Ends when the instance ends it; raises NotRunning when the instance is gone."""
        wanted = {**(args or {}), "follow": True}
        while True:
            try:
                for event in self.stream("events", wanted):
                    wanted = after_event(wanted, event)
                    yield event
                return
            except Interrupted:
                time.sleep(RECONNECT_PAUSE_S)

    def _connect(self) -> socket.socket:
        path = str(self.home.control_socket)
        deadline = time.monotonic() + self.timeout_s
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(self.timeout_s)
                sock.connect(path)
                self._check_peer(sock)
            except BlockingIOError:  # a full backlog, which AF_UNIX reports at once
                sock.close()
                if time.monotonic() > deadline:
                    raise Interrupted("the instance accepts no connections", hint="look with `doctor`") from None
                time.sleep(_CONNECT_PAUSE_S)
            except OSError as error:
                sock.close()
                raise self._unreachable(error) from None
            except BaseException:
                sock.close()
                raise
            else:
                return sock

    def _unreachable(self, error: OSError) -> Exception:
        match error:
            case FileNotFoundError() | NotADirectoryError():
                return NotRunning(self.home.root)
            case ConnectionRefusedError() | ConnectionResetError():
                return NotRunning(self.home.root, "it left its socket behind")
        return WorldFailed(f"{self.home.control_socket} cannot be reached: {error}", hint="use the instance's own user")

    def _check_peer(self, sock: socket.socket) -> None:
        """Raises WorldFailed when somebody else's process listens where the instance should."""
        cred = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", cred)
        if uid not in (os.geteuid(), 0, self.home.root.stat().st_uid):
            raise WorldFailed(
                f"{self.home.control_socket} belongs to another user (uid {uid})", hint="choose another --home"
            )

    def _lines(self, sock: socket.socket, verb: str) -> Iterator[bytes]:
        rest = b""
        while True:
            try:
                chunk = sock.recv(65536)
            except TimeoutError:
                raise Interrupted(
                    f"{verb}: no answer for {sock.gettimeout():g} s", hint="the instance may be busy: try `doctor`"
                ) from None
            except ConnectionError:
                chunk = b""
            if not chunk:
                raise Interrupted(f"{verb}: the instance closed the connection before its answer was complete")
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > MAX_LINE_BYTES:
                raise Interrupted(f"{verb}: an answer line is longer than {MAX_LINE_BYTES} bytes")


def request_line(verb: str, args: Args | None = None) -> bytes:
    """One request as it goes over the wire."""
    return json.dumps({"verb": verb, "args": dict(args or {})}).encode() + b"\n"


def parse_line(line: bytes, verb: str) -> dict[str, Any]:
    """One answer line. Raises Interrupted when it is no JSON object: then it is not our protocol."""
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Interrupted(
            f"{verb}: the answer is not understood: {line[:80]!r}", hint="is the client's version the same?"
        )
    return answer


def final_value(answer: Mapping[str, Any], verb: str) -> Any:
    """The value of a final line. Raises RemoteFailed when it carries an error."""
    if answer.get("ok"):
        return answer.get("value")
    error = answer.get("error")
    if not isinstance(error, dict):
        raise RemoteFailed("error", f"{verb} failed without a reason", "look at the logs with `tail guard`")
    raise RemoteFailed(
        str(error.get("code", "error")), str(error.get("message") or f"{verb} failed"), str(error.get("hint") or "")
    )


def after_event(args: Args, event: Any) -> dict[str, Any]:
    """The same request, to go on behind this event. `limit` counts history, which is not wanted again."""
    seq = event.get("seq") if isinstance(event, dict) else None
    if seq is None:
        return dict(args)
    return {**{key: value for key, value in args.items() if key != "limit"}, "since": seq}
