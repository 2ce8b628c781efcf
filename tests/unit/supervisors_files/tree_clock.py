"""A whole tree under a virtual clock: one supervision core a supervisor, made-up processes for the rest.

Starting takes `start_s`, dying is noticed after `notice_s`; both are drawn by the test's own random numbers.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from supervisors import messages as m
from supervisors.core import Supervisor
from supervisors.spec import ChildSpec, SupervisorSpec


@dataclass
class Life:
    """One incarnation of a child; `core` and `below` for a supervisor."""

    name: str
    gen: int
    spec: SupervisorSpec | ChildSpec
    parent: Life | None
    is_ready: bool = False
    is_alive: bool = True
    core: Supervisor | None = None
    below: dict[str, Life] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)


class TreeClock:
    """Boots the tree at once; `now` moves with `advance`."""

    def __init__(self, spec: SupervisorSpec, seed: int, start_s: tuple[float, float] = (0.02, 0.3)) -> None:
        self.random = random.Random(seed)
        self.start_s = start_s
        self.now = 0.0
        self.root_exit: m.Exit | None = None
        self.events: list[tuple[float, str, str]] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self.root = Life(spec.name, 1, spec, None)
        self._boot(self.root, spec)

    def alive(self) -> list[Life]:
        """Every living incarnation, the root first."""
        found, queue = [], [self.root]
        while queue:
            life = queue.pop()
            if life.is_alive:
                found.append(life)
                queue += life.below.values()
        return found

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, call = heapq.heappop(self._due)
            call()
        self.now = end

    def kill(self, life: Life) -> None:
        """SIGKILL: everything below dies with it; its supervisor hears of it a little later."""
        self._end(life, m.Exit(m.ExitKind.KILLED, "SIGKILL"))

    def _after(self, delay_s: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + delay_s, next(self._number), call))

    def _boot(self, life: Life, spec: SupervisorSpec) -> None:
        life.core = Supervisor(spec, rng=self.random.random)
        self._feed(life, m.Start())

    def _feed(self, life: Life, event: m.Event) -> None:
        if life.is_alive and life.core is not None:
            for command in life.core.handle(event, self.now):
                self._perform(life, command)

    def _perform(self, life: Life, command: m.Command) -> None:
        match command:
            case m.StartChild(child, gen, spec):
                self._start(life, child, gen, spec)
            case m.StopChild(child, gen, how):
                self._stop(life.below[child], how)
            case m.Ping(child, gen):
                if child in life.below and life.below[child].gen == gen:
                    self._after(0.001, lambda: self._feed(life, m.HeartbeatSeen(child, gen)))
            case m.SetTimer(token, delay_s):
                self._after(delay_s, lambda: token in life.cancelled or self._feed(life, m.TimerFired(token)))
            case m.CancelTimer(token):
                life.cancelled.add(token)
            case m.Report(type, subject):
                self.events.append((self.now, type, subject))
            case m.Started():
                self._ready(life)
            case m.Gone(exit):
                self._end(life, exit)

    def _start(self, parent: Life, child: str, gen: int, spec: ChildSpec) -> None:
        life = parent.below[child] = Life(child, gen, spec, parent)
        if isinstance(spec.start, SupervisorSpec):
            below = spec.start
            self._after(0.01, lambda: life.is_alive and self._boot(life, below))
        else:
            self._after(self.random.uniform(*self.start_s), lambda: self._ready(life))

    def _ready(self, life: Life) -> None:
        life.is_ready = life.is_alive
        if life.is_alive and life.parent is not None:
            self._feed(life.parent, m.ChildReady(life.name, life.gen))

    def _stop(self, life: Life, how: m.StopHow) -> None:
        if not life.is_alive:
            return
        if life.core is not None and how is m.StopHow.ORDERLY:
            self._after(0.001, lambda: self._feed(life, m.StopRequested()))
        else:
            self._after(0.005, lambda: self._end(life, m.Exit(m.ExitKind.SHUTDOWN, "shutdown")))

    def _end(self, life: Life, exit: m.Exit) -> None:
        if not life.is_alive:
            return
        life.is_alive = False
        for below in life.below.values():
            self._end(below, exit)
        if life.parent is None:
            self.root_exit = exit
            return
        parent = life.parent
        self._after(
            self.random.uniform(0.001, 0.01), lambda: self._feed(parent, m.ChildExited(life.name, life.gen, exit))
        )
