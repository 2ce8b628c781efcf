"""The children and the clock of a simulation: what the core commands happens here, without processes.

Children do as arranged (fail the next start, ignore signals, stop answering); everything is delivered in one queue and
one heap of timers; nothing is random. Invariant: time moves only by `advance`, or while the supervisor waits in a start
or a stop for a timer.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Any

from supervisors import messages as m
from supervisors.core import Supervisor
from supervisors.messages import Exit, ExitKind, OpKind
from supervisors.scenario import Scenario

SimEvent = tuple[str, ...]
"""What happened to a child: `("start", id)`, `("exit", id, reason)` and so on, as in the conformance traces."""


class World:
    """Children that do as the scenario says, and the clock."""

    def __init__(self, scenario: Scenario) -> None:
        self.core = Supervisor(scenario.spec, strict_otp=scenario.is_otp)
        self.now = 0.0
        self.exit: Exit | None = None
        self.events: list[tuple[float, SimEvent]] = []
        self.reports: list[m.Report] = []
        self.paused: set[str] = set()
        self.replies: dict[int, m.Reply] = {}
        self.arranged = {("fail_starts", child): times for child, times in scenario.fail_starts.items()}
        self.reasons: dict[str, str] = {}
        self.stubborn = set(scenario.stubborn)
        self._alive: dict[str, int] = {}
        self._stalled: dict[str, int] = {}
        self._hung: set[tuple[str, int]] = set()
        self._inbox: deque[m.Event] = deque()
        self._obeying: deque[tuple[str, int]] = deque()
        self._timers: list[tuple[float, int]] = []
        self._cancelled: set[int] = set()
        self._calls = 0

    # ---- the clock and the queue -----------------------------------------------------------------

    def feed(self, event: m.Event) -> None:
        """Tell the core at once and do what it says; what that leads to waits for `settle`."""
        for command in self.core.handle(event, self.now):
            self._perform(command)

    def settle(self) -> None:
        """Go on until nothing moves any more."""
        while True:
            if self._inbox:
                self.feed(self._inbox.popleft())
            elif self._obeying:
                self._obey(*self._obeying.popleft())
            elif not (self.core.is_busy and self._fire_next(None)):
                return

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        self.settle()
        while self._fire_next(until):
            self.settle()
        self.now = max(self.now, until)

    def _fire_next(self, until: float | None) -> bool:
        while self._timers and (until is None or self._timers[0][0] <= until):
            due, token = heapq.heappop(self._timers)
            if token in self._cancelled:
                self._cancelled.discard(token)
                continue
            self.now = max(self.now, due)
            self.feed(m.TimerFired(token))
            return True
        return False

    def call(self, kind: OpKind, child: str | None = None, spec: Any = None) -> m.Reply:
        self._calls += 1
        number = self._calls
        self.feed(m.Call(number, m.Op(kind, child, spec)))
        self.settle()
        return self.replies.pop(number, m.Reply(number, "blocked"))

    # ---- children ----------------------------------------------------------------------------------

    def die(self, child: str, kind: ExitKind, reason: str) -> bool:
        """The child is gone and the notice is on its way; False if it was not running."""
        gen = self._alive.pop(child, None)
        if gen is None:
            return False
        self._log("exit", child, kind.value)
        self._inbox.append(m.ChildExited(child, gen, Exit(kind, reason)))
        return True

    def hang(self, child: str) -> bool:
        gen = self._alive.get(child)
        self._hung.add((child, gen or 0))
        return gen is not None

    def measure(self, child: str, memory_mb: float, queue: int, cpu_percent: float, gauges: dict[str, float]) -> bool:
        gen = self._alive.get(child)
        if gen is not None:
            self.feed(m.ChildMeasured(child, gen, memory_mb, queue, cpu_percent, gauges))
        return gen is not None

    def _log(self, *event: str) -> None:
        self.events.append((self.now, event))

    def _take(self, what: str, child: str) -> bool:
        left = self.arranged.get((what, child), 0)
        if left > 0:
            self.arranged[what, child] = left - 1
        return left > 0

    def _obey(self, child: str, gen: int) -> None:
        if self._alive.get(child) == gen:
            self.die(child, ExitKind.SHUTDOWN, "shutdown")

    # ---- commands ------------------------------------------------------------------------------------

    def _perform(self, command: m.Command) -> None:
        match command:
            case m.StartChild(child, gen):
                self._start(child, gen)
            case m.StopChild(child, gen, how):
                self._stop(child, gen, how)
            case m.SetTimer(token, delay_s):
                heapq.heappush(self._timers, (self.now + delay_s, token))
            case m.CancelTimer(token):
                self._cancelled.add(token)
            case m.Ping(child, gen):
                if (child, gen) not in self._hung:
                    self._inbox.append(m.HeartbeatSeen(child, gen))
            case m.PauseChild(child, _, paused):
                self._log("pause" if paused else "resume", child)
                (self.paused.add if paused else self.paused.discard)(child)
            case m.Reply(id):
                self.replies[id] = command
            case m.Report():
                self.reports.append(command)
            case m.Gone(exit):
                self.exit = exit

    def _start(self, child: str, gen: int) -> None:
        self.paused.discard(child)  # that was the generation before
        if self._take("fail_starts", child):
            self._log("start_failed", child)
            exit = Exit(ExitKind.START_FAILED, self.reasons.get(child, "refused"))
            self._inbox.append(m.ChildExited(child, gen, exit))
        elif self._take("ignore_starts", child):
            self._log("start_ignored", child)
            self._inbox.append(m.ChildIgnored(child, gen))
        elif self._take("stall_starts", child):
            self._log("start_stalled", child)
            self._stalled[child] = gen
        else:
            self._log("start", child)
            self._alive[child] = gen
            self._inbox.append(m.ChildReady(child, gen))

    def _stop(self, child: str, gen: int, how: m.StopHow) -> None:
        if self._stalled.get(child) == gen and how is m.StopHow.KILL:
            del self._stalled[child]
            self._log("start_failed", child)
            self._inbox.append(m.ChildExited(child, gen, Exit(ExitKind.KILLED, "killed")))
        if self._alive.get(child) != gen:
            return
        if how is m.StopHow.KILL:
            self.die(child, ExitKind.KILLED, "killed")
        elif child not in self.stubborn and (child, gen) not in self._hung:
            self._obeying.append((child, gen))
