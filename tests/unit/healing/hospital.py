"""A ward in which messages of self_healing are delivered one by one, and in which it can die between any two things it
does: before and after each write, at each message, event and timer. Others can be away, the disk can refuse.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from grace_actors.errors import StoreFailed
from grace_actors.kernel import Answer, Data, Kernel
from grace_actors.kernels.self_healing import SelfHealing
from tests.harness.kernels import Bench, BenchContext
from tests.unit.healing.ward import Ward
from tests.unit.kernels_mind.stubs import Status

HEALER = "self_healing"


class Killed(BaseException):
    """self_healing is gone, wherever it was."""


class FragileContext(BenchContext):
    """Every call burns the fuse."""

    def tell(self, *args: Any) -> None:
        cast(SlowBench, self.bench).burn()
        super().tell(*args)

    def ask(self, *args: Any, **more: Any) -> None:
        cast(SlowBench, self.bench).burn()
        super().ask(*args, **more)

    def emit(self, *args: Any) -> None:
        cast(SlowBench, self.bench).burn()
        super().emit(*args)

    def after(self, *args: Any) -> Any:
        cast(SlowBench, self.bench).burn()
        return super().after(*args)


class SlowBench(Bench):
    """What goes to and from self_healing waits in `mail` until `pump`. `fuse`: how many things it does yet."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.mail: deque[Callable[[], None]] = deque()
        self.fuse = -1
        self.deaths = 0
        self.disk_refuses = False
        self._owners: dict[int, str] = {}

    def burn(self) -> None:
        if self.fuse >= 0:
            self.fuse -= 1
            if self.fuse < 0:
                raise Killed

    def add_healer(self) -> None:
        data = self.home / "data" / HEALER
        data.mkdir(parents=True, exist_ok=True)
        kernel = SelfHealing(FragileContext(self, HEALER, self.home, data, {}))
        kernel.setup()
        self._wrap(kernel)
        self.kernels[HEALER] = kernel

    def _wrap(self, kernel: SelfHealing) -> None:
        write = kernel.store.write

        @contextlib.contextmanager
        def fragile() -> Iterator[Any]:
            self.burn()
            if self.disk_refuses:
                raise StoreFailed("the disk is full")
            with write() as db:
                yield db
            self.burn()

        kernel.store.write = fragile  # type: ignore[method-assign]

    def guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Killed:
            self.kill()

    def kill(self) -> None:
        """It dies; what was on its way to it is lost, what it sent is not."""
        self.deaths += 1
        self.fuse = -1
        kernel = cast(SelfHealing, self.kernels[HEALER])
        self._waiting = {number: call for number, call in self._waiting.items() if self._owners.get(number) != HEALER}
        self.crash(HEALER)
        kernel.store.close()
        self.on_death()
        self.add_healer()

    def on_death(self) -> None:
        """What else is lost with it."""

    def at(self, delay_s: float, call: Callable[[], None], owner: str) -> Any:
        return super().at(delay_s, (lambda: self.guarded(call)) if owner == HEALER else call, owner)

    def post(self, sender: str, to: str, verb: str, args: Data | None, on_answer: Any) -> int:
        if sender == "test" or HEALER not in (sender, to):
            return super().post(sender, to, verb, args, on_answer)
        number = next(self._ids)
        if on_answer is not None:
            self._waiting[number], self._owners[number] = on_answer, sender

        def deliver() -> None:
            super(SlowBench, self).post(sender, to, verb, args, lambda answer: self.answer(number, answer))

        self.mail.append(deliver)
        return number

    def answer(self, number: int, answer: Answer) -> None:
        if self._owners.get(number) != HEALER:
            super().answer(number, answer)
            return
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            self.mail.append(lambda: self._bring(number, waiting, answer))

    def _bring(self, number: int, waiting: Callable[[Answer], None], answer: Answer) -> None:
        if self._owners.pop(number, None) == HEALER:
            waiting(answer)

    def crash(self, name: str) -> None:
        super().crash(name)
        self._owners = {number: owner for number, owner in self._owners.items() if owner != name}

    def pump(self, most: int = 100_000) -> None:
        """Deliver, the oldest first."""
        while self.mail and most > 0:
            most -= 1
            self.guarded(self.mail.popleft())

    def advance(self, seconds: float) -> None:
        """In small steps, with what the timers lead to."""
        end = self.clock + seconds
        self.pump()
        while self._due and self._due[0][0] <= end:
            super().advance(max(0.0, self._due[0][0] - self.clock))
            self.pump()
        super().advance(end - self.clock)


class Hospital(Ward):
    """A ward with a slow bench. `sick` kernels fail again when they are started."""

    def __init__(self, home: Path, monkeypatch: Any) -> None:
        super().__init__(home, monkeypatch)
        # It would look for mistakes in the whole source each time, which is most of the time these tests take.
        monkeypatch.setattr("grace_actors.kernels.coding_agent.CodingAgent._scan_if_due", lambda self: None)
        self.bench: SlowBench = SlowBench(home)
        self.bench.on_death = self.world.open.clear  # type: ignore[method-assign]
        self.sick: set[str] = set()
        self.away: dict[str, Kernel] = {}

    def up(self) -> Hospital:
        add = self.bench.add
        self.bench.add = lambda name, cls, **config: None if cls is SelfHealing else add(name, cls, **config)  # type: ignore
        super().up()
        del self.bench.add  # type: ignore[method-assign]
        self.bench.add_healer()
        self.bench.advance(0.0)
        return self

    @property
    def status(self) -> Status:
        return cast(Status, self.away.get("status") or self.bench.kernels["status"])

    def leave(self, name: str) -> None:
        if name in self.bench.kernels:
            self.away[name] = self.bench.kernels.pop(name)

    def come_back(self, name: str) -> None:
        if name in self.away:
            self.bench.kernels[name] = self.away.pop(name)

    def _call(self, request: Any) -> dict[str, Any]:
        name = request.args.get("child")
        if request.args["op"] in ("reset", "restart_child") and name in self.sick:
            self.fail(name, number=3)
            self.hold(name, cause="the same failure 2 times in 60 s")
            return {"result": "ok"}
        return super()._call(request)

    def whole_of(self, id: str) -> dict[str, Any]:
        """The incident as `incident` shows it, whose answer comes later."""
        got: list[Any] = []
        self.bench.post("test", HEALER, "incident", {"id": id}, got.append)
        self.bench.pump()
        return cast(dict[str, Any], got[0].value)
