"""An ordinary OS process as a child: started in its own group, watched, its output kept line by line.

One small actor stands for one command: it is what the supervisor starts, stops and sees dying. It ends
when the command ends, with the command's own reason. Invariant: when this actor is gone, so is the whole
process group (by this actor, by the parent-death signal, or by the supervisor that knows the group).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Any

import psutil

from grace_actors import lifeline, wire
from grace_actors.actor import Actor
from grace_actors.errors import NotFound, Refused
from grace_actors.home import Home
from grace_actors.last_output import LastOutput
from grace_actors.line_log import LineLog
from grace_actors.notify import Probe, probe_for
from supervisors.messages import Exit, ExitKind
from supervisors.spec import ProcessStart

POLL_S = 0.05
MAX_LINE_BYTES = 16_384
LEFTOVER_PASSES = 2
READ_BYTES = 65_536
LAST_READS = 64
"""What a pipe may still hold when its writers are dead: 1 MiB at most, unless one of them could not be killed."""


class ProcessActor(Actor):
    """Runs one command."""

    def begin(self) -> None:
        self.start: ProcessStart = self.birth.start
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._is_up = False
        self._line = b""
        self._output = LastOutput()
        home = Home(self.birth.home)
        self._probe: Probe = probe_for(self.start.ready, home.control_socket.parent, self.name)
        self._log = LineLog(home.log_file(self.name), self.start.log_max_bytes, self.start.log_keep)
        self._spawn()
        self._poll()

    # ---- the command --------------------------------------------------------------------------------

    def _spawn(self) -> None:
        lifeline.adopt_orphans()  # what the command leaves behind is ours to end
        parent = os.getpid()
        self._out, out = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(out, True)
        signal.signal(signal.SIGTERM, self._die_with_group)
        env = {**os.environ, "GRACE_ACTOR": self.name, **self._probe.env(), **self.start.env}
        try:
            process = self._process = subprocess.Popen(
                self.start.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.start.cwd,
                env=env,
                start_new_session=True,
                preexec_fn=lambda: lifeline.before_exec(parent),
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._probe.close()
            self.leave(Exit(ExitKind.START_FAILED, f"{type(error).__name__}: {error}", str(self.start.command)))
        finally:
            os.close(out)
        lifeline.arm(os.getppid(), signal.SIGTERM)  # our own end must take the group along
        self.send(self.parent, wire.Spawned(self.name, self.gen, process.pid))
        self.watch(self._out, self._readable)
        self._pidfd = os.pidfd_open(process.pid)
        self.watch(self._pidfd, lambda: self._exited(process))

    def _die_with_group(self, signum: int, frame: Any) -> None:
        self._kill_group()
        self._end_leftovers()
        os._exit(128 + signum)

    def _kill_group(self, signum: int = signal.SIGKILL) -> None:
        if self._process is None:  # SIGTERM came before the command existed
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signum)

    def _poll(self) -> None:
        if self._is_up or self._stopping:
            return
        if self._probe.poll():
            self._is_up = True
            self.is_ready()
            return
        self.after(POLL_S, self._poll)

    def shown_pid(self) -> int:
        return self._process.pid if self._process is not None else os.getpid()

    # ---- output -------------------------------------------------------------------------------------

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """Take what the command wrote; False when nothing is there now or ever again."""
        try:
            data = os.read(self._out, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.unwatch(self._out)
            return False
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._write(line)
        while len(self._line) > MAX_LINE_BYTES:
            self._write(self._line[:MAX_LINE_BYTES])
            self._line = self._line[MAX_LINE_BYTES:]
        return True

    def _write(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self._output.take(text)
        self._probe.line(text)
        self._log.write(text)

    # ---- the end ------------------------------------------------------------------------------------

    def _exited(self, process: subprocess.Popen[bytes]) -> None:
        """The command ended: first whoever could still write, then what is left to read."""
        returncode = process.poll()
        if returncode is None:
            return
        self._kill_group()
        self._end_leftovers()
        for _ in range(LAST_READS):
            if not self._read():
                break
        if self._line:
            self._write(self._line)
        self._probe.close()
        self._log.close()
        self.leave(self._reason(returncode))

    def _end_leftovers(self) -> None:
        """Processes of the command that left its group are our children now (we adopt orphans). A second
        pass finds what was forked during the first."""
        for _ in range(LEFTOVER_PASSES):
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()

    def _reason(self, returncode: int) -> Exit:
        if self._stopping:
            return Exit(ExitKind.SHUTDOWN, "shutdown", f"ended with status {returncode}")
        if returncode < 0:
            return Exit(ExitKind.KILLED, signal.Signals(-returncode).name, self._output.text())
        if returncode == 0 and self._is_up:
            return Exit(ExitKind.NORMAL, "normal", self._output.last)
        return Exit(ExitKind.CRASH, f"exit {returncode}", self._output.text())

    def on_stop(self, reason: str) -> None:
        self._stopping = True
        self._kill_group(signal.Signals[self.start.stop_signal])
        self._kill_group(signal.SIGCONT)

    # ---- requests -----------------------------------------------------------------------------------

    def handle_ask(self, ask: wire.Ask, sender: Any) -> Any:
        match ask.verb:
            case "ping":
                return {"pong": True}
            case "ready":
                return {"checks": [{"name": "process", "ok": self._is_up, "detail": self._output.last}]}
            case "inspect":
                return {"checks": [], "metrics": {}, "does": self.pulse().does}
            case "pause":
                return self._kill_group(signal.SIGSTOP)
            case "resume":
                return self._kill_group(signal.SIGCONT)
            case "inject":
                raise Refused(
                    f"{ask.args.get('fault')} works on kernels; {self.name} is an OS process",
                    hint="kill, term or hang it",
                )
        raise NotFound(f"{self.name} is an OS process and has no verb {ask.verb!r}")

    def pulse(self) -> wire.Pulse:
        used = 0.0
        with contextlib.suppress(psutil.Error):
            used = psutil.Process(self.shown_pid()).memory_info().rss / 1e6
        return wire.Pulse(self.name, self.gen, self._output.last or "runs", 0, used)
