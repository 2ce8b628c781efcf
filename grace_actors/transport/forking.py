"""How actors are forked: the least that Thespian needs between `fork` and the first message.

Thespian takes a concurrency context, by default one of `multiprocessing`; this is a smaller one. Every page a
child touches while it starts is copied, so what is left out here (log forwarding, a handler for each of 60
signals, reflection on constructors) halves both the time and the memory of a start.
Knows Thespian's contract, nothing of supervision. Invariant: a child never returns into its parent's code.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing.process
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from thespian.system import multiprocCommon
from thespian.system.messages.multiproc import EndpointConnected
from thespian.system.multiprocCommon import MultiProcManager, closeFileNums
from thespian.system.systemCommon import actorStartupFailed
from thespian.system.transport import TransmitIntent

_JOIN_STEP_S = 0.001


class Forked:
    """A forked process as Thespian uses it: `start`, `is_alive`, `join`, `pid`, `exitcode`."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...] = (), name: str = "") -> None:
        self._target = start_child if target is multiprocCommon.startChild else target
        self._args = args
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
        return self.exitcode is None

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, at most `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.is_alive() and (deadline is None or time.monotonic() < deadline):
            time.sleep(_JOIN_STEP_S)


class ForkContext:
    """The concurrency context of `GraceSystemBase`."""

    Process = Forked


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
    """The body of an actor's process, in place of `thespian.system.multiprocCommon.startChild`."""
    closeFileNums(fds_to_close)
    transport = transport_class(endpoint)
    manager = MultiProcManager(
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
    signal.signal(signal.SIGCHLD, manager.signalChildDied)
    hello = TransmitIntent(notify, EndpointConnected(endpoint.addrInst)).addCallback(onFailure=actorStartupFailed)
    transport.scheduleTransmit(None, hello)
    module, _, name = child_class.rpartition(".")
    manager.actorInst = getattr(importlib.import_module(module), name)()
    manager.actorInst._myRef = manager
    manager.run()
