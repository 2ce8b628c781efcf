"""Judges figures by the trigger table, tells what is news, and keeps what each trigger did.

A finding leaves in the call in which it is found, as the event `trigger.fired`; storm protection decides whether. Once
it is no longer so, that is told as `trigger.cleared`. It must not act on what it tells. Invariants: every finding is
told or counted as suppressed; `trigger.cleared` follows only what was told, also across restarts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grace_actors.kernel import Context, Data
from grace_actors.kernels.storm import RATE_WINDOW_S, Spell, Storm, Verdict
from grace_actors.kernels.triggers import TRIGGERS, Issue, Limits, Measurements, Trigger, missing_figures

KEPT_FIRED = 200
MOST_TOLD = 1000
SURE_AFTER_RUNS = 2
"""The first look after a start has too few samples to say that something is over."""
Key = tuple[str, str, str, str]
"""Trigger, issue, subject and part of a finding."""
BY_NAME = {trigger.name: trigger for trigger in TRIGGERS}


@dataclass(slots=True)
class Record:
    """What one trigger did so far. `problem` says why it was not evaluated the last time."""

    runs: int = 0
    issues: int = 0
    fired: int = 0
    suppressed: int = 0
    last_run_at: float | None = None
    problem: str = ""


class Firing:
    """The triggers of one mesh."""

    def __init__(self, ctx: Context, limits: Limits, *, repeat_after_s: float, interval_s: float) -> None:
        self._ctx, self._limits = ctx, limits
        self.storm = Storm(repeat_after_s=repeat_after_s)
        self.records = {trigger.name: Record() for trigger in TRIGGERS}
        self.fired: deque[Data] = deque(maxlen=KEPT_FIRED)
        self._spells = {"findings": Spell(quiet_s=RATE_WINDOW_S + interval_s), "events": Spell()}
        self._present: dict[str, set[Key]] = {}
        self._told: dict[Key, None] = {}
        """What was told and is not over, as far as is known."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when what is to be kept has changed."""

    def judge(self, name: str, measurements: Measurements, *, is_whole: bool = True) -> list[Data]:
        """Evaluate one trigger; the events that were told. `is_whole` says that the figures speak of every subject, so
        that what is not found any more is over."""
        trigger, record = BY_NAME[name], self.records[name]
        missing = missing_figures(trigger, measurements)
        if missing:
            reasons = [f"{need}: {why}" if (why := measurements.reasons.get(need)) else need for need in missing]
            record.problem = f"not measured: {'; '.join(reasons)}"
            return []
        record.problem = ""
        record.runs += 1
        record.last_run_at = self._ctx.wall()
        issues = trigger.evaluate(measurements, self._limits)
        record.issues += len(issues)
        if is_whole:
            self._note_present(name, {_key(name, issue) for issue in issues}, is_sure=record.runs >= SURE_AFTER_RUNS)
        return [told for issue in issues if (told := self._fire(trigger, issue, record)) is not None]

    def _note_present(self, name: str, keys: set[Key], *, is_sure: bool) -> None:
        for key in self._present.get(name, set()) - keys:
            self.storm.over(key)
        self._present[name] = keys
        over = [key for key in self._told if key[0] == name and key not in keys] if is_sure else []
        for key in over:
            del self._told[key]
        still = {key[:3] for key in self._told}
        for trigger, issue, subject in dict.fromkeys(key[:3] for key in over):
            if (trigger, issue, subject) not in still:
                self._ctx.emit("trigger.cleared", subject, {"trigger": trigger, "issue": issue})
        if over:
            self.on_change()

    def _fire(self, trigger: Trigger, issue: Issue, record: Record) -> Data | None:
        key = _key(trigger.name, issue)
        self._present.setdefault(trigger.name, set()).add(key)
        verdict = self.storm.finding(key, issue.severity, self._ctx.now())
        if verdict is not Verdict.PASS:
            record.suppressed += 1
            if verdict is not Verdict.REPEATED:
                self.refuse("findings", verdict)
            return None
        record.fired += 1
        wall = self._ctx.wall()
        data = {
            "trigger": trigger.name,
            "issue": issue.issue,
            "severity": issue.severity.name.lower(),
            "action": trigger.action,
            "target": trigger.target,
            "detail": issue.detail,
            "since": round(wall - issue.age_s, 3),
        }
        event = {"type": "trigger.fired", "subject": issue.subject, "data": data, "at": wall}
        self.fired.append(event)
        self._ctx.emit("trigger.fired", issue.subject, data)
        if trigger.is_news:
            self.storm.over(key)
        if trigger.is_state:
            self._told[key] = None
            if len(self._told) > MOST_TOLD:
                del self._told[next(iter(self._told))]
        self.on_change()
        return event

    # ---- storms -----------------------------------------------------------------------------------

    def refuse(self, of: str, verdict: Verdict) -> None:
        """Something was not told: perhaps a storm begins."""
        if self._spells[of].refuse(verdict.value, self._ctx.now()):
            self._ctx.emit("storm.began", self._ctx.name, {"of": of})

    def end_storms(self) -> None:
        """Say of every storm that has passed what it came to."""
        now = self._ctx.now()
        for of, spell in self._spells.items():
            if (ended := spell.ended(now, is_held=of == "events" and self.storm.is_open(now))) is not None:
                self._ctx.emit("storm.ended", self._ctx.name, {"of": of, **ended})

    # ---- what is known ----------------------------------------------------------------------------

    def told(self) -> list[list[str]]:
        """What was told and is not over, to be kept."""
        return [list(key) for key in self._told]

    def restore(self, told: object) -> None:
        """What `told` gave in a former life. Raises ValueError for anything else."""
        if not isinstance(told, list) or not all(isinstance(each, list) and len(each) == 4 for each in told):
            raise ValueError(f"told must be a list of findings, not {told!r:.200}")
        for trigger, issue, subject, part in told[-MOST_TOLD:]:
            self._told[str(trigger), str(issue), str(subject), str(part)] = None

    def lately(self) -> list[Data]:
        """What was told so lately that it is not told again, to be kept: a restart is no reason to tell it anew."""
        wall, memory = self._ctx.wall(), self.storm.memory(self._ctx.now())[-MOST_TOLD:]
        return [
            {"key": list(key), "at": wall - age_s, "weight": weight, "over": is_over}
            for key, age_s, weight, is_over in memory
            if isinstance(key, tuple)
        ]

    def restore_lately(self, entries: Any) -> None:
        """What `lately` gave in a former life. Raises ValueError for anything else."""
        try:
            for each in entries:
                trigger, issue, subject, part = (str(word) for word in each["key"])
                key, age_s = (trigger, issue, subject, part), max(0.0, self._ctx.wall() - float(each["at"]))
                self.storm.remember(key, age_s, int(each["weight"]), bool(each["over"]), self._ctx.now())
                if not each["over"]:
                    self._present.setdefault(trigger, set()).add(key)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"lately must be a list of findings: {error!r:.200}") from None

    def table(self) -> list[Data]:
        """Every trigger with what it did."""
        return [self._row(number, trigger) for number, trigger in enumerate(TRIGGERS, 1)]

    def _row(self, number: int, trigger: Trigger) -> Data:
        record = self.records[trigger.name]
        return {
            "number": number,
            "name": trigger.name,
            "available": not record.problem,
            "reason": record.problem or None,
            "action": trigger.action,
            "target": trigger.target,
            "last_run_at": record.last_run_at,
            "runs": record.runs,
            "issues": record.issues,
            "fired": record.fired,
            "suppressed": record.suppressed,
        }


def _key(name: str, issue: Issue) -> Key:
    return name, issue.issue, issue.subject, issue.part
