"""What a kernel is: a plain class with hooks, driven by an actor or by a test.

A kernel knows its `Context` and nothing of Thespian, processes or sockets of the runtime. It is called
from one thread, one call at a time; a call that takes long starves its own heartbeat, so long work goes
to `ctx.run`. Invariant: whatever raises out of a hook, except GraceError from `handle`, is a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from grace_actors.errors import GraceError, NotFound, Refused

Data = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a readiness self-test."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A message from another actor: `verb` selects the method `do_<verb>`, `args` are plain data
    (what msgpack can carry), `sender` is the name of the asking actor."""

    verb: str
    args: Data = field(default_factory=dict)
    sender: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The reply to an `ask`: `value` when ok, else `error` {code, message, hint}."""

    ok: bool
    value: Any = None
    error: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A finished OS command of `ctx.run`. `returncode` is negative for a signal; None if it never started."""

    returncode: int | None
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    error: str = ""


class Later:
    """Returned by a handler that will answer with `ctx.answer(request, value)` after this call."""


LATER = Later()


class Timer(Protocol):
    """A pending call; `cancel()` is idempotent."""

    def cancel(self) -> None: ...


class Context(Protocol):
    """Everything a kernel may use of the world. The actor shell and the test harness both provide it."""

    name: str
    home: Path  # the instance's home
    data: Path  # home/data/<name>, exists; the kernel's own files
    config: Mapping[str, Any]  # `with:` of the tree file

    def now(self) -> float:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Unix time in seconds."""

    def tell(self, to: str, verb: str, args: Data | None = None) -> None:
        """Send to an actor by name; kept until the name is registered, dropped and counted after 30 s."""

    def ask(
        self, to: str, verb: str, args: Data | None, on_answer: Callable[[Answer], None], *, timeout_s: float = 5.0
    ) -> None:
        """Send and call `on_answer` once: with the answer, or with error code `timed_out`."""

    def answer(self, request: Request, value: Any = None, *, error: GraceError | None = None) -> None:
        """Answer a request whose handler returned LATER."""

    def emit(self, type: str, subject: str, data: Data | None = None) -> None:
        """Put an event (`noun.past_tense`) into the event log."""

    def after(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Call once after a delay."""

    def every(self, interval_s: float, call: Callable[[], None]) -> Timer:
        """Call again and again, first after one interval."""

    def run(
        self,
        argv: Sequence[str],
        on_done: Callable[[Completed], None],
        *,
        input: bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        max_output_bytes: int = 1_000_000,
        preexec: Callable[[], None] | None = None,
    ) -> None:
        """Run an OS command in its own process group without blocking; killed as a group at the timeout."""

    def watch(self, fd: int, on_readable: Callable[[], None]) -> Timer:
        """Call whenever `fd` is readable, until cancelled."""

    def save(self) -> None:
        """Store `snapshot()` now (it is stored at an orderly stop and every 30 s if it changed anyway)."""


class Kernel:
    """Base of every kernel, built-in or the user's.

    Requests are answered by methods named `do_<verb>(self, request)`; the value returned is the answer.
    Life: __init__ -> restore (if a snapshot exists) -> setup -> ready -> handle* -> stop.
    """

    emits: ClassVar[tuple[str, ...]] = ()

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.did = "started"
        self.degraded: list[str] = []
        """Reasons why this kernel works with less than its full function; empty is healthy."""

    def setup(self) -> None:
        """Open stores, start timers. Not called again in this incarnation; raising is a failed start."""

    def ready(self) -> list[Check]:
        """A real self-test. One failed check is a failed start. Called after setup and by `status NAME`."""
        return [Check(name="setup", ok=True)]

    def handle(self, request: Request) -> Any:
        """Dispatch to `do_<verb>`. Raises NotFound for an unknown verb."""
        method = getattr(self, f"do_{request.verb}", None)
        if method is None:
            known = sorted(m[3:] for m in dir(self) if m.startswith("do_"))
            raise NotFound(f"{self.ctx.name} has no verb {request.verb!r}", hint=f"it knows: {', '.join(known)}")
        return method(request)

    def does(self) -> str:
        """One line of what it did last, for `status`."""
        return self.did

    def metrics(self) -> dict[str, float]:
        """Counters and gauges, `noun_unit` -> number."""
        return {}

    def gauges(self) -> dict[str, float]:
        """Figures for the policies of its supervisor, `noun_unit` -> number; asked for at every heartbeat, so cheap."""
        return {}

    def snapshot(self) -> Data | None:
        """In-memory state worth keeping across a crash, as plain data; None when all state is in stores."""
        return None

    def restore(self, state: Data) -> None:
        """Take back what `snapshot` gave. Raising ValueError discards it with an event."""

    def stop(self, reason: str) -> None:
        """Orderly shutdown: close stores. Not called after a crash or a kill."""


def need(request: Request, key: str, kind: type | tuple[type, ...]) -> Any:
    """The argument `key` of a request, checked. Raises Refused naming what was seen and what is allowed."""
    if key not in request.args:
        raise Refused(
            f"{request.verb}: argument {key!r} is missing",
            hint=f"given: {', '.join(sorted(request.args)) or 'nothing'}",
        )
    value = request.args[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        names = "/".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        raise Refused(f"{request.verb}: {key} must be {names}, not {type(value).__name__} {value!r:.80}")
    return value
