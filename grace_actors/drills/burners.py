"""Processes that use up a resource: cores kept busy, memory held.

Each dies with its parent, ends by itself when its time is over, carries the mark of its fault, and is the first that
the operating system kills when memory runs out. Knows the limits of the host; must not know records. Invariant: what is
asked for is within the limits before anything is started.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from grace_actors import lifeline
from grace_actors.drills.marked import MARK
from grace_actors.errors import Refused

CORES_FACTOR = 2
NICE = 5
READY = b"ready\n"
"""What a process says once it does what it is for."""

_BURN = """
import sys, time
end = time.monotonic() + float(sys.argv[1])
print("ready", flush=True)
while time.monotonic() < end:
    sum(range(20000))
"""
_HOLD = """
import sys, time
held = bytearray(int(sys.argv[2]))
held[::4096] = b"\\x01" * len(range(0, len(held), 4096))
print("ready", flush=True)
time.sleep(float(sys.argv[1]))
"""
_ALONE = (sys.executable, "-I", "-S", "-c")
"""Python without site packages: it starts in a few milliseconds."""


def burners(cores: int, seconds: float) -> list[list[str]]:
    """The commands that keep cores busy: one stress-ng where there is one, else one Python for each core. Raises
    Refused."""
    most = CORES_FACTOR * (os.cpu_count() or 1)
    if cores > most:
        raise Refused(f"burn: cores is {cores}", hint=f"from 1 to {most} on this host")
    if stress := shutil.which("stress-ng"):
        return [[stress, "--quiet", "--cpu", str(cores), "--timeout", f"{max(1, round(seconds))}s"]]
    return [[*_ALONE, _BURN, str(seconds)] for _ in range(cores)]


def ballast(mb: int, seconds: float) -> list[list[str]]:
    """The command that holds memory. Raises Refused for more than half of what is available."""
    most = psutil.virtual_memory().available // 2_000_000
    if mb > most:
        raise Refused(f"ballast: mb is {mb}", hint=f"at most {most}, half of the memory that is available now")
    return [[*_ALONE, _HOLD, str(seconds), str(mb * 1_000_000)]]


def says_ready(command: Sequence[str]) -> bool:
    """Whether a command says when it has begun."""
    return command[0] == sys.executable


def start(
    command: Sequence[str],
    id: str,
    *,
    stdin: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    nice: int = NICE,
) -> subprocess.Popen[bytes]:
    """Start a process of a fault, in a group of its own. Raises OSError or subprocess.SubprocessError."""
    parent = os.getpid()

    def before_exec() -> None:
        lifeline.before_exec(parent)
        os.nice(nice)
        Path("/proc/self/oom_score_adj").write_text("1000")

    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=pass_fds,
        env={**os.environ, **(env or {}), MARK: id},
        start_new_session=True,
        preexec_fn=before_exec,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End it with its group, and reap it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)  # not reaped yet: the number is still its own
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
