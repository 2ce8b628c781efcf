"""How actors are forked: the least that Thespian needs between `fork` and the first message.

Thespian takes a concurrency context, by default one of `multiprocessing`; this is a smaller one. Every page a
child touches while it starts is copied, so what is left out here (log forwarding, a handler for each of 60
signals, reflection on constructors) halves both the time and the memory of a start.
Knows Thespian's contract, nothing of supervision. Invariant: a child never returns into its parent's code.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing.process
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from thespian.system import multiprocCommon
from thespian.system.logdirector import ThespianLogForwarder
from thespian.system.messages.multiproc import EndpointConnected
from thespian.system.multiprocCommon import closeFileNums
from thespian.system.systemCommon import actorStartupFailed
from thespian.system.transport import TransmitIntent

from grace_actors.transport import sockets
from grace_actors.transport.addresses import Endpoint
from grace_actors.transport.manager import LeanManager

_JOIN_STEP_S = 0.001
_FAMILY = "grace_actors.actor"


class Forked:
    """A forked process as Thespian uses it: `start`, `is_alive`, `join`, `pid`, `exitcode`."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...] = (), name: str = "") -> None:
        self._target = start_child if target is multiprocCommon.startChild else target
        self._args = args
        self._directory = next((arg.place.directory for arg in args if isinstance(arg, Endpoint)), "")
        self.name = name
        self.daemon = False
        self.pid = 0
        self.exitcode: int | None = None

    def start(self) -> None:
        """Fork. Raises OSError when the system refuses."""
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._run())
        self._args = ()
        multiprocessing.process._children.add(self)  # type: ignore[attr-defined]  # Thespian takes it out again

    def _run(self) -> int:
        try:
            self._target(*self._args)
        except SystemExit as exit:
            return exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            sockets.forget(self._directory, os.getpid())  # not self.pid: the admin forks once more
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
        return 0

    def is_alive(self) -> bool:
        """False once it was reaped; reaps it if it has ended."""
        if self.exitcode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # reaped by somebody else: how it ended is not known
                self.exitcode = 0
                return False
            if pid:
                self.exitcode = os.waitstatus_to_exitcode(status)
                if self.exitcode < 0:  # killed: it could not do that itself
                    sockets.forget(self._directory, pid)
        return self.exitcode is None

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, at most `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.is_alive() and (deadline is None or time.monotonic() < deadline):
            time.sleep(_JOIN_STEP_S)


class ForkContext:
    """The concurrency context of `GraceSystemBase`."""

    Process = Forked


def lean_class(child_class: str, source_hash: Any) -> type | None:
    """The class if it is one of Grace's own actors, which settle their process themselves; None for any other.

    Nothing is imported to find out: whoever creates an actor by its class has imported it before the fork.
    """
    family = getattr(sys.modules.get(_FAMILY), "Actor", None)
    module, _, name = child_class.rpartition(".")
    found = None if source_hash else getattr(sys.modules.get(module), name, None)
    return found if family and isinstance(found, type) and issubclass(found, family) else None


def start_child(
    child_class: str,
    global_name: str | None,
    endpoint: Any,
    transport_class: type,
    source_hash: Any,
    source: Any,
    parent: Any,
    admin: Any,
    notify: Any,
    logger: Any,
    requirements: Any,
    capabilities: Any,
    fds_to_close: list[int],
    context: Any,
    log_defs: Any,
) -> None:
    """The body of an actor's process, in place of `thespian.system.multiprocCommon.startChild`.

    Grace's own classes settle their process themselves. For any other class logging is forwarded, every signal is
    caught, and the actor is built from loaded sources or with the constructor arguments it asks for.
    """
    closeFileNums(fds_to_close)
    found = lean_class(child_class, source_hash)
    transport = transport_class(endpoint)
    if found is None:
        _forward_logs(logger, transport, log_defs)
    manager = LeanManager(
        child_class,
        global_name,
        transport,
        source_hash,
        source,
        parent,
        admin,
        requirements,
        capabilities,
        context,
        log_defs,
    )
    manager.asLogger = logger
    hello = TransmitIntent(notify, EndpointConnected(endpoint.addrInst)).addCallback(onFailure=actorStartupFailed)
    transport.scheduleTransmit(None, hello)
    signal.signal(signal.SIGCHLD, manager.signalChildDied)
    if found is None:
        _catch_signals(child_class, manager)
    else:
        manager.actorInst = found()
        manager.actorInst._myRef = manager
    manager.run()


def _forward_logs(logger: Any, transport: Any, log_defs: Any) -> None:
    """As Thespian does: every record goes to the logger process."""
    level = multiprocCommon.get_min_log_level(log_defs)
    logging.root = logging.Logger.root = ThespianLogForwarder(logger, transport, logLevel=level)
    logging.Logger.manager = logging.Manager(logging.root)


def _catch_signals(child_class: str, manager: Any) -> None:
    """As Thespian does: an exit signal becomes an ActorExitRequest, any other is noted."""
    who = (child_class, manager.transport.myAddress, manager)
    note, leave = multiprocCommon.signal_detector(*who), multiprocCommon.shutdown_signal_detector(*who)
    for number in set(range(1, signal.NSIG)) - {signal.SIGCHLD, *multiprocCommon.uncatchable_signals}:
        with contextlib.suppress(RuntimeError, ValueError, OSError):  # not to be caught on this system
            signal.signal(number, leave if number in multiprocCommon.exit_signals else note)
