"""Runs the commands of snapshot hygiene for a kernel: one at a time, the others wait their turn.

Starts processes through the kernel's context; must not know what an order means. Invariant: every order is answered
once, also when its command dies.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator

from grace_actors.errors import GraceError, NotFound, Refused, StoreFailed, WorldFailed
from grace_actors.kernel import Completed, Context, Data
from grace_actors.programs import command_of, last_line

MODULE = "grace_actors.hygiene"
WORK_S = 1800.0
MOST_WAITING = 20
MOST_ANSWER_BYTES = 16_000_000
_ERRORS = {kind.code: kind for kind in (Refused, NotFound, WorldFailed, StoreFailed)}

Done = Callable[[Data | GraceError, Data], None]
"""Takes the answer, and what was told in any case: an order that failed may have done something before."""


class Commands:
    """The queue of one kernel. `begins` is called with each order that starts."""

    def __init__(self, ctx: Context, begins: Callable[[Data], None]) -> None:
        self._ctx, self._begins = ctx, begins
        self._running: Data | None = None
        self._waiting: deque[tuple[Data, Done]] = deque()

    def orders(self) -> Iterator[Data]:
        """What runs and what waits."""
        if self._running is not None:
            yield self._running
        yield from (order for order, _ in self._waiting)

    def order(self, order: Data, done: Done) -> None:
        """Run a command now, or when those before it are done. Raises Refused when too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            raise Refused(f"{MOST_WAITING} requests about snapshot sets wait already", hint="try again later")
        self._waiting.append((order, done))
        self._next()

    def _next(self) -> None:
        if self._running is not None or not self._waiting:
            return
        order, done = self._waiting.popleft()
        self._running = order
        self._begins(order)
        argv, env = command_of(MODULE)

        def ended(completed: Completed) -> None:
            self._running = None
            try:
                done(*_read(completed))
            finally:
                self._next()

        text = json.dumps({**order, "home": str(self._ctx.home), "wall": self._ctx.wall()}).encode()
        self._ctx.run(argv, ended, input=text, env=env, timeout_s=WORK_S, max_output_bytes=MOST_ANSWER_BYTES)


def _read(completed: Completed) -> tuple[Data | GraceError, Data]:
    """What a command answered, and what it told even if it failed."""
    if completed.timed_out:
        return WorldFailed(f"the work on snapshot sets took more than {WORK_S:g} s", hint="look at the disk"), {}
    try:
        answer = json.loads(completed.stdout) if completed.returncode == 0 else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        said = completed.error or last_line(completed) or f"it ended with the status {completed.returncode}"
        return WorldFailed(f"the work on snapshot sets failed: {said}", hint="see the log of this kernel"), {}
    if answer["ok"]:
        return answer["value"], answer["value"]
    return _ERRORS.get(answer["code"], WorldFailed)(answer["message"], hint=answer["hint"]), answer["value"]
