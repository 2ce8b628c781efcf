"""A kernel as an actor: gives a plain Kernel its Context, its snapshots and its self-test.

Translates messages into calls of the kernel and nothing else; restart policy is the supervisor's.
Invariant: the kernel is reached by requests only after its self-test has passed.
"""

from __future__ import annotations

import gc
import importlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgpack

from grace_actors import handover, snapshots, user_code, wire
from grace_actors.actor import Actor, memory_mb
from grace_actors.errors import GraceError, Refused, StoreFailed
from grace_actors.jobs import Job
from grace_actors.kernel import LATER, Answer, Completed, Data, Kernel, Request
from grace_actors.kernels import overrides
from grace_actors.meddling import limits
from grace_actors.timers import ActorTimer
from supervisors.messages import Exit, ExitKind
from supervisors.spec import KernelStart

SAVE_EVERY_S = 30.0
MAX_PAUSED = 1000
AT_ONCE = 20
"""So many requests that were held back are handled before the mailbox has its turn again: it answers heartbeats."""
SAFE = "safe"
"""The mode of a start that leaves out what was set beside the tree file."""
_NOT_PAUSABLE = frozenset({"ping", "ready", "inspect", "settings", "objects", "waits", "inject", "pause", "resume"})


class NotReady(RuntimeError):
    """The self-test of a starting kernel failed."""


class KernelActor(Actor):
    """Hosts one Kernel. The built-in verbs are those in `_NOT_PAUSABLE`."""

    def begin(self) -> None:
        limits.forget(limits.hidden_at(self.birth.home, self.name))
        start: KernelStart = self.birth.start
        config, ignored = overrides.configured(self.birth.home, self.name, start.config)
        is_reduced = self.birth.mode == SAFE and config != dict(start.config)
        if self.birth.mode == SAFE:
            config, ignored = dict(start.config), []
        if ignored:
            self.names.events.emit("overrides.ignored", self.name, {"problems": ignored})
        self._settings = Settings(config)
        self._overridden = sorted(key for key in config if config[key] != start.config.get(key))
        if changed := user_code.forget_changed():
            self.names.events.emit("code.changed", self.name, {"files": sorted(str(file) for file in changed)})
        self.kernel = load(start.path)(ActorContext(self, self._settings))
        self._paused: deque[handover.Work] | None = None
        self._released: deque[handover.Work] = deque()
        """What was held back and is let through again, before anything that came later."""
        self._owed: dict[int, tuple[wire.Ask, Any]] = {}
        """Requests that wait for their answer, by the number the kernel knows them by."""
        self._commands = 0
        self._request_number = 0
        self._saved = b""
        self._restore()
        self.kernel.setup()
        failed = [check for check in self.kernel.ready() if not check.ok]
        if failed:
            raise NotReady("; ".join(f"{check.name}: {check.detail or 'failed'}" for check in failed))
        self.is_ready({"is_reduced": is_reduced})
        self._autosave()

    # ---- requests -----------------------------------------------------------------------------------

    def handle_ask(self, ask: wire.Ask, sender: Any) -> Any:
        if ask.verb in _NOT_PAUSABLE and not _is_of_kernel(ask):
            return getattr(self, f"_builtin_{ask.verb}")(ask.args)
        if self._paused is not None:
            return self._park(ask, sender)
        if self._released:
            self._released.append((ask, sender))
            return LATER
        return self._handle(ask, sender)

    def _handle(self, ask: wire.Ask, sender: Any) -> Any:
        self._request_number += 1
        if ask.id:
            self._owed[self._request_number] = (ask, sender)
        request = Request(verb=ask.verb, args=ask.args, sender=ask.sender, id=self._request_number)
        try:
            value = self.kernel.handle(request)
        except BaseException:
            self._owed.pop(request.id, None)
            raise
        if value is LATER:
            self.names.waiting.changed()
        else:
            self._owed.pop(request.id, None)
        return value

    def answer(self, request: Request, value: Any, error: GraceError | None) -> None:
        """Answer what was kept for LATER; a second answer changes nothing."""
        ask, sender = self._owed.pop(request.id, (None, None))
        if ask is not None:
            self.names.waiting.changed()
            self.reply(ask.id, sender, value, error=error)

    def owed(self) -> Iterator[tuple[str, int]]:
        return ((ask.sender, ask.id) for ask, _ in self._owed.values())

    @property
    def is_busy(self) -> bool:
        return self._commands > 0

    def command_began(self, on_done: Callable[[Completed], None]) -> Callable[[Completed], None]:
        """Count a command until it is done; what to call then."""
        self._commands += 1
        self.names.waiting.changed()

        def done(completed: Completed) -> None:
            self._commands -= 1
            self.names.waiting.changed()
            on_done(completed)

        return done

    # ---- requests that outlive this incarnation --------------------------------------------------------

    def on_stop(self, reason: str) -> None:
        self.stopping(reason)
        if self.keeps_work:
            handover.hand_over(self, [*self._owed.values(), *self._held()])
        self.leave(Exit(ExitKind.SHUTDOWN, "shutdown", reason))

    def on_message(self, message: Any, sender: Any) -> None:
        match message:
            case wire.Handed(ask, asker):
                self._on_ask(ask, asker)
            case _:
                super().on_message(message, sender)

    # ---- holding and the built-in verbs ----------------------------------------------------------------

    def _park(self, ask: wire.Ask, sender: Any) -> Any:
        assert self._paused is not None
        if len(self._paused) >= MAX_PAUSED:
            raise Refused(f"{self.name} is paused and {MAX_PAUSED} requests wait already", hint="resume it first")
        self._paused.append((ask, sender))
        return LATER

    def _held(self) -> deque[handover.Work]:
        """What has arrived and waits here, the earliest first."""
        return self._released if self._paused is None else self._paused

    def _release(self) -> None:
        for _ in range(min(AT_ONCE, len(self._released))):
            ask, sender = self._released.popleft()
            self.handling = ask
            self._on_ask(ask, sender, self._handle)
        if self._released:
            self.after(0.0, self._release)

    def _builtin_ping(self, args: Data) -> Data:
        return {"pong": True}

    def _builtin_ready(self, args: Data) -> Data:
        return {"checks": [asdict(check) for check in self.kernel.ready()]}

    def _builtin_inspect(self, args: Data) -> Data:
        checks = self._builtin_ready(args)["checks"]
        return {"checks": checks, "metrics": dict(self.kernel.metrics()), "does": self.kernel.does()}

    def _builtin_settings(self, args: Data) -> Data:
        """What it was configured with, what of that an override changed, and every setting it has looked for with the
        value it got."""
        config = {key: plain(value) for key, value in self._settings.items()}
        used = {key: plain(value) for key, value in sorted(self._settings.used.items())}
        return {"config": config, "overridden": self._overridden, "used": used}

    def _builtin_objects(self, args: Data) -> Data:
        """How many objects there are that may hold others, and the `limit` most frequent types of them."""
        counts = Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in map(type, gc.get_objects()))
        return {"objects": counts.total(), "types": dict(counts.most_common(int(args.get("limit", 20))))}

    def _builtin_waits(self, args: Data) -> Data:
        """Whose answers it waits for, and how long already."""
        return {"waits": self.names.pending()}

    def _builtin_inject(self, args: Data) -> None:
        self.inject(args["fault"], args.get("params", {}))

    def _builtin_pause(self, args: Data) -> None:
        if self._paused is None:
            self._paused, self._released = self._released, deque()

    def _builtin_resume(self, args: Data) -> None:
        if self._paused is not None:
            self._released, self._paused = self._paused, None
            self._release()

    # ---- state --------------------------------------------------------------------------------------

    def _restore(self) -> None:
        loaded = snapshots.load(self.birth.home / "snapshots", self.name)
        if loaded.error:
            self.names.events.emit("snapshot.damaged", self.name, {"error": loaded.error})
        if loaded.state is None:
            return
        try:
            self.kernel.restore(loaded.state)
        except ValueError as error:
            self.names.events.emit("snapshot.discarded", self.name, {"error": str(error)})

    def save(self) -> None:
        """Store the snapshot if it changed. A full disk is an event, not a crash."""
        state = self.kernel.snapshot()
        if state is None:
            return
        packed = msgpack.packb(state)
        if packed == self._saved:
            return
        try:
            snapshots.save(self.birth.home / "snapshots", self.name, state)
            self._saved = packed
        except StoreFailed as error:
            self.names.events.emit("snapshot.failed", self.name, {"error": error.message})

    def _autosave(self) -> None:
        def again() -> None:
            self.save()
            self.after(SAVE_EVERY_S, again)

        self.after(SAVE_EVERY_S, again)

    def stopping(self, reason: str) -> None:
        self.save()
        self.kernel.stop(reason)
        self.names.events.flush()

    def pulse(self) -> wire.Pulse:
        waiting = self.waiting() + len(self._held()) + len(self._owed)
        degraded = tuple(self.kernel.degraded)
        gauges = _figures(self.name, self.kernel.gauges())
        return wire.Pulse(self.name, self.gen, self.kernel.does(), waiting, memory_mb(), degraded, gauges)


def _figures(name: str, gauges: Any) -> dict[str, float]:
    """What a kernel says of itself, which its supervisor's policies compare with limits. Raises TypeError."""
    for key, value in (gauges if isinstance(gauges, Mapping) else {"": gauges}).items():
        if not isinstance(key, str) or not key or not isinstance(value, int | float):
            raise TypeError(f"gauges() of {name}: {key!r} is {value!r:.60}; allowed: a mapping of names to numbers")
    return dict(gauges)


def _is_of_kernel(ask: wire.Ask) -> bool:
    """A supervisor has a fault injected into the actor itself; one with a target is the business of its kernel."""
    return ask.verb == "inject" and "target" in ask.args


def load(path: str) -> type[Kernel]:
    """The class named `package.module:Class`; mostly it has been imported before the fork."""
    module, _, name = path.partition(":")
    kernel: type[Kernel] = getattr(importlib.import_module(module), name)
    return kernel


class Settings(Mapping[str, Any]):
    """The configuration of a kernel, which also remembers in `used` what was looked for, with the defaults given."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self.used: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        self.used[key] = value = self._config[key]
        return value

    def get(self, key: str, default: Any = None) -> Any:
        self.used[key] = value = self._config.get(key, default)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._config)

    def __len__(self) -> int:
        return len(self._config)


def plain(value: Any) -> Any:
    """A setting as an answer can carry it; what is no plain data is shown as text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    return str(value)


class ActorContext:
    """The Context of a kernel that lives in an actor."""

    def __init__(self, actor: KernelActor, config: Mapping[str, Any]) -> None:
        self._actor = actor
        self.name = actor.name
        self.home: Path = actor.birth.home
        self.data: Path = self.home / "data" / self.name
        self.data.mkdir(parents=True, exist_ok=True)
        self.config = config

    now = staticmethod(time.monotonic)

    def wall(self) -> float:
        return time.time() + self._actor.wall_offset_s

    def tell(self, to: str, verb: str, args: Data | None = None) -> None:
        self._actor.names.tell(to, verb, args)

    def ask(
        self, to: str, verb: str, args: Data | None, on_answer: Callable[[Answer], None], *, timeout_s: float = 5.0
    ) -> None:
        self._actor.names.ask(to, verb, args, on_answer, timeout_s)

    def answer(self, request: Request, value: Any = None, *, error: GraceError | None = None) -> None:
        self._actor.answer(request, value, error)

    def emit(self, type: str, subject: str, data: Data | None = None) -> None:
        self._actor.names.events.emit(type, subject, data)

    def after(self, delay_s: float, call: Callable[[], None]) -> ActorTimer:
        return self._actor.after(delay_s, call)

    def every(self, interval_s: float, call: Callable[[], None]) -> Repeating:
        return Repeating(self._actor, interval_s, call)

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
        job = Job(self._actor, self._actor.command_began(on_done), max_output_bytes)
        job.start(argv, input=input, cwd=cwd, env=env, timeout_s=timeout_s, preexec=preexec)

    def watch(self, fd: int, on_readable: Callable[[], None]) -> Watch:
        self._actor.watch(fd, on_readable)
        return Watch(self._actor, fd)

    def save(self) -> None:
        self._actor.save()


class Repeating:
    """A call every so many seconds; the interval starts anew after each call, so a slow one cannot pile up."""

    def __init__(self, actor: Actor, interval_s: float, call: Callable[[], None]) -> None:
        self._actor, self._interval_s, self._call = actor, interval_s, call
        self._timer = actor.after(interval_s, self._fire)
        self._cancelled = False

    def _fire(self) -> None:
        self._call()
        if not self._cancelled:
            self._timer = self._actor.after(self._interval_s, self._fire)

    def cancel(self) -> None:
        self._cancelled = True
        self._timer.cancel()


class Watch:
    """A watched descriptor."""

    def __init__(self, actor: Actor, fd: int) -> None:
        self._actor, self._fd = actor, fd

    def cancel(self) -> None:
        self._actor.unwatch(self._fd)
