"""Kernels on which faults of messages and of a process show: one notes what it is told, one tells it."""

from __future__ import annotations

import errno
import os
import shutil
import time

from grace_actors.errors import NotFound
from grace_actors.kernel import Data, Kernel, Request


class Notes(Kernel):
    """Notes numbers in the order they come, and says what its process may do."""

    def setup(self) -> None:
        self.noted: list[int] = []

    def do_note(self, request: Request) -> int:
        self.noted.append(request.args["n"])
        return len(self.noted)

    def do_noted(self, request: Request) -> Data:
        """What was noted since it was asked last."""
        noted, self.noted = self.noted, []
        return {"noted": noted}

    def do_can(self, request: Request) -> Data:
        """How many files it may open, how far one may grow, what it finds, how wrong its clock is."""
        return {
            "open": self._open(request.args.get("open", 0)),
            "write_mb": self._write(request.args.get("write_mb", 0)),
            "which": shutil.which("tool"),
            "clock_off_s": round(self.ctx.wall() - time.time()),
        }

    def _open(self, most: int) -> int:
        files = []
        try:
            while len(files) < most:
                files.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
        for file in files:
            os.close(file)
        return len(files)

    def _write(self, mb: int) -> int:
        path = self.ctx.data / "big"
        try:
            path.write_bytes(bytes(mb * 1_000_000))
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
        return path.stat().st_size // 1_000_000


class Breaker(Kernel):
    """Stands where faults are asked for that no supervisor can cause. It keeps no records, so what lasts in an actor
    is asked of the supervisor."""

    def do_inject(self, request: Request) -> Data:
        if request.args["target"] != "host":
            raise NotFound("no records are kept here", hint="ask the supervisor")
        return {"asked": request.args}


class Teller(Kernel):
    """Tells another kernel numbers, in order, and waits for nothing."""

    def do_tell(self, request: Request) -> None:
        for n in range(request.args["count"]):
            self.ctx.tell("notes", "note", {"n": n, "topic": "even" if n % 2 == 0 else "odd"})
