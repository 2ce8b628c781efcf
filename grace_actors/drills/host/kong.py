"""Hosts Chaos Kong: has the blasts of its plan carried out while a load runs, waits until all is whole, has it judged.

What is broken when, and what counts as having survived it, is decided in `chaos.kong`. Invariant: every fault it
injected is taken back before it is judged, also when it is halted; it always ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import psutil

from chaos.kong import PATIENCE_S, judge, plan
from grace_actors.actions.action import Result
from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.doctor import walk
from grace_actors.drills.faults import Faults
from grace_actors.drills.host.kong_blasts import Blasts
from grace_actors.drills.host.kong_load import BUS, Load, clear_load
from grace_actors.drills.host.rows import KONG
from grace_actors.drills.host.stage import Sweep
from grace_actors.drills.host.surroundings import open_incidents
from grace_actors.drills.records import ACTIVE
from grace_actors.drills.taking_back import Undone
from grace_actors.kernel import Answer, Context, Data, Timer
from grace_actors.kernels.tree_events import TreeEvent

LOOK_S, AGAIN_S = 1.0, 0.5
WARM_S = 2.0
"""How long the load runs before the first blast."""
VERIFY_FOR_S = 30.0
"""A segment that was damaged last is found and restored within a few checks of the log."""
START_S = 60.0
PREPARED: tuple[tuple[str, Data], ...] = (
    ("verify_log_integrity", {}),
    ("log", {"message": "Chaos Kong: the segment with this entry is damaged on purpose", "subject": "chaos_runner"}),
    ("archive_audit_log", {"keep": 1}),
)
"""So that the audit log has a closed segment to be damaged."""
DUMMY = "drill_"


class KongRun:
    """One Kong. `on_judged` is called once."""

    def __init__(
        self,
        ctx: Context,
        run: str,
        by: str,
        faults: Faults,
        on_judged: Callable[[KongRun], None],
        *,
        seconds: float,
        seed: int,
        load: int,
    ) -> None:
        self._ctx, self._faults, self._on_judged = ctx, faults, on_judged
        self.run, self.by, self.title, self.started_at = run, by, "Chaos Kong", ctx.wall()
        self._seconds, self._seed, self._rate = seconds, seed, load
        self.phase, self.reason = "preparing", ""
        self.passed: bool | None = None
        self._status = "running"
        self._timeline: list[Data] = []
        self._timers: list[Timer] = []
        self._blasts = Blasts(ctx, run, faults, self._mark)
        self._load = Load(ctx, load, run)
        self._failing: set[str] = set()
        self._held: frozenset[str] = frozenset()
        """Whom somebody had paused before."""
        compared = ("acknowledged", "delivered", "lost", "duplicates")
        self._facts: Data = dict.fromkeys(compared, None if load else 0)
        self._facts |= {"whole_at": None, "queue_depth_max": None, "cpu_max": None}  # until they are measured
        self._facts |= {"recoveries": 0, "orders_during": 0, "kernel_restarts": 0}
        self._verdict: Data = {}
        self._deadline = ctx.now() + START_S

    # ---- what it looks like -----------------------------------------------------------------------------

    def shown(self) -> Data:
        """As `drill_run` answers it."""
        verdict = self._verdict
        return {
            "run": self.run,
            "id": KONG,
            "title": f"{self.title} for {self._seconds:g} s",
            "by": self.by,
            "status": self._status,
            "phase": self.phase,
            "started_at": self.started_at,
            "ended_at": verdict.get("ended_at"),
            "activities": list(self._blasts.lines),
            "gates": verdict.get("gates", {}),
            "said": verdict.get("said", {}),
            "detect_s": None,
            "heal_s": verdict.get("healed_s"),
            "passed": self.passed,
            "reason": self.reason,
            "facts": {key: value for key, value in self._facts.items() if not isinstance(value, list)},
        }

    def journal(self) -> Data:
        """All of it, for the file."""
        more = {"seconds": self._seconds, "seed": self._seed, "load": self._rate, "facts": dict(self._facts)}
        return {**self.shown(), **more, "timeline": self._in_order()}

    def verdict(self) -> Data:
        """What is kept in the row."""
        keys = ("gates", "said", "detect_s", "heal_s", "passed", "reason", "status")
        return {**{key: self.shown()[key] for key in keys}, "timeline": self._in_order()}

    # ---- the course -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Close a segment of the audit log, put the load on stage, then begin."""
        self._ctx.emit("drill.started", KONG, {"card": KONG, "run": self.run, "by": self.by})
        self._prepare(list(PREPARED))

    def _prepare(self, steps: list[tuple[str, Data]]) -> None:
        if steps:
            name, params = steps[0]
            CATALOGUE[name].perform(self._ctx, params, False, lambda result: self._prepared(result, steps))
        elif self._rate:
            self._load.begin(self._loaded)
        else:
            self._loaded("")

    def _prepared(self, result: Result, steps: list[tuple[str, Data]]) -> None:
        """What the Kong before has damaged last is perhaps not restored yet."""
        if self.phase != "preparing":
            return
        if result.ok:
            self._prepare(steps[1:])
        elif self._ctx.now() < self._deadline:
            self._later(AGAIN_S, lambda: self._prepare(steps))
        else:
            self._end("failed", result.message)

    def _loaded(self, problem: str) -> None:
        if self.phase != "preparing":
            return
        if problem:
            self._end("failed", problem)
        else:
            self._later(WARM_S if self._rate else 0.0, lambda: self._ask_tree(self._start))

    def _ask_tree(self, then: Callable[[list[Data] | None], None]) -> None:
        """`then` is given the nodes of the tree, or None when it was not shown in time."""

        def known(answer: Answer) -> None:
            tree = answer.value.get("tree") if answer.ok and isinstance(answer.value, dict) else None
            if tree is None and self._ctx.now() < self._deadline:
                self._later(AGAIN_S, lambda: self._ask_tree(then))
            else:
                then(None if tree is None else list(walk(tree)))

        self._ctx.ask("status", "status", {}, known)

    def _start(self, found: list[Data] | None) -> None:
        if self.phase != "preparing":
            return
        if found is None:
            self._end("failed", f"status has shown no tree for {START_S:g} s")
            return
        self._held = frozenset(each["name"] for each in found if each["state"] == "paused")
        kernels = [(each["name"], each.get("tier") or "", bool(each.get("critical"))) for each in found]
        self._deadline = self._ctx.now() + self._seconds + PATIENCE_S
        self.phase = "blasting"
        psutil.cpu_percent()  # the first figure means nothing
        self._blasts.begin(plan(self._seconds, self._seed, kernels), self._seconds)
        self._later(self._seconds, self._calm)
        self._later(LOOK_S, self._watch)

    # ---- measuring --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Measure while it goes on; one look does not wait for the other."""
        if self.phase not in ("blasting", "healing"):
            return
        self._highest("cpu_max", psutil.cpu_percent())
        self._ctx.ask("status", "status", {}, self._seen, timeout_s=LOOK_S)
        self._ctx.ask(BUS, "stats", {}, self._queued, timeout_s=LOOK_S)
        self._later(LOOK_S, self._watch)

    def _seen(self, answer: Answer) -> None:
        tree = answer.value.get("tree") if answer.ok and isinstance(answer.value, dict) else None
        found = list(walk(tree)) if tree is not None else []
        self._deep(each.get("mailbox") for each in found)
        if self._rate and self.phase == "blasting":
            self._load.look(is_up=bool(found) and not self._down(found))

    def _queued(self, answer: Answer) -> None:
        self._deep(each["waiting"] for each in (answer.value.get("subscribers", ()) if answer.ok else ()))

    def _deep(self, depths: Iterable[int | None]) -> None:
        for depth in depths:
            if depth is not None:
                self._highest("queue_depth_max", depth)

    def _highest(self, fact: str, measured: float) -> None:
        before = self._facts[fact]
        self._facts[fact] = measured if before is None else max(before, measured)

    def see(self, event: TreeEvent) -> None:
        """An event of the log."""
        if event.subject.startswith(DUMMY):
            return
        match event.type:
            case "child.exited" | "child.hung":
                self._failing.add(event.subject)
                self._mark("detected", event.subject, event.reason or event.type, at=event.at)
            case "child.started":
                self._mark("recovered", event.subject, str(event.data.get("cause", "")), at=event.at)
                self._facts["kernel_restarts"] += 1
                self._facts["recoveries"] += int(event.subject in self._failing)
                self._failing.discard(event.subject)
            case "coding_agent.work_order_created":
                self._facts["orders_during"] += 1

    # ---- the end ----------------------------------------------------------------------------------------

    def _calm(self) -> None:
        """No more blasts: take back what lasts, stop the load, wait until all is whole."""
        if self.phase != "blasting":
            return
        self.phase = "healing"
        self._blasts.stop()
        self._faults.undo_all(self.run, self._undone)

    def _undone(self, undone: list[Undone]) -> None:
        if self.phase != "healing":
            return
        kept = sum(not each.ok for each in undone)
        taken = f"{len(undone) - kept} faults taken back" if undone else "nothing was left to take back"
        self._mark("undone", "host", f"{taken}, {kept} could not be" if kept else taken)
        if self._rate:
            self._load.rest(self._wait)
        else:
            self._wait()

    def _wait(self) -> None:
        self._ask_tree(lambda found: open_incidents.perform(self._ctx, {}, False, partial(self._looked, found)))

    def _looked(self, found: list[Data] | None, incidents: Result) -> None:
        if self.phase != "healing":
            return
        self._facts["down"] = self._down(found) if found is not None else ["status, which shows no tree"]
        paused = {each["name"] for each in found or () if each["state"] == "paused"}
        self._facts["paused"] = sorted(paused - self._held)
        known = incidents.data["value"] if incidents.ok else {"?": "self_healing does not answer"}
        self._facts["open_incidents"] = [f"{id} of {kernel}" for id, kernel in sorted(known.items())]
        is_whole = not (self._facts["down"] or self._facts["paused"] or known)
        if is_whole or self._ctx.now() > self._deadline:
            self.phase = "verifying"
            self._verify(is_whole, self._ctx.now() + VERIFY_FOR_S)
        else:
            self._later(AGAIN_S, self._wait)

    def _down(self, found: list[Data]) -> list[str]:
        return [each["name"] for each in found if each["state"] not in ("running", "paused")]

    def _verify(self, is_whole: bool, until: float) -> None:
        def verified(result: Result) -> None:
            if self.phase != "verifying":  # it was halted
                return
            if not result.ok and self._ctx.now() < until:
                self._later(AGAIN_S, lambda: self._verify(is_whole, until))
                return
            self._facts["log_ok"] = result.ok
            if self._rate:
                self._load.compare(lambda found: self._compared(is_whole, found))
            else:
                self._compared(is_whole, {})

        CATALOGUE["verify_log_integrity"].perform(self._ctx, {}, False, verified)

    def _compared(self, is_whole: bool, found: Data) -> None:
        """The last thing that had to be whole."""
        if self.phase != "verifying":
            return
        self._facts |= found
        self._facts["whole_at"] = self._ctx.wall() if is_whole else None
        Sweep(self._ctx).sweep(lambda left: clear_load(self._ctx, lambda problem: self._cleared(left, problem)))

    def _cleared(self, left: list[str], problem: str) -> None:
        self._facts["stage_left"] = [*left, *([problem] if problem else [])]
        self._facts["processes_left"] = [f"{child.pid} {child.name()}" for child in _children()]
        self._later(0.0, self._settle)

    def _settle(self) -> None:
        if self.phase != "verifying":
            return
        left = self._faults.records(ACTIVE)
        self._facts["records_left"] = [each["id"] for each in left if each["by"] == self.run]
        self._facts |= self._blasts.figures()
        self._verdict = judge(self._facts)
        self.passed = self._verdict["passed"]
        failed = [f"{name}: {self._verdict['said'][name]}" for name, ok in self._verdict["gates"].items() if not ok]
        self._end("completed", "; ".join(failed))

    def halt(self, by: str) -> None:
        """Somebody wants it to end: no more blasts, everything taken back."""
        if self._status != "running" or self.phase == "halting":
            return
        self.phase = "halting"
        self._blasts.stop()
        self._faults.undo_all(self.run, lambda undone: self._end("interrupted", f"halted by {by}"))

    def _end(self, status: str, reason: str) -> None:
        if self._status != "running":
            return
        for timer in self._timers:
            timer.cancel()
        self._blasts.stop()
        self._load.leave()
        self._status, self.reason, self.phase = status, reason, "judged"
        self._facts |= self._blasts.figures()
        self._verdict["ended_at"] = self._ctx.wall()
        told = {"card": KONG, "run": self.run, "gates": self._verdict.get("gates", {}), "reason": reason}
        told |= {"detect_s": None, "heal_s": self._verdict.get("healed_s")}
        if status == "interrupted":
            self._ctx.emit("drill.interrupted", KONG, told)
        elif status == "failed":
            self._ctx.emit("drill.failed", KONG, told)
        elif self.passed:
            self._ctx.emit("drill.passed", KONG, told)
        else:
            self._ctx.emit("drill.deviated", KONG, told)
        self._on_judged(self)

    def _mark(self, what: str, subject: str, text: str, at: float | None = None) -> None:
        """At a time, such as that of an event which came later, or now."""
        at_s = round((self._ctx.wall() if at is None else at) - self.started_at, 3)
        self._timeline.append({"at_s": at_s, "what": what, "subject": subject, "text": text[:200]})

    def _in_order(self) -> list[Data]:
        return sorted(self._timeline, key=lambda mark: float(mark["at_s"]))

    def _later(self, delay_s: float, call: Callable[[], Any]) -> None:
        self._timers.append(self._ctx.after(delay_s, call))


def _children() -> list[psutil.Process]:
    """The processes of this one that live: those of faults."""
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
