"""The load of Chaos Kong: durable messages from a source to a sink, and the two ledgers that tell what became of them.

It puts the two on stage, measures how fast they really are, and compares their ledgers on the disk. It judges nothing.
Invariants: a span in which the source did not answer is measured with the next one; what the load left on the bus and
the disk can be taken away also by a later life of the runner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from chaos.kong import compare
from grace_actors.actions.action import Result
from grace_actors.drills.dummies.kinds import TOPIC
from grace_actors.drills.dummies.ledger import FILE, read
from grace_actors.drills.host.activities import left_when_over
from grace_actors.drills.host.stage import start_dummy
from grace_actors.kernel import Answer, Context, Data

SOURCE, SINK, BUS = "drill_source", "drill_sink", "message_bus"
ASK_S, AGAIN_S = 2.0, 0.5
REST_S, COMPARE_S = 30.0, 60.0
"""How long what is on its way may take to be acknowledged, and then to be delivered."""
CLEAR_S = 30.0
STILL = 0.1
"""A span with less than this share of the asked rate is one in which the load stood still."""


class Load:
    """The load of one run, at `rate` messages a second. Its topic is its own: what the bus still keeps of another run
    is delivered to nobody."""

    def __init__(self, ctx: Context, rate: int, run: str) -> None:
        self._ctx, self._rate, self.topic = ctx, rate, f"{TOPIC}.{run}"
        self._began: float | None = None
        self._lasted = 0.0
        self._at, self._count = 0.0, 0
        self._was_up = True
        self._still_s = self._up_s = 0.0
        self._up_count = 0
        self._is_left = False

    # ---- on stage -------------------------------------------------------------------------------------------

    def begin(self, then: Callable[[str], None]) -> None:
        """Put it on stage and let it run; `then` is told what is wrong, or nothing."""

        def rated(answer: Answer) -> None:
            self._began = self._at = self._ctx.now()
            then("" if answer.ok else f"{SOURCE}: {(answer.error or {}).get('message')}")

        def sourced(result: Result) -> None:
            if result.ok:
                self._ctx.ask(SOURCE, "rate", {"per_s": self._rate}, rated)
            else:
                then(result.message)

        def sunk(result: Result) -> None:
            if result.ok:
                enter.perform(self._ctx, {"name": SOURCE, "kind": "source", "topic": self.topic}, False, sourced)
            else:
                then(result.message)

        enter = left_when_over(start_dummy, lambda: not self._is_left)
        enter.perform(self._ctx, {"name": SINK, "kind": "sink", "topic": self.topic}, False, sunk)

    def leave(self) -> None:
        """Put nobody on stage any more: what comes after the sweep of the stage would stay on it."""
        self._is_left = True

    def look(self, *, is_up: bool) -> None:
        """Measure how far it is; `is_up`: nothing is down at the moment."""
        before, self._was_up = self._was_up, is_up

        def known(answer: Answer) -> None:
            if not answer.ok or self._began is None or self._lasted:
                return
            now, count = self._ctx.now(), int(answer.value["acknowledged"])
            span, came = now - self._at, count - self._count
            self._at, self._count = now, count
            if came < STILL * self._rate * span:
                self._still_s += span
            if before and is_up:
                self._up_s, self._up_count = self._up_s + span, self._up_count + came

        self._ctx.ask(SOURCE, "figures", {}, known, timeout_s=ASK_S)

    def rest(self, then: Callable[[], None]) -> None:
        """Send nothing new, and wait until what was sent is acknowledged, or for REST_S."""
        if self._began is not None and not self._lasted:
            self._lasted = self._ctx.now() - self._began
        until = self._ctx.now() + REST_S

        def looked(answer: Answer) -> None:
            if (answer.ok and not answer.value["on_way"]) or self._ctx.now() > until:
                then()
            else:
                self._ctx.after(AGAIN_S, ask_rate if not answer.ok else look)

        def look() -> None:
            self._ctx.ask(SOURCE, "figures", {}, looked, timeout_s=ASK_S)

        def rated(answer: Answer) -> None:
            look() if answer.ok else looked(answer)

        def ask_rate() -> None:
            self._ctx.ask(SOURCE, "rate", {"per_s": 0}, rated, timeout_s=ASK_S)

        ask_rate()

    # ---- what became of it ----------------------------------------------------------------------------------

    def compare(self, then: Callable[[Data], None]) -> None:
        """Hold the ledgers on the disk against each other, once nothing is missing or after COMPARE_S."""
        until = self._ctx.now() + COMPARE_S

        def look() -> None:
            session, acknowledged = read(_place(self._ctx.home, SOURCE) / FILE)
            found = compare(acknowledged, read(_place(self._ctx.home, SINK) / f"{FILE}-{session}")[1])
            if found["lost"] and self._ctx.now() < until:
                self._ctx.after(AGAIN_S, look)
            elif not session:  # nothing can be said of what was not written down
                then({"acknowledged": None, "lost": None})
            else:
                then(found | self._rates(int(found["acknowledged"])))

        look()

    def _rates(self, acknowledged: int) -> Data:
        lasted = self._lasted or 1.0
        return {
            "load_asked_per_s": self._rate,
            "load_s": round(self._lasted, 1),
            "load_per_s": round(acknowledged / lasted, 1),
            "load_per_s_while_up": round(self._up_count / self._up_s, 1) if self._up_s else None,
            "load_stood_still_s": round(self._still_s, 1),
        }


def clear_load(ctx: Context, done: Callable[[str], None]) -> None:
    """Take what a load left off the bus and the disk, once its kernels are gone; `done` is told what is wrong, or
    nothing. What could not be taken off is found again the next time."""
    files = [file for name in (SOURCE, SINK) for file in _place(ctx.home, name).glob(f"{FILE}*")]
    if not files:
        done("")
        return
    until = ctx.now() + CLEAR_S
    steps: list[tuple[str, Data]] = [("topics", {})]

    def answered(answer: Answer) -> None:
        if answer.ok:
            if steps.pop(0)[0] == "topics":
                steps.extend(_withdrawals(answer.value["topics"]))
            step()
        elif ctx.now() < until:
            ctx.after(AGAIN_S, step)
        else:
            done(f"the load was not taken off {BUS}: {(answer.error or {}).get('message')}")

    def step() -> None:
        if steps:
            ctx.ask(BUS, steps[0][0], steps[0][1], answered, timeout_s=ASK_S)
            return
        for file in files:
            file.unlink(missing_ok=True)
        done("")

    step()


def _withdrawals(topics: Iterable[Data]) -> Iterator[tuple[str, Data]]:
    """What to ask the bus, so that nothing of a load is kept for anybody."""
    for each in topics:
        if each["durable"] and f"{each['topic']}.".startswith(f"{TOPIC}."):
            yield "unsubscribe", {"topic": each["topic"], "subscriber": SINK}
            yield "declare", {"topic": each["topic"], "durable": False}


def _place(home: Path, name: str) -> Path:
    return home / "data" / name
