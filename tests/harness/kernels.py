"""Drives kernels without an actor system: a virtual clock, direct delivery, everything recorded.

`Bench` holds kernels by name; a `tell` or `ask` to a name that is not there is kept in `bench.sent`
(an ask then times out when the clock passes its deadline). `ctx.run` runs the real command, at once.
"""

from __future__ import annotations

import heapq
import itertools
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grace_actors.errors import GraceError
from grace_actors.kernel import LATER, Answer, Completed, Data, Kernel, Request


@dataclass
class _Timer:
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Bench:
    """A room with a clock. `advance(s)` fires timers in order; `poll()` serves watched descriptors."""

    home: Path
    clock: float = 1000.0
    kernels: dict[str, Kernel] = field(default_factory=dict)
    events: list[tuple[str, str, Data]] = field(default_factory=list)
    sent: list[tuple[str, str, str, Data]] = field(default_factory=list)  # sender, to, verb, args
    saved: dict[str, Any] = field(default_factory=dict)
    on_emit: list[Callable[[str, str, Data], None]] = field(default_factory=list)
    _due: list[tuple[float, int, _Timer, Callable[[], None]]] = field(default_factory=list)
    _watched: dict[int, tuple[int, _Timer, Callable[[], None]]] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: itertools.count(1))
    _waiting: dict[int, Callable[[Answer], None]] = field(default_factory=dict)

    def add(self, name: str, cls: type[Kernel], **config: Any) -> Kernel:
        """Start a kernel as the actor shell would: snapshot restored, set up, self-tested."""
        data = self.home / "data" / name
        data.mkdir(parents=True, exist_ok=True)
        kernel = cls(BenchContext(self, name, self.home, data, config))
        if self.saved.get(name) is not None:
            kernel.restore(self.saved[name])
        kernel.setup()
        self.kernels[name] = kernel
        failed = [c for c in kernel.ready() if not c.ok]
        assert not failed, f"{name} is not ready: {failed}"
        return kernel

    def crash(self, name: str) -> None:
        """The kernel dies without a word; its timers and watches die with it."""
        self.kernels.pop(name)
        self._due = [d for d in self._due if getattr(d[2], "owner", None) != name]
        heapq.heapify(self._due)
        self._watched = {k: w for k, w in self._watched.items() if getattr(w[1], "owner", None) != name}

    def ask(self, to: str, verb: str, sender: str = "test", **args: Any) -> Any:
        """The answer's value. Raises the GraceError the kernel raised. A LATER answer must come at once
        or through `advance`; use `answers` for those."""
        got: list[Answer] = []
        self.post(sender, to, verb, args, got.append)
        if not got:
            return LATER
        if not got[0].ok:
            raise GraceError(f"{got[0].error}")
        return got[0].value

    def post(
        self, sender: str, to: str, verb: str, args: Data | None, on_answer: Callable[[Answer], None] | None
    ) -> int:
        number = next(self._ids)
        self.sent.append((sender, to, verb, dict(args or {})))
        if on_answer is not None:
            self._waiting[number] = on_answer
        kernel = self.kernels.get(to)
        if kernel is None:
            return number
        request = Request(verb=verb, args=dict(args or {}), sender=sender, id=number)
        try:
            value = kernel.handle(request)
        except GraceError as error:
            self.answer(number, Answer(ok=False, error=_as_data(error)))
            return number
        if value is not LATER:
            self.answer(number, Answer(ok=True, value=value))
        return number

    def answer(self, number: int, answer: Answer) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            waiting(answer)

    def at(self, delay_s: float, call: Callable[[], None], owner: str) -> _Timer:
        timer = _Timer()
        timer.owner = owner  # type: ignore[attr-defined]
        heapq.heappush(self._due, (self.clock + delay_s, next(self._ids), timer, call))
        return timer

    def advance(self, seconds: float) -> None:
        end = self.clock + seconds
        while self._due and self._due[0][0] <= end:
            due, _, timer, call = heapq.heappop(self._due)
            self.clock = due
            if not timer.cancelled:
                call()
        self.clock = end

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Serve readable descriptors once; True if there was one."""
        live = {n: w for n, w in self._watched.items() if not w[1].cancelled}
        self._watched = live
        if not live:
            return False
        readable, _, _ = select.select([w[0] for w in live.values()], [], [], timeout_s)
        for fd, timer, call in list(live.values()):
            if fd in readable and not timer.cancelled:
                call()
        return bool(readable)

    def types(self) -> list[str]:
        return [e[0] for e in self.events]


@dataclass
class BenchContext:
    bench: Bench
    name: str
    home: Path
    data: Path
    config: Mapping[str, Any]

    def now(self) -> float:
        return self.bench.clock

    def wall(self) -> float:
        return 1_700_000_000.0 + self.bench.clock

    def tell(self, to: str, verb: str, args: Data | None = None) -> None:
        self.bench.post(self.name, to, verb, args, None)

    def ask(
        self, to: str, verb: str, args: Data | None, on_answer: Callable[[Answer], None], *, timeout_s: float = 5.0
    ) -> None:
        number = self.bench.post(self.name, to, verb, args, on_answer)
        late = Answer(ok=False, error={"code": "timed_out", "message": f"{to} did not answer {verb}", "hint": ""})
        if number in self.bench._waiting:
            self.bench.at(timeout_s, lambda: self.bench.answer(number, late), self.name)

    def answer(self, request: Request, value: Any = None, *, error: GraceError | None = None) -> None:
        answer = Answer(ok=True, value=value) if error is None else Answer(ok=False, error=_as_data(error))
        self.bench.answer(request.id, answer)

    def emit(self, type: str, subject: str, data: Data | None = None) -> None:
        self.bench.events.append((type, subject, dict(data or {})))
        for take in self.bench.on_emit:
            take(type, subject, dict(data or {}))

    def after(self, delay_s: float, call: Callable[[], None]) -> _Timer:
        return self.bench.at(delay_s, call, self.name)

    def every(self, interval_s: float, call: Callable[[], None]) -> _Timer:
        outer = _Timer()
        outer.owner = self.name  # type: ignore[attr-defined]

        def again() -> None:
            if not outer.cancelled:
                self.bench.at(interval_s, again, self.name)
                call()

        self.bench.at(interval_s, again, self.name)
        return outer

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
        try:
            done = subprocess.run(
                list(argv), input=input, cwd=cwd, env=env, timeout=timeout_s, capture_output=True, preexec_fn=preexec
            )
        except subprocess.TimeoutExpired as late:
            on_done(Completed(returncode=-9, stdout=late.stdout or b"", stderr=late.stderr or b"", timed_out=True))
            return
        except OSError as error:
            on_done(Completed(returncode=None, stdout=b"", stderr=b"", error=str(error)))
            return
        on_done(
            Completed(
                returncode=done.returncode,
                stdout=done.stdout[:max_output_bytes],
                stderr=done.stderr[:max_output_bytes],
            )
        )

    def watch(self, fd: int, on_readable: Callable[[], None]) -> _Timer:
        timer = _Timer()
        timer.owner = self.name  # type: ignore[attr-defined]
        self.bench._watched[next(self.bench._ids)] = (fd, timer, on_readable)
        return timer

    def save(self) -> None:
        self.bench.saved[self.name] = self.bench.kernels[self.name].snapshot()


def _as_data(error: GraceError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}
