"""Hosts Chaos Kong: carries out the blasts of its plan while a load runs, waits until all is whole, has it judged.

What is broken when, and what counts as having survived it, is decided in `chaos.kong`. Invariant: every fault it
injected is taken back before it is judged, also when it is halted; it always ends.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psutil

from chaos.kong import LIMIT_S, Blast, judge, plan
from grace_actors.actions.action import Result
from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.doctor import walk
from grace_actors.drills.faults import Faults
from grace_actors.drills.host.rows import KONG
from grace_actors.drills.host.schedule import open_incidents
from grace_actors.drills.host.stage import start_dummy
from grace_actors.drills.taking_back import Injection, Undone
from grace_actors.kernel import Answer, Context, Data, Timer
from grace_actors.kernels.tree_events import TreeEvent

SOURCE, SINK = "drill_source", "drill_sink"
LOOK_S = 1.0
WARM_S = 2.0
"""How long the load runs before the first blast."""
COMPARE_S = 60.0
ACT_S = 60.0
UP = ("running", "paused")


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
        self._seconds, self._seed, self._load = seconds, seed, load
        self.phase, self.reason = "preparing", ""
        self.passed: bool | None = None
        self._status = "running"
        self._lines: list[Data] = []
        self._timeline: list[Data] = []
        self._timers: list[Timer] = []
        self._restarts: dict[str, int] = {}
        self._facts: Data = {"acknowledged": 0, "delivered": 0, "lost": 0, "duplicates": 0, "whole_at": None}
        self._facts |= {"queue_depth_max": 0, "cpu_max": 0.0, "recoveries": 0, "orders_during": 0}
        self._facts |= {"kernel_restarts": 0, "snapshots_rotated": 0}
        self._verdict: Data = {}
        self._deadline = 0.0

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
            "activities": list(self._lines),
            "gates": verdict.get("gates", {}),
            "said": verdict.get("said", {}),
            "detect_s": None,
            "heal_s": verdict.get("healed_s"),
            "passed": self.passed,
            "reason": self.reason,
            "facts": {key: value for key, value in self._facts.items() if key != "down"},
        }

    def journal(self) -> Data:
        """All of it, for the file."""
        more = {"seconds": self._seconds, "seed": self._seed, "load": self._load, "facts": dict(self._facts)}
        return {**self.shown(), **more, "timeline": list(self._timeline)}

    def verdict(self) -> Data:
        """What is kept in the row."""
        keys = ("gates", "said", "detect_s", "heal_s", "passed", "reason", "status")
        return {**{key: self.shown()[key] for key in keys}, "timeline": list(self._timeline)}

    # ---- the course -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Put the load on stage, then begin."""
        self._ctx.emit("drill.started", KONG, {"card": KONG, "run": self.run, "by": self.by})
        if not self._load:
            self._ask_tree(self._blast)
            return

        def rated(answer: Answer) -> None:
            self._later(WARM_S, lambda: self._ask_tree(self._blast))

        def sourced(result: Result) -> None:
            if result.ok:
                self._ctx.ask(SOURCE, "rate", {"per_s": self._load}, rated)
            else:
                self._end("failed", result.message)

        def sunk(result: Result) -> None:
            if result.ok:
                start_dummy.perform(self._ctx, {"name": SOURCE, "kind": "source"}, False, sourced)
            else:
                self._end("failed", result.message)

        start_dummy.perform(self._ctx, {"name": SINK, "kind": "sink"}, False, sunk)

    def _ask_tree(self, then: Callable[[list[Data]], None]) -> None:
        def known(answer: Answer) -> None:
            tree = answer.value.get("tree") if answer.ok and isinstance(answer.value, dict) else None
            if tree is None:
                self._later(LOOK_S, lambda: self._ask_tree(then))
            else:
                then(list(walk(tree)))

        self._ctx.ask("status", "status", {}, known)

    def _blast(self, found: list[Data]) -> None:
        kernels = [(each["name"], each.get("tier") or "", bool(each.get("critical"))) for each in found]
        self._restarts = {each["name"]: each.get("restarts") or 0 for each in found}
        blasts = plan(self._seconds, self._seed, kernels)
        self.phase, begin = "blasting", self._ctx.wall()
        psutil.cpu_percent()
        for blast in blasts:
            self._lines.append({"name": f"{blast.fault} {blast.target}", "what": "inject", "state": "waiting"})
            self._lines[-1] |= {"seconds": None, "message": blast.why}
            self._later(blast.at_s, partial(self._strike, blast, self._lines[-1]))
        self._later(self._seconds, self._calm)
        self._deadline = begin + self._seconds + LIMIT_S
        self._watch()

    def _strike(self, blast: Blast, line: Data) -> None:
        self._facts["last_injection_at"] = began = self._ctx.wall()
        line["state"] = "running"
        self._mark("injected", blast.target, f"{blast.fault}: {blast.why}")

        def done(ok: bool, message: str) -> None:
            seconds = round(self._ctx.wall() - began, 3)
            line.update(state="ok" if ok else "failed", seconds=seconds, message=message or blast.why)

        def injected(found: Injection) -> None:
            done(found.ok, found.message)

        def acted(result: Result) -> None:
            done(result.ok, result.message)

        def answered(answer: Answer) -> None:
            self._facts["snapshots_rotated"] += int(answer.ok)
            done(answer.ok, "" if answer.ok else str((answer.error or {}).get("message")))

        if blast.via == "fault":
            self._faults.inject(blast.fault, blast.target, dict(blast.params), by=self.run, done=injected)
        elif blast.via == "act":
            CATALOGUE[blast.fault].perform(self._ctx, dict(blast.params), False, acted)
        else:
            self._ctx.ask(blast.target, blast.fault, dict(blast.params), answered, timeout_s=ACT_S)

    def _watch(self) -> None:
        """Measure while it goes on."""
        if self.phase in ("blasting", "healing"):
            self._facts["cpu_max"] = max(self._facts["cpu_max"], psutil.cpu_percent())
            self._ask_tree(self._measure)
            self._later(LOOK_S, self._watch)

    def _measure(self, found: list[Data]) -> None:
        depth = max((each.get("mailbox") or 0 for each in found), default=0)
        self._facts["queue_depth_max"] = max(self._facts["queue_depth_max"], depth)
        for each in found:
            before, now = self._restarts.get(each["name"], 0), each.get("restarts") or 0
            self._facts["kernel_restarts"] += max(0, now - before)
            self._restarts[each["name"]] = now

    def see(self, event: TreeEvent) -> None:
        """An event of the log."""
        match event.type:
            case "child.exited" | "child.hung":
                self._mark("detected", event.subject, event.reason or event.type)
            case "child.started":
                self._mark("recovered", event.subject, str(event.data.get("cause", "")))
                self._facts["recoveries"] += 1
            case "coding_agent.work_order_created":
                self._facts["orders_during"] += 1

    # ---- the end ----------------------------------------------------------------------------------------

    def _calm(self) -> None:
        """No more blasts: take back what lasts, stop the load, wait until all is whole."""
        self.phase = "healing"
        self._faults.undo_all(self.run, self._undone)

    def _undone(self, undone: list[Undone]) -> None:
        self._mark("undone", "host", f"{len(undone)} faults taken back")
        if self._load:
            self._ctx.ask(SOURCE, "rate", {"per_s": 0}, lambda answer: self._wait())
        else:
            self._wait()

    def _wait(self) -> None:
        self._ask_tree(lambda found: open_incidents.perform(self._ctx, {}, False, partial(self._looked, found)))

    def _looked(self, found: list[Data], incidents: Result) -> None:
        if self.phase != "healing":
            return
        self._facts["down"] = [each["name"] for each in found if each["state"] not in UP]
        known = incidents.data["value"] if incidents.ok else {"?": "self_healing does not answer"}
        self._facts["open_incidents"] = sorted(known)
        now = self._ctx.wall()
        if not self._facts["down"] and not known:
            self._facts["whole_at"] = self._facts["whole_at"] or now
            self._verify()
        elif now > self._deadline:
            self._verify()
        else:
            self._facts["whole_at"] = None
            self._later(LOOK_S / 2, self._wait)

    def _verify(self) -> None:
        self.phase = "verifying"

        def verified(result: Result) -> None:
            self._facts["log_ok"] = result.ok
            self._compare()

        CATALOGUE["verify_log_integrity"].perform(self._ctx, {}, False, verified)

    def _compare(self) -> None:
        if not self._load:
            self._settle()
            return

        def compared(answer: Answer) -> None:
            found = answer.value if answer.ok else {"acknowledged": None, "lost": None}
            self._facts |= {key: found.get(key) for key in ("acknowledged", "delivered", "lost", "duplicates")}
            for name, verb in ((SOURCE, "retire"), (SINK, "leave")):
                self._ctx.tell(name, verb, {})
            self._settle()

        args = {"source": SOURCE, "within_s": COMPARE_S}
        self._ctx.ask(SINK, "compare", args, compared, timeout_s=COMPARE_S + 10.0)

    def _settle(self) -> None:
        left = self._faults.records(("prepared", "injected", "undo_failed"))
        self._facts["records_left"] = [each["id"] for each in left if each["by"] == self.run]
        self._verdict = judge(self._facts)
        self.passed = self._verdict["passed"]
        failed = [f"{name}: {self._verdict['said'][name]}" for name, ok in self._verdict["gates"].items() if not ok]
        self._end("completed", "; ".join(failed))

    def halt(self, by: str) -> None:
        """Somebody wants it to end: no more blasts, everything taken back."""
        self._faults.undo_all(self.run, lambda undone: self._end("interrupted", f"halted by {by}"))

    def _end(self, status: str, reason: str) -> None:
        if self._status != "running":
            return
        for timer in self._timers:
            timer.cancel()
        self._status, self.reason, self.phase = status, reason, "judged"
        self._verdict["ended_at"] = self._ctx.wall()
        for line in self._lines:
            if line["state"] in ("waiting", "running"):
                line["state"] = "skipped"
        told = {"card": KONG, "run": self.run, "gates": self._verdict.get("gates", {}), "reason": reason}
        told["heal_s"] = self._verdict.get("healed_s")
        if status == "interrupted":
            self._ctx.emit("drill.interrupted", KONG, told)
        elif self.passed:
            self._ctx.emit("drill.passed", KONG, told)
        else:
            self._ctx.emit("drill.deviated", KONG, told)
        self._on_judged(self)

    def _mark(self, what: str, subject: str, text: str) -> None:
        at_s = round(self._ctx.wall() - self.started_at, 3)
        self._timeline.append({"at_s": at_s, "what": what, "subject": subject, "text": text[:200]})

    def _later(self, delay_s: float, call: Callable[[], Any]) -> None:
        self._timers.append(self._ctx.after(delay_s, call))
