"""The system process: starts the actor system and the root supervisor, and serves the control socket.

One life of the actor system. Whatever ends the admin or the root supervisor ends this process, and with it
(parent-death signals) everything below; the guard then starts the next one. It restarts nothing itself.
Invariant: no thread exists before the admin is forked.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import socket
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import setproctitle
from thespian.system.messages.admin import QueryAck, QueryExists
from thespian.system.transport import ReceiveEnvelope, TransmitIntent

from grace_actors import birth as births
from grace_actors import lifeline, wire
from grace_actors.boot import Boot
from grace_actors.errors import GraceError
from grace_actors.gateway import Gateway
from grace_actors.home import Home
from grace_actors.kernel import Data
from grace_actors.outside import Outside
from grace_actors.transport import sockets
from grace_actors.transport.base import start as start_actor_system
from grace_actors.version import __version__
from supervisors.loader import Tree

DIED_STATUS, GAVE_UP_STATUS = 75, 69
_LISTEN = timedelta(seconds=1)
SWEEP_EVERY_S = 60.0
LOOK_EVERY_S, UNANSWERED_MOST = 4.0, 4
"""The admin and the root supervisor have no supervisor: both are asked for a sign of life, and one that leaves
that many questions unanswered is hung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the guard hands to each life of the system."""

    home: Home
    tree: Tree
    instance: str
    started_at: float
    started: float  # monotonic
    guard_pid: int
    link: socket.socket
    listener: socket.socket
    bind: str = ""  # the address for TCP; empty for Unix sockets
    is_recovery: bool = False


class System:
    """The state the gateway and the boot conductor share. Threads only read it, but for `state`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.guard_pid = plan.guard_pid
        self.state = "booting"
        self.registry: Any = None
        self.root_ready = threading.Event()
        self.up: set[str] = set()
        self.root_pid = self.admin_pid = 0
        self._unanswered = {"the admin": 0, "the root supervisor": 0}
        self._looked_at = self._swept_at = time.monotonic()
        self._link_lock = threading.Lock()
        self._event_numbers = itertools.count(1)
        self._emit_lock = threading.Lock()

    # ---- life -----------------------------------------------------------------------------------------

    def run(self) -> int:
        """Run until the tree has stopped (0), given up or died. The value is the exit status."""
        self._settle()
        self.boot = Boot(self)
        if not self.boot.pre_flight():
            return GAVE_UP_STATUS
        self._start_actors()
        self._gateway = Gateway(self, self.plan.listener)
        self._gateway.start()
        threading.Thread(target=self._read_link, name="link", daemon=True).start()
        threading.Thread(target=self.boot.conduct, name="boot", daemon=True).start()
        return self._listen()

    def _settle(self) -> None:
        setproctitle.setproctitle(f"grace: system [{self.plan.home.root}]")
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # adopted orphans are reaped by the kernel
        lifeline.adopt_orphans()
        os.register_at_fork(after_in_child=self._close_inherited)
        self.sockets = self._socket_directory()

    def _close_inherited(self) -> None:
        """Actors must hold neither the control socket nor the link: the guard reads their ends as deaths."""
        for fd in (self.plan.link.fileno(), self.plan.listener.fileno()):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)

    def _socket_directory(self) -> Path:
        directory = self.plan.home.control_socket.parent / "s"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        return directory

    def _start_actors(self) -> None:
        words = births.LastWords()
        root = self.plan.tree.root
        births.prepare(
            births.Birth(
                name=root.name,
                gen=1,
                kind="supervisor",
                parent=None,
                start=root,
                home=self.plan.home.root,
                instance=self.plan.instance,
                registry=None,
                last_words_fd=words.write_fd,
            )
        )
        self.actors = start_actor_system(str(self.sockets), host=self.plan.bind)
        self.transport = self.actors._systemBase.transport
        self.admin_pid = _admin_pid()
        self._say_alive()
        root_address = self.actors.createActor("grace_actors.supervisor.SupervisorActor")
        self.root_address = root_address
        self.transport.scheduleTransmit(None, TransmitIntent(root_address, wire.Begin(1)))

    def _listen(self) -> int:
        """The mailbox of the system process, and its watch over admin and root."""
        watch = threading.Thread(target=self._watch, args=(os.pidfd_open(self.admin_pid), "the admin"), daemon=True)
        watch.start()
        while True:
            envelope = self.transport.run(None, _LISTEN)
            lifeline.end_orphans(keep={self.admin_pid})
            self._look()
            if not isinstance(envelope, ReceiveEnvelope):
                continue
            match envelope.message:
                case wire.Pulse():
                    self._unanswered["the root supervisor"] = 0
                case QueryAck():
                    self._unanswered["the admin"] = 0
                case wire.Progress(name, state):
                    self._progress(name, state)
                case wire.RegistryAt(address):
                    self.registry = address
                case wire.Ready(_, _, pid):
                    self.root_ready.set()
                case wire.Spawned(_, _, pid):
                    self.root_pid = pid
                    fd = os.pidfd_open(pid)
                    threading.Thread(target=self._watch, args=(fd, "the root supervisor"), daemon=True).start()
                case wire.RootGone(kind, reason, detail):
                    return self._root_gone(kind, reason, detail)

    def _say_alive(self) -> None:
        """Every actor is in the session of the admin."""
        self.tell_guard({"alive": os.getpid(), "session": os.getsid(self.admin_pid)})

    def _look(self) -> None:
        """Say that we live, and ask those above every supervisor whether they do. Questions are counted, not
        seconds: in a machine that stood still nobody is hung."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        self._say_alive()
        if now - self._swept_at > SWEEP_EVERY_S:
            self._swept_at = now
            sockets.sweep(self.transport.place.directory)
        questions = {"the admin": (self.transport._adminAddr, QueryExists())}
        if self.root_pid:
            questions["the root supervisor"] = (self.root_address, wire.Heartbeat(1))
        for who, (address, question) in questions.items():
            if self._unanswered[who] >= UNANSWERED_MOST:
                self.tell_guard({"guard": "system_died", "detail": f"{who} does not answer"})
                os._exit(DIED_STATUS)
            self._unanswered[who] += 1
            self.transport.scheduleTransmit(None, TransmitIntent(address, question))

    def _watch(self, pidfd: int, what: str) -> None:
        select.select([pidfd], [], [])
        time.sleep(0.05)  # a stop in order is told by RootGone first
        if self.state != "stopped":
            self.tell_guard({"guard": "system_died", "detail": f"{what} ended"})
            os._exit(DIED_STATUS)

    def _root_gone(self, kind: str, reason: str, detail: str) -> int:
        was, self.state = self.state, "stopped"
        with contextlib.suppress(Exception):  # the admin may have been the victim
            self.actors.shutdown()
        if kind == "shutdown" and was == "stopping":
            return 0
        if was == "booting" and self.plan.is_recovery:
            self.tell_guard({"guard": "system_died", "detail": f"the tree did not come up again: {reason}"})
            return DIED_STATUS
        self.tell_guard({"guard": "gave_up", "reason": reason, "detail": detail})
        return GAVE_UP_STATUS

    def not_started(self, why: str) -> None:
        """The boot has failed. A tree that ran before is tried again by the guard: what struck it may be over."""
        if self.plan.is_recovery:
            self.tell_guard({"guard": "system_died", "detail": f"the tree did not come up again: {why}"})
            os._exit(DIED_STATUS)
        self.tell_guard({"boot": "failed", "message": why, "hint": "see the logs"})

    # ---- talk -----------------------------------------------------------------------------------------

    def outside(self) -> Outside:
        return Outside(self.transport, lambda: self.registry)

    def tell_guard(self, event: Data) -> None:
        """One line to the guard: progress for whoever watches."""
        with self._link_lock, contextlib.suppress(OSError):
            self.plan.link.sendall(json.dumps(event).encode() + b"\n")

    def _read_link(self) -> None:
        for line in self.plan.link.makefile("rb"):
            if json.loads(line).get("do") == "stop":
                self.stop("the guard stops")

    def stop(self, reason: str) -> None:
        """Begin the orderly end; its progress goes to the guard."""
        if self.state == "stopping":
            return
        self.state = "stopping"
        self.tell_guard({"shutdown": "started", "total": len(self.up)})
        self.emit("system.stopping", self.plan.tree.root.name, {"reason": reason})
        with self.outside() as outside:
            outside.tell(self.root_address, wire.Stop(reason))

    def _progress(self, name: str, state: str) -> None:
        (self.up.add if state == "started" else self.up.discard)(name)
        if self.state == "booting" and state == "started":
            total = sum(1 for _ in self.plan.tree.children())
            self.tell_guard({"boot": "child", "name": name, "state": state, "ready": len(self.up), "total": total})
        elif self.state == "stopping":
            self.tell_guard({"shutdown": "child", "name": name, "left": len(self.up)})

    def emit(self, type: str, subject: str, data: Data) -> None:
        """An event of the system process itself; lost only if the status actor is away for long."""
        with self._emit_lock, self.outside() as outside:
            event = {"n": next(self._event_numbers), "type": type, "subject": subject, "data": data, "at": time.time()}
            batch = {"emitter": f"system.{os.getpid()}", "events": [event]}
            with contextlib.suppress(GraceError):
                outside.ask("status", "record_many", batch, timeout_s=3.0)

    # ---- what status shows ------------------------------------------------------------------------------

    def instance(self) -> Data:
        plan = self.plan
        return {
            "home": str(plan.home.root),
            "pid": plan.guard_pid,
            "started_at": plan.started_at,
            "uptime_s": round(time.time() - plan.started_at, 3),
            "version": __version__,
            "transport": f"tcp at {plan.bind}" if plan.bind else "unix",
        }

    def boot_info(self) -> Data:
        return self.boot.info()


def _admin_pid() -> int:
    """Our only child now: Thespian's intermediate process has ended, its admin was adopted."""
    import psutil

    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        children = psutil.Process().children()
        if len(children) == 1:
            return children[0].pid
        time.sleep(0.001)
    raise RuntimeError("the actor system's admin was not found among our children")


def main(plan: Plan) -> int:
    """Body of the system process."""
    return System(plan).run()
