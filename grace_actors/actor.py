"""The base of every actor of the runtime: mailbox, timers, watches, crash with a report.

A crash means exit: the first exception that leaves a handler ends the process with a report of reason,
traceback and the message that was being handled; the supervisor decides what follows. This class knows
Thespian and processes, nothing of restart policy. Invariant: no handler runs twice for one message.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import setproctitle
from thespian.actors import Actor as ThespianActor
from thespian.actors import ActorExitRequest, PoisonMessage, ThespianWatch, WakeupMessage, WatchMessage
from thespian.system.transport import TransmitIntent, TransmitOnly

from grace_actors import birth as births
from grace_actors import wire
from grace_actors.errors import GraceError, Injected, Refused, WorldFailed
from grace_actors.kernel import LATER, Answer, Data
from grace_actors.meddling.meddling import LASTING, Meddling
from grace_actors.names import Names
from grace_actors.timers import ActorTimer, Timers
from grace_actors.transport.addresses import PeerLost
from supervisors.messages import Exit, ExitKind

CRASH_STATUS = 70
LOG_MAX_BYTES = 10_000_000
_import_root, _import_manager = logging.root, logging.Logger.manager


class Stopped(BaseException):
    """Raised where a send waits for room, when the end is asked for meanwhile: it unwinds the handler."""

    def __init__(self, order: Any, sender: Any) -> None:
        super().__init__(f"the end was asked for by {type(order).__name__}")
        self.order, self.sender = order, sender


class Actor(ThespianActor):  # type: ignore[misc]
    """Subclasses override `begin`, `handle_ask`, `on_message`, `stopping` and `pulse`."""

    def __init__(self) -> None:
        super().__init__()
        self.birth = births.taken()
        self.name, self.gen = self.birth.name, self.birth.gen
        self.timers = Timers()
        self._armed_for: float | None = None
        self._watched: dict[int, Callable[[], None]] = {}
        self._watch: ThespianWatch | None = None
        self.parent: Any = None
        self.handling: Any = None
        self.meddling: Meddling | None = None
        self.wall_offset_s = 0.0
        self._last_pulse: wire.Pulse | None = None
        self.keeps_work = False
        """Whether the parent wants what is not answered yet, when it asks for the end."""
        self.names = Names(self)
        self._settle_process()
        self._take_name()

    def _become(self, birth: births.Birth) -> None:
        """This process was forked ahead of need; now it is somebody."""
        self.birth = replace(birth, last_words_fd=self.birth.last_words_fd)
        self.name, self.gen = birth.name, birth.gen
        self._take_name()

    def _take_name(self) -> None:
        """Title and log file of this name."""
        setproctitle.setproctitle(f"grace: {self.name} [{self.birth.home}]")
        _log_to(self.birth.home / "logs" / f"{self.name}.log")

    def _settle_process(self) -> None:
        """Own signals and randomness instead of those inherited through the fork."""
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGABRT):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        random.seed()
        faulthandler.register(signal.SIGUSR1, all_threads=True)

    # ---- what subclasses fill in ------------------------------------------------------------------

    def begin(self) -> None:
        """Set up and call `self.is_ready()` (now or later), or raise: a failed start."""
        self.is_ready()

    def handle_ask(self, ask: wire.Ask, sender: Any) -> Any:
        """Answer a request: the value, or LATER. GraceError is answered, anything else is a crash."""
        raise GraceError(f"{self.name} answers no requests")

    def on_message(self, message: Any, sender: Any) -> None:
        """Any other message of the runtime."""
        logging.getLogger("grace.actor").warning("unexpected message %.200r", message)

    def stopping(self, reason: str) -> None:
        """Orderly shutdown: close what is open. The process ends when this returns."""

    def on_stop(self, reason: str) -> None:
        """The parent asks for the end."""
        self.stopping(reason)
        self.leave(Exit(ExitKind.SHUTDOWN, "shutdown", reason))

    def pulse(self) -> wire.Pulse:
        """The answer to a heartbeat."""
        return wire.Pulse(self.name, self.gen, "", self.waiting(), memory_mb())

    def owed(self) -> Iterable[tuple[str, int]]:
        """Whose requests, by name and number, it has taken and not answered yet."""
        return ()

    @property
    def is_busy(self) -> bool:
        """Whether an OS command of its own runs."""
        return False

    def waiting(self) -> int:
        """Messages that have arrived and are not handled yet."""
        held = 0 if self.meddling is None else self.meddling.held
        return int(self._myRef.transport.waiting) + held

    # ---- the mailbox ------------------------------------------------------------------------------

    def receiveMessage(self, message: Any, sender: Any) -> Any:  # noqa: N802 - Thespian's name
        self.handling = message
        try:
            if self.meddling is None:
                self._dispatch(message, sender)
            else:
                self.meddling.arrives(message, sender)
            self.timers.run_due(time.monotonic())
            self._arm()
        except Stopped as stopped:
            self._end(stopped)
        except BaseException as error:
            self.crash(error)
        return self._watch

    def _end(self, stopped: Stopped) -> None:
        self.handling = stopped.order
        try:
            self._dispatch(stopped.order, stopped.sender)
        except BaseException as error:
            self.crash(error)

    def _urgent(self, envelope: Any) -> bool:
        """While a send of ours waits for room: we are slowed, not hung, and may still be stopped."""
        match envelope.message:
            case wire.Heartbeat(gen):
                is_mute = self.meddling is not None and self.meddling.is_mute
                if gen == self.gen and self._last_pulse is not None and not is_mute:
                    self.send(envelope.sender, replace(self._last_pulse, memory_mb=memory_mb()))
                return True
            case wire.Stop() | ActorExitRequest():
                raise Stopped(envelope.message, envelope.sender)
        return False

    def _dispatch(self, message: Any, sender: Any) -> None:
        match message:
            case wire.Ask():
                self._on_ask(message, sender)
            case wire.Heartbeat(gen):
                if gen == self.gen:
                    self._beat(sender)
            case WakeupMessage():
                self._armed_for = None
            case WatchMessage():
                for fd in message.ready:
                    if fd in self._watched:
                        self._watched[fd]()
            case PeerLost(path):
                self.names.peer_lost(path)
            case wire.Begin(_, birth):
                self.parent = sender
                self._myRef.transport.announces_losses = True
                self._myRef.transport.urgent = self._urgent
                if birth is not None:
                    self._become(birth)
                self.names.registry_at(self.birth.registry)
                self.begin()
            case wire.Stop(reason, keep):
                self.keeps_work = keep
                self.on_stop(reason)
            case wire.Resolved(name, address):
                self.names.resolved(name, address)
            case wire.Reply(id, answer):
                self.names.answered(id, answer)
            case wire.Kept(id):
                self.names.kept(id)
            case wire.RegistryAt(address):
                self.names.registry_at(address)
            case wire.Refresh():
                self.names.events.resend()
            case PoisonMessage():
                self._could_not_send(message.poisonMessage, sender)
            case ActorExitRequest():
                self.leave(Exit(ExitKind.SHUTDOWN, "shutdown", "the actor system ends"))
            case _:
                self.on_message(message, sender)

    def _on_ask(self, ask: wire.Ask, sender: Any, handle: Callable[[wire.Ask, Any], Any] | None = None) -> None:
        try:
            if not isinstance(ask.args, dict):
                raise Refused(f"{ask.verb!r:.60}: the arguments are {ask.args!r:.60}", hint="allowed: a mapping")
            value = (handle or self.handle_ask)(ask, sender)
        except GraceError as error:
            self.reply(ask.id, sender, error=error)
            return
        if value is not LATER:
            self.reply(ask.id, sender, value)

    def _could_not_send(self, message: Any, to: Any) -> None:
        """A message of ours did not survive pickling or is too large: whoever waits for it is told."""
        text = "it cannot be pickled or is over 64 MiB"
        logging.getLogger("grace.actor").error("a %s was not sent: %s", type(message).__name__, text)
        match message:
            case wire.Reply(id, _):
                self.reply(id, to, error=WorldFailed(f"{self.name} cannot send its answer: {text}"))
            case wire.Ask(id, verb):
                self.names.answered(id, as_answer(None, Refused(f"{verb} was not sent: {text}")))

    def reply(self, number: int, to: Any, value: Any = None, *, error: GraceError | None = None) -> None:
        """Answer a request, unless it wanted none."""
        if number:
            self.send(to, wire.Reply(number, as_answer(value, error)))

    def is_ready(self, info: Data | None = None) -> None:
        """Register under the own name and tell the parent, with `info` for whoever asked for the start."""
        self.names.register()
        self.send(self.parent, wire.Ready(self.name, self.gen, self.shown_pid(), info))
        self._beat(self.parent)

    def _beat(self, to: Any) -> None:
        self._last_pulse = self.pulse()
        self.send(to, self._last_pulse)

    def shown_pid(self) -> int:
        return os.getpid()

    def send_or(self, to: Any, message: Any, on_dead: Callable[[], None]) -> None:
        """Send; `on_dead` is called when the address turns out to be dead instead."""
        self._myRef._send_intent(TransmitIntent(to, message, onError=lambda *_: on_dead()))

    # ---- time and descriptors -----------------------------------------------------------------------

    def after(self, delay_s: float, call: Callable[[], None]) -> ActorTimer:
        """Call once after `delay_s`, from the mailbox."""
        return self.timers.add(time.monotonic() + delay_s, call)

    def _arm(self) -> None:
        """One alarm at a time, for the next timer: a cancelled one wakes nobody."""
        due = self.timers.next_due
        if due != self._armed_for:
            self._armed_for = due
            self._myRef.transport.set_alarm(None if due is None else max(0.0, due - time.monotonic()))

    def watch(self, fd: int, on_readable: Callable[[], None]) -> None:
        """Call whenever the descriptor is readable."""
        self._watched[fd] = on_readable
        self._watch = ThespianWatch(list(self._watched))

    def unwatch(self, fd: int) -> None:
        """No more; call it before the descriptor is closed: its number may be another's a moment later."""
        self._watched.pop(fd, None)
        self._myRef.transport.forget_watch(fd)
        self._watch = ThespianWatch(list(self._watched)) if self._watched else None

    # ---- the end ------------------------------------------------------------------------------------

    def crash(self, error: BaseException) -> None:
        """Exit with a report. `sys.exit(0)` in a handler is a normal exit. Does not return."""
        if isinstance(error, SystemExit) and error.code in (0, None):
            self.leave(Exit(ExitKind.NORMAL, "normal", "sys.exit"))
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        detail = "".join(traceback.format_exception(error))
        with contextlib.suppress(OSError):  # the disk may be full; the report goes to the parent anyway
            print(f"CRASH {self.name}: {detail}", file=sys.stderr, flush=True)
        self.leave(Exit(ExitKind.CRASH, reason, f"{detail}while handling: {self.handling!r:.500}"), CRASH_STATUS)

    def leave(self, exit: Exit, status: int = 0) -> None:
        """Say why, send what is still queued, end the process. Does not return."""
        births.write_report(self.birth.last_words_fd, exit)
        with contextlib.suppress(Exception):  # the transport may be what broke; the report is written
            transport = self._myRef.transport
            transport.run(TransmitOnly, timedelta(milliseconds=200))
            transport.close()
        os._exit(status)

    # ---- faults injected on purpose -------------------------------------------------------------------

    def inject(self, fault: str, params: dict[str, Any]) -> None:
        """Do to ourselves what cannot be done from outside."""
        match fault:
            case "crash":
                raise Injected(str(params.get("message", "injected")))
            case "block":
                self.after(0.0, lambda: time.sleep(float(params.get("seconds", 5))))
            case "leak":
                _leaked.append(b"\x01" * (int(params.get("mb", 50)) * 1_000_000))
            case "exit":
                self.after(0.0, lambda: self.leave(Exit(ExitKind.NORMAL, "normal", "injected")))
            case "pardon":
                if self.meddling is not None:
                    self.meddling.pardon(str(params.get("fault", "*")), "pardon")
            case _ if fault in LASTING:
                self.meddling = self.meddling or Meddling(self, self._dispatch)
                self.meddling.begin(fault, params)
            case _:
                raise GraceError(f"unknown fault {fault!r}", hint=f"crash, block, leak, exit, {', '.join(LASTING)}")


_leaked: list[bytes] = []


def as_answer(value: Any, error: GraceError | None) -> Answer:
    """An Answer from a handler's outcome."""
    if error is None:
        return Answer(ok=True, value=value)
    return Answer(ok=False, error={"code": error.code, "message": error.message, "hint": error.hint})


def memory_mb() -> float:
    """Resident memory of this process that it does not share, in MB. It must not need a new descriptor: a process that
    has none left still answers heartbeats."""
    global _statm
    if _statm < 0:
        _statm = os.open("/proc/self/statm", os.O_RDONLY)
    _, resident, shared, *_ = os.pread(_statm, 200, 0).split()
    return (int(resident) - int(shared)) * _PAGE / 1e6


def _not_the_parents() -> None:
    """After a fork the open file still tells of the parent."""
    global _statm
    if _statm >= 0:
        os.close(_statm)
        _statm = -1


_PAGE = os.sysconf("SC_PAGE_SIZE")
_statm = -1
os.register_at_fork(after_in_child=_not_the_parents)


def _log_to(path: Path) -> None:
    """Standard output, errors and logging of this process go to its own log file."""
    try:
        if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
            path.replace(path.with_suffix(".log.1"))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:  # a full disk must not keep a kernel from starting
        fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    logging.root, logging.Logger.root, logging.Logger.manager = _import_root, _import_root, _import_manager
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    _import_root.handlers[:] = [handler]
    _import_root.setLevel(logging.INFO)
