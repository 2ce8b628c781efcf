"""The root guard: the process the operator started. It outlives the actor system and starts it again.

Single-threaded and small: it forks the system process and the console, watches both, forwards progress to
the screen, reaps orphans, and ends everything in order. It knows nothing of actors.
Invariant: when it has ended, nothing it started runs; when it is killed, the kernel ends the rest.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import selectors
import shutil
import signal
import socket
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import psutil
import setproctitle

from grace_actors import lifeline, undertaker, user_code
from grace_actors.errors import GraceError
from grace_actors.home import MARK, AlreadyRunning, Instance
from grace_actors.lives import Lives
from grace_actors.resolve import resolve
from grace_actors.settings import Settings
from grace_actors.version import __version__
from supervisors.loader import BUILT_IN, Tree, TreeFileError, load_tree, with_runtime

SILENT_TICKS, SILENT_BOOT_TICKS = 15, 90
"""Seconds in which the guard heard nothing of the system process, counted only while the guard itself runs: a
machine that was suspended proves nothing. Before its first word the system may take longer."""
TICK_S = 1.0
FORCED_STATUS, CRASHED_STATUS = 130, 70
MAX_CONSOLES = 5


def run_guard(settings: Settings) -> int:
    """Boot the tree and stay until it ends. The value is the exit status of the program."""
    began = time.monotonic()
    try:
        lock = settings.home.acquire()
        tree = with_runtime(load_tree(settings.tree or BUILT_IN, resolve=resolve))
        _import_everything(tree)
    except ImportError as error:
        return _refuse(f"a part of the runtime cannot be imported: {error}", "install it again with: make run")
    except (AlreadyRunning, GraceError) as error:
        return _refuse(error.message, error.hint)
    except OSError as error:
        return _unusable(settings, error)
    except TreeFileError as error:
        faults = "\n".join(f"  {line}" for line in str(error).splitlines())
        message = f"{settings.tree or BUILT_IN} cannot be used:\n{faults}"
        return _refuse(message, "nothing was started; check again with: python run.py validate FILE")
    if settings.bind:
        print(settings.exposed, file=sys.stderr)
    with lock:
        guard = Guard(settings, tree, began)
        try:
            guard.settle()
        except OSError as error:
            return _unusable(settings, error)
        return guard.run()


def _import_everything(tree: Tree) -> None:
    """What actors need is imported before the first fork: they start with it."""
    for path in ("grace_actors.supervisor", "grace_actors.process_actor", "grace_actors.system", *tree.kernels):
        importlib.import_module(path.partition(":")[0])
    user_code.remember()


def _unusable(settings: Settings, error: OSError) -> int:
    return _refuse(
        f"the home {settings.home.root} cannot be used: {error}", "free space or repair it, then start again"
    )


def _refuse(message: str, hint: str) -> int:
    print(f"grace: {message}", file=sys.stderr)
    if hint:
        print(f"  {hint}", file=sys.stderr)
    return 1


class Guard:
    """One run of the program."""

    def __init__(self, settings: Settings, tree: Tree, began: float) -> None:
        from grace_actors.console.render import Progress

        self._settings, self._tree, self._began = settings, tree, began
        self._home = settings.home
        self._instance = uuid.uuid4().hex[:12]
        self._started_at = time.time()
        self._selector = selectors.DefaultSelector()
        self._progress = Progress()
        self._lives = Lives()
        self._system_pid = self._console_pid = self._undertaker_pid = 0
        self._silent_ticks, self._ticked_at, self._has_spoken = 0, began, False
        self._stopping = False
        self._console_lives = self._session = 0
        self._status = 0
        self._done = False
        self._buffer = b""

    def run(self) -> int:
        """Until the tree has ended. `settle` comes first."""
        try:
            self._start_system(is_recovery=False)
            while not self._done:
                self._wait()
        finally:
            self._end_everything()
        return self._status

    # ---- set-up -----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Take signals, the control socket and `instance.json`. Raises OSError when the home refuses."""
        os.environ[MARK] = f"{self._home.root}:{os.getpid()}"
        os.environ.setdefault("THESPLOG_FILE", str(self._home.logs / "thespian.log"))
        lifeline.install()
        lifeline.widen_files()
        lifeline.adopt_orphans()
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(read, selectors.EVENT_READ, self._on_signal)
        self._listener = _listen_at(self._home.control_socket)
        self._home.write_instance(
            Instance(
                pid=os.getpid(),
                started_at=self._started_at,
                version=__version__,
                home=str(self._home.root),
                tree=str(self._tree.source),
            )
        )
        gc.collect()
        gc.freeze()  # a collection in a fork would touch, and so copy, every page of ours

    def _start_system(self, *, is_recovery: bool) -> None:
        from grace_actors import system

        self._lives.begin(time.monotonic())
        ours, theirs = socket.socketpair()
        plan = system.Plan(
            home=self._home,
            tree=self._tree,
            instance=self._instance,
            started_at=self._started_at,
            started=time.monotonic() if is_recovery else self._began,
            guard_pid=os.getpid(),
            link=theirs,
            listener=self._listener,
            bind=self._settings.bind,
            is_recovery=is_recovery,
        )
        self._system_pid = os.fork()
        if self._system_pid == 0:
            _become(lambda: system.main(plan), self._home.log_file("system"), close=[ours])
        theirs.close()
        self._silent_ticks, self._has_spoken = 0, False
        self._link = ours
        self._link.setblocking(False)
        self._buffer = b""
        self._selector.register(self._link, selectors.EVENT_READ, self._on_link)

    def _start_undertaker(self) -> None:
        """One for each life of the system, which tells the session of its actors with its first word."""
        if self._undertaker_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._undertaker_pid, signal.SIGKILL)
        self._undertaker_pid = undertaker.fork(os.getpid(), self._session, self._home.root)

    def _start_console(self) -> None:
        from grace_actors.console import repl

        self._console_lives += 1
        self._console_pid = os.fork()
        if self._console_pid == 0:
            setproctitle.setproctitle(f"grace: console [{self._home.root}]")
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os._exit(_status_of(lambda: repl.run(self._home)))

    # ---- waiting ----------------------------------------------------------------------------------------

    def _wait(self) -> None:
        for key, _ in self._selector.select(timeout=TICK_S):
            key.data(key.fileobj)
        self._reap()
        lifeline.end_orphans(keep={self._system_pid, self._console_pid, self._undertaker_pid})
        if time.monotonic() - self._ticked_at >= TICK_S:
            self._ticked_at = time.monotonic()
            self._tick()

    def _tick(self) -> None:
        """A system process that says nothing any more is hung: its death is what can be recovered from."""
        self._silent_ticks += 1
        most = SILENT_TICKS if self._has_spoken else SILENT_BOOT_TICKS
        if self._silent_ticks >= most and self._system_pid:
            self._silent_ticks = 0
            self._show({"guard": "system_died", "detail": f"silent for {most} s: killed"})
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._system_pid, signal.SIGKILL)

    def _show(self, event: dict[str, Any]) -> None:
        """Progress for whoever watches. A terminal that is gone or a full disk must not end the guard."""
        with contextlib.suppress(OSError, ValueError):
            self._progress.on(event)

    def _on_signal(self, fd: Any) -> None:
        for number in os.read(fd, 512):
            if number != signal.SIGCHLD:
                self._asked_to_stop(can_force=number != signal.SIGHUP)

    def _asked_to_stop(self, *, can_force: bool) -> None:
        """Once stops in order; again, while that goes on, forces. A terminal that goes away never forces."""
        if self._stopping and can_force:
            self._status, self._done = FORCED_STATUS, True
        else:
            self._stop()

    def _stop(self) -> None:
        """Ask the system for an orderly end; it answers by ending."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._link.sendall(b'{"do": "stop"}\n')

    def _on_link(self, link: Any) -> None:
        try:
            data = link.recv(65536)
        except (BlockingIOError, ConnectionError):
            return
        if not data:
            self._selector.unregister(link)
            link.close()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._on_event(json.loads(line))

    def _on_event(self, event: dict[str, Any]) -> None:
        self._silent_ticks = 0
        if "alive" in event:
            if not self._has_spoken:
                self._has_spoken, self._session = True, int(event["session"])
                self._start_undertaker()
            return
        if "shutdown" in event:
            self._stopping = True
        self._show(event)
        if event.get("boot") == "done":
            self._lives.came_up()
            if not self._settings.headless and not self._console_pid:
                self._start_console()
        if event.get("boot") == "failed":
            self._status = 1
            self._stop()
        if event.get("guard") == "gave_up":
            self._status = 1

    # ---- deaths -----------------------------------------------------------------------------------------

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if pid == self._system_pid:
                self._system_ended(code)
            elif pid == self._console_pid:
                self._console_ended(code)
            elif pid == self._undertaker_pid and self._system_pid:
                self._undertaker_pid = 0
                self._start_undertaker()

    def _system_ended(self, code: int) -> None:
        self._system_pid = 0
        self._drain_link()
        if self._stopping and code == 0:
            self._done = True
        elif code == 69 or self._stopping:
            self._status, self._done = 1, True
        else:
            self._recover(code)

    def _drain_link(self) -> None:
        """Hear its last words; what has not arrived when it is reaped never will."""
        while self._link.fileno() >= 0 and select.select([self._link], [], [], 0)[0]:
            self._on_link(self._link)
        if self._link.fileno() >= 0:
            self._selector.unregister(self._link)
            self._link.close()

    def _recover(self, code: int) -> None:
        """The actor system died under the tree: end what is left of it and start it again."""
        self._show({"guard": "system_died", "detail": f"status {code}"})
        self._end_below(keep={self._console_pid, self._undertaker_pid})
        if (message := self._lives.refusal(time.monotonic())) is not None:
            self._show({"boot": "failed", "message": message, "hint": f"see {self._home.logs}"})
            self._status, self._done = 1, True
            return
        self._show({"guard": "restarting"})
        self._start_system(is_recovery=True)

    def _console_ended(self, code: int) -> None:
        self._console_pid = 0
        if code == FORCED_STATUS:
            self._status, self._done = FORCED_STATUS, True
        elif (code < 0 or code == CRASHED_STATUS) and not self._stopping and self._console_lives < MAX_CONSOLES:
            self._start_console()  # the console broke, not the tree
        else:
            self._status = self._status or max(0, code)
            self._stop()

    def _end_below(self, keep: set[int]) -> None:
        """Kill every descendant but `keep`, until none is left: a fork may slip through one pass."""
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            victims = [p for p in psutil.Process().children(recursive=True) if p.pid not in keep]
            for victim in victims:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.kill()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not victims:
                return
            time.sleep(0.005)

    def _end_everything(self) -> None:
        self._show({"shutdown": "done", "seconds": None})
        if self._console_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._console_pid, signal.SIGTERM)
            time.sleep(0.05)
        self._end_below(keep=set())
        self._listener.close()
        shutil.rmtree(self._home.control_socket.parent / "s", ignore_errors=True)
        self._home.control_socket.unlink(missing_ok=True)
        if self._home.root not in self._home.control_socket.parents:
            with contextlib.suppress(OSError):
                self._home.control_socket.parent.rmdir()


def _listen_at(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(128)
    return listener


def _become(body: Any, log: Path, close: list[socket.socket]) -> None:
    """In the forked child: own session, own log, run, exit. Does not return."""
    signal.set_wakeup_fd(-1)
    os.setsid()
    for sock in close:
        sock.close()
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os._exit(_status_of(body))


def _status_of(body: Any) -> int:
    """Run; an exception is printed and is status 70."""
    try:
        return int(body())
    except SystemExit as error:
        return int(error.code or 0) if not isinstance(error.code, str) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        return CRASHED_STATUS
