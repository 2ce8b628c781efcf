"""Work in a process of its own, none of whose offspring is left over, whatever ends it.

Thespian's TCP and UDP bases make daemons of their admins: out of reach of their starter's group, session and
parent-death signal. So between the caller and the work stands the keeper, to whom orphans below it come back. It
waits for the end of the work, the end of the caller, an interrupt, or the end of the time; then it kills all there is.
Invariant: when `kept` returns or raises, the work, what it forked and its directory are gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import psutil

from grace_actors import lifeline

Work = Callable[[Path], dict[str, Any]]

_ENDINGS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_OUT_OF_TIME, _FAILED = 3, 4


def kept(work: Work, limit_s: float) -> dict[str, Any]:
    """What `work` returns, which gets an empty directory (mode 0700, short path). RuntimeError when it failed or took
    longer than `limit_s`."""
    answer = os.memfd_create("answer")  # not a pipe: whoever inherits it cannot keep us waiting
    caller = os.getpid()
    directory = tempfile.mkdtemp(prefix="g-", dir="/tmp")
    try:
        keeper = os.fork()
        if keeper == 0:
            _end_with(lambda: _keep(work, directory, answer, caller, limit_s))
        status = _end_of(keeper)
        if status == _OUT_OF_TIME:
            raise RuntimeError(f"not done within {limit_s:g} s")
        if status != 0:
            raise RuntimeError(f"the measuring process failed, status {status}")
        os.lseek(answer, 0, os.SEEK_SET)
        with os.fdopen(os.dup(answer)) as file:
            result: dict[str, Any] = json.load(file)
        return result
    finally:
        os.close(answer)
        shutil.rmtree(directory, ignore_errors=True)


def _end_of(keeper: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1])
    except BaseException:  # Ctrl-C: the keeper ends everything, then we go on with it
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGTERM)
        os.waitpid(keeper, 0)
        raise


def _keep(work: Work, directory: str, answer: int, caller: int, limit_s: float) -> int:
    """The keeper's whole life; returns its exit status."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    lifeline.disarm()  # a keeper killed with its parent could not clean up, daemons could not be forked
    lifeline.arm(caller, signal.SIGTERM)
    lifeline.adopt_orphans()
    keeper = os.getpid()
    worker = os.fork()
    if worker == 0:
        _end_with(lambda: _work(work, directory, answer, keeper))
    status = _wait(worker, time.monotonic() + limit_s)
    _sweep()
    shutil.rmtree(directory, ignore_errors=True)
    return status


def _wait(worker: int, deadline: float) -> int:
    while (left := deadline - time.monotonic()) > 0:
        found = signal.sigtimedwait(_ENDINGS, left)
        if found is None:
            break
        if found.si_signo != signal.SIGCHLD:
            return _FAILED
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            return _FAILED if status else 0
    return _OUT_OF_TIME


def _sweep() -> None:
    """Kill what is below this process until nothing is; what loses its parent on the way comes back to us."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            os.waitpid(-1, 0)


def _end_with(life: Callable[[], int]) -> NoReturn:
    """Nothing of a fork returns into its parent's code."""
    try:
        os._exit(life())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(_FAILED)


def _work(work: Work, directory: str, answer: int, keeper: int) -> int:
    lifeline.install()
    lifeline.disarm()  # daemons are forked twice: bound to their parents they would end at once
    lifeline.arm(keeper)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keeper hears it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
    os.environ["THESPLOG_FILE"] = f"{directory}/thespian.log"  # Thespian's own log would be one for the whole machine
    os.write(answer, json.dumps(work(Path(directory))).encode())
    return 0
