"""Drives a supervision core command by command, with children that behave unless told otherwise.

Unlike the simulator it shows each command: `log` holds short lines such as `start a`, `orderly a`, `kill a`.
Children named in `slow` do not become ready, those in `stubborn` do not obey, until the test says so.
Invariant: time moves only in `advance`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from supervisors import POLICIES, ChildSpec, Policy, Strategy, Supervisor, SupervisorSpec
from supervisors import messages as m
from supervisors.messages import Exit, ExitKind, Op, OpKind


def child(id: str, **fields: Any) -> ChildSpec:
    return ChildSpec(id=id, start="test", **fields)


def children(ids: str, **fields: Any) -> tuple[ChildSpec, ...]:
    """One child for each letter."""
    return tuple(child(id, **fields) for id in ids)


class Driver:
    """A supervisor with its world. The constructor starts it unless `start=False`."""

    def __init__(
        self,
        specs: tuple[ChildSpec, ...] | str = "",
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        *,
        start: bool = True,
        rng: Callable[[], float] = lambda: 0.0,
        strict_otp: bool = False,
        slow: str = "",
        fails: dict[str, int] | None = None,
        known: dict[str, type[Policy]] | None = None,
        **flags: Any,
    ) -> None:
        specs = children(specs) if isinstance(specs, str) else specs
        flags.setdefault("intensity", 100)
        self.spec = SupervisorSpec(name="top", strategy=strategy, children=specs, **flags)
        self.core = Supervisor(self.spec, rng=rng, strict_otp=strict_otp, policies=known or POLICIES)
        self.now = 100.0
        self.log: list[str] = []
        self.commands: list[m.Command] = []
        self.reports: list[m.Report] = []
        self.timers: dict[int, float] = {}
        self.alive: dict[str, int] = {}
        self.slow = set(slow)
        self.stubborn: set[str] = set()
        self.fails = dict(fails or {})
        self.ignores: dict[str, int] = {}
        self.why = "refused"
        self.replies: dict[int, m.Reply] = {}
        self.exit: Exit | None = None
        self.inbox: deque[m.Event] = deque()
        self._calls = 0
        if start:
            self.do(m.Start())

    # ---- events -----------------------------------------------------------------------------------

    def do(self, *events: m.Event) -> None:
        """Deliver these in one go, then let the world answer until nothing moves."""
        for event in events:
            self._handle(event)
        while self.inbox:
            self._handle(self.inbox.popleft())

    def _handle(self, event: m.Event) -> None:
        for command in self.core.handle(event, self.now):
            self.commands.append(command)
            self._perform(command)

    def end(self, id: str, kind: ExitKind = ExitKind.CRASH, reason: str = "boom") -> m.ChildExited:
        """The child is dead now; the notice is returned, not delivered."""
        return m.ChildExited(id, self.alive.pop(id), Exit(kind, reason))

    def crash(self, *ids: str, reason: str = "boom") -> None:
        """They die in this order before the supervisor hears of any."""
        self.do(*[self.end(id, reason=reason) for id in ids])

    def leave(self, id: str, kind: ExitKind = ExitKind.NORMAL, reason: str = "") -> None:
        self.do(self.end(id, kind, reason))

    def ready(self, id: str, info: Any = None) -> None:
        """A slow child becomes ready."""
        self.do(m.ChildReady(id, self.alive[id], info))

    def post(self, kind: OpKind, child: str | None = None, spec: Any = None, **fields: str) -> int:
        """A call whose answer may come later: `replies[number]`."""
        self._calls += 1
        self.do(m.Call(self._calls, Op(kind, child, spec, **fields)))
        return self._calls

    def call(self, kind: OpKind, child: str | None = None, spec: Any = None, **fields: str) -> str:
        return self.reply(kind, child, spec, **fields).result

    def reply(self, kind: OpKind, child: str | None = None, spec: Any = None, **fields: str) -> m.Reply:
        return self.replies[self.post(kind, child, spec, **fields)]

    def stop(self, **exit: Any) -> None:
        self.do(m.StopRequested(Exit(**exit)) if exit else m.StopRequested())

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self.timers and min(self.timers.values()) <= until + 1e-9:
            token = min(self.timers, key=lambda t: (self.timers[t], t))
            self.now = max(self.now, self.timers.pop(token))
            self.do(m.TimerFired(token))
        self.now = until

    # ---- the world ----------------------------------------------------------------------------------

    def _perform(self, command: m.Command) -> None:
        match command:
            case m.StartChild(id, gen):
                self.log.append(f"start {id}")
                assert id not in self.alive, f"{id} is started while an incarnation lives"
                self._start(id, gen)
            case m.StopChild(id, gen, how):
                self.log.append(f"{how.value} {id}")
                if self.alive.get(id) == gen and (how is m.StopHow.KILL or id not in self.stubborn):
                    kind = ExitKind.KILLED if how is m.StopHow.KILL else ExitKind.SHUTDOWN
                    self.inbox.append(self.end(id, kind, kind.value))
            case m.Ping(id, gen):
                self.log.append(f"ping {id}")
                if id not in self.stubborn:
                    self.inbox.append(m.HeartbeatSeen(id, gen))
            case m.SetTimer(token, delay_s):
                self.timers[token] = self.now + delay_s
            case m.CancelTimer(token):
                del self.timers[token]
            case m.Reply(id=number):
                assert number not in self.replies, f"call {number} is answered twice"
                self.replies[number] = command
            case m.Report():
                self.reports.append(command)
            case m.Started():
                self.log.append("started")
            case m.Gone(exit):
                self.log.append("gone")
                self.exit = exit

    def _start(self, id: str, gen: int) -> None:
        if self.fails.get(id, 0) > 0:
            self.fails[id] -= 1
            self.inbox.append(m.ChildExited(id, gen, Exit(ExitKind.START_FAILED, self.why)))
        elif self.ignores.get(id, 0) > 0:
            self.ignores[id] -= 1
            self.inbox.append(m.ChildIgnored(id, gen))
        else:
            self.alive[id] = gen
            if id not in self.slow:
                self.inbox.append(m.ChildReady(id, gen))

    # ---- what the test looks at -----------------------------------------------------------------------

    def said(self) -> list[str]:
        """The log since the last call."""
        log, self.log = self.log, []
        return log

    def states(self) -> dict[str, str]:
        return {view.id: view.state.value for view in self.core.view()}

    def state(self, id: str) -> str:
        return self.states()[id]

    def gen(self, id: str) -> int:
        view = self.core.child(id)
        assert view is not None
        return view.gen

    def counts(self) -> list[int]:
        value: list[int] = self.reply(OpKind.COUNT_CHILDREN).value
        return value

    def told(self, type: str) -> list[m.Report]:
        return [report for report in self.reports if report.type == type]
