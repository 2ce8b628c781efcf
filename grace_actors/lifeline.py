"""No orphan survives: parent-death signals and adoption of what was left behind.

Every fork of a Grace process (and what user code forks from it) is killed by the kernel when its parent
dies: a hook that runs in each forked child asks for that. Linux only (prctl).
Invariant: a child whose parent died between fork and request ends itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)
_installed = _armed = False
_parent = 0
_files: tuple[int, int] | None = None


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def arm(parent: int, signum: int = signal.SIGKILL) -> None:
    """Die with `parent`, which must be the parent of this process now; ends at once if it no longer is."""
    _prctl(_PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:
        os._exit(0)


def widen_files() -> None:
    """As many open files as the system allows: a supervisor holds two or three for each child. Commands get back
    what was the limit before (`before_exec`), since some of them use `select`, which ends at 1024."""
    global _files
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _files = (soft, hard)
    with contextlib.suppress(ValueError, OSError):  # forbidden: the limit stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def before_exec(parent: int) -> None:
    """In a fork that is about to become a command: die with `parent`, and start with default signals (those
    an actor ignores would stay ignored) and the operator's limit of open files."""
    if _files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, _files)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    arm(parent)


def disarm() -> None:
    """Forks of this process are not bound to it (used for the throw-away middle of a double fork)."""
    global _armed
    _armed = False
    _prctl(_PR_SET_PDEATHSIG, 0)


def rearm() -> None:
    """Forks of this process are bound to it again."""
    global _armed
    _armed = True


def outlive_parent() -> None:
    """This process stays when its parent dies."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Orphans below this process become its children instead of init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def install() -> None:
    """Bind every later fork of this process, and of its forks, to its parent's life."""
    global _armed, _installed
    _armed = True
    if not _installed:
        _installed = True
        os.register_at_fork(before=_remember, after_in_child=_bind)


def _remember() -> None:
    global _parent
    _parent = os.getpid()


def _bind() -> None:
    if _armed:
        arm(_parent)


def end_orphans(keep: set[int]) -> None:
    """Kill the children of this process that are not in `keep`: adopted orphans whose supervisor is gone."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    for pid in map(int, children.split()):
        if pid not in keep:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
