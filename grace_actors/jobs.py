"""OS commands run for a kernel without blocking its mailbox: `ctx.run`.

Started in a process group of their own, read through watched pipes, killed as a group at the timeout.
Knows processes and descriptors, nothing of kernels. Invariant: `on_done` is called exactly once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from grace_actors import lifeline
from grace_actors.kernel import Completed, Timer

LAST_READS = 64
"""Reads of 64 KiB after the end of a command: more than a pipe may hold."""


class Host(Protocol):
    """What a job needs of the actor that runs it."""

    def after(self, delay_s: float, call: Callable[[], None]) -> Timer: ...
    def watch(self, fd: int, on_readable: Callable[[], None]) -> None: ...
    def unwatch(self, fd: int) -> None: ...


class Job:
    """One running command."""

    def __init__(self, host: Host, on_done: Callable[[Completed], None], max_output_bytes: int) -> None:
        self._host, self._on_done, self._max = host, on_done, max_output_bytes
        self._chunks: dict[int, bytearray] = {}
        self._timed_out = False
        self._pidfd = -1
        self._timer: Timer | None = None

    def start(
        self,
        argv: Sequence[str],
        *,
        input: bytes,
        cwd: Path | None,
        env: Mapping[str, str] | None,
        timeout_s: float,
        preexec: Callable[[], None] | None,
    ) -> None:
        parent = os.getpid()

        def before_exec() -> None:
            lifeline.before_exec(parent)
            if preexec is not None:
                preexec()

        stdin = _as_file(input)
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=env,
                start_new_session=True,
                preexec_fn=before_exec,
            )
        except (OSError, subprocess.SubprocessError) as error:
            message = str(error)
            self._host.after(
                0.0, lambda: self._on_done(Completed(returncode=None, stdout=b"", stderr=b"", error=message))
            )
            return
        finally:
            os.close(stdin)
        self._listen(timeout_s)

    def _listen(self, timeout_s: float) -> None:
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._chunks[pipe.fileno()] = bytearray()
            self._watch_pipe(pipe.fileno())
        self._pidfd = os.pidfd_open(self._process.pid)
        self._host.watch(self._pidfd, self._exited)
        self._timer = self._host.after(timeout_s, self._too_late)

    def _watch_pipe(self, fd: int) -> None:
        self._host.watch(fd, lambda: self._read(fd))

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        if not data:
            self._host.unwatch(fd)
        kept = self._chunks[fd]
        kept += data[: max(0, self._max - len(kept))]

    def _too_late(self) -> None:
        self._timed_out = True
        self.kill()

    def kill(self) -> None:
        """End the whole process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _exited(self) -> None:
        if self._process.poll() is None:  # a late notice of an earlier job's descriptor with the same number
            return
        self.kill()  # what it left behind in its group
        returncode = self._process.wait()
        self._host.unwatch(self._pidfd)
        os.close(self._pidfd)
        if self._timer is not None:
            self._timer.cancel()
        outputs = []
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            self._drain(pipe.fileno())
            outputs.append(bytes(self._chunks[pipe.fileno()]))
            self._host.unwatch(pipe.fileno())
            pipe.close()
        self._on_done(Completed(returncode=returncode, stdout=outputs[0], stderr=outputs[1], timed_out=self._timed_out))

    def _drain(self, fd: int) -> None:
        """What is left in the pipe; bounded, for a writer that left the group may still be alive."""
        kept = self._chunks[fd]
        with contextlib.suppress(BlockingIOError):
            for _ in range(LAST_READS):
                data = os.read(fd, 65536)
                if not data:
                    return
                kept += data[: max(0, self._max - len(kept))]


def _as_file(data: bytes) -> int:
    """A descriptor to read `data` from: no pipe to feed, so no deadlock."""
    if not data:
        return os.open(os.devnull, os.O_RDONLY)
    fd = os.memfd_create("grace-input")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
