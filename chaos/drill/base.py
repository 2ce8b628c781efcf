"""What every part of a drill uses: its state, keys that are used once, timers by purpose, activities asked for.

It decides nothing. Invariant: at most one activity and one undoing is awaited at a time, each with a timer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from chaos.card import Card, Kind
from chaos.drill import messages as m
from chaos.drill.evidence import Elsewhere, Evidence
from chaos.drill.gates import Injected, Times, judge
from chaos.drill.messages import Command, Phase, Status, Verdict
from chaos.drill.records import Entry, Records, State, When

UNDO_S = 60.0
"""How long undoing may take: files are put back and supervisors asked."""


class Timer(StrEnum):
    """What a timer is for; there is at most one of each."""

    DRILL = "drill"
    ANSWER = "answer"
    PAUSE = "pause"
    DETECT = "detect"
    HEAL = "heal"
    CALM = "calm"
    UNDO = "undo"


class DrillBase:
    """The state of one drill."""

    def __init__(self, card: Card, id: str, by: str) -> None:
        self.card, self.id, self.by = card, id, by
        self.phase = Phase.WAITING
        self.status = Status.RUNNING
        self.started_at = self.ended_at = 0.0
        self.detect_s: float | None = None
        self.heal_s: float | None = None
        self.reason = ""
        self.problems: list[str] = []
        self.verdict: Verdict | None = None
        self.records = Records(card)
        self.evidence = Evidence(card)
        self._elsewhere = Elsewhere()
        self._injections: list[Injected] = []
        self._timers: dict[str, str] = {}
        """The purpose of each timer that is set, by its key."""
        self._numbers = 0
        self._awaited: tuple[str, Entry] | None = None
        self._undoing = ""
        self._began_seq = 0
        """The newest event that was seen when the injection was commanded."""
        self._has_acted = self._has_injected = False
        """Whether anything of the method was begun, and whether there may be anything to undo."""
        self._now = 0.0
        self._out: list[Command] = []

    @property
    def is_over(self) -> bool:
        """Whether it is judged."""
        return self.phase is Phase.JUDGED

    def gates(self) -> Mapping[str, bool | None]:
        """The gates as they stand."""
        if self.verdict is not None:
            return self.verdict.gates
        return {name: gate for name, (gate, _) in self._judged().items()}

    def said(self) -> Mapping[str, str]:
        """Why they stand so."""
        if self.verdict is not None:
            return self.verdict.said
        return {name: why for name, (_, why) in self._judged().items()}

    def as_data(self) -> dict[str, Any]:
        """All of it for people, as JSON data."""
        return {
            "run": self.id,
            "id": self.card.id,
            "title": self.card.title,
            "by": self.by,
            "status": self.status.value,
            "phase": self.phase.value,
            "started_at": self.started_at,
            "ended_at": self.ended_at or None,
            "activities": [entry.as_data() for entry in self.records.entries()],
            "gates": dict(self.gates()),
            "said": dict(self.said()),
            "detect_s": self.detect_s,
            "heal_s": self.heal_s,
            "passed": self.verdict.passed if self.verdict is not None else None,
            "reason": self.reason,
            "problems": list(self.problems),
            "timeline": self.records.timeline(self.started_at),
        }

    def _judged(self, *, is_final: bool = False) -> Mapping[str, tuple[bool | None, str]]:
        waits = [entry for entry in self.records.method if entry.activity.is_wait and entry.state is State.FAILED]
        unmet = [entry.activity.name for entry in (*waits, *(one for one in self.records.after if one.met is False))]
        times = Times(detect_s=self.detect_s, heal_s=self.heal_s, unmet=", ".join(unmet), is_final=is_final)
        return judge(self.card, self.evidence, times)

    # ---- commands ----------------------------------------------------------------------------------------

    def _key(self, what: str) -> str:
        self._numbers += 1
        return f"{what}/{self._numbers}"

    def _set_timer(self, purpose: str, delay_s: float) -> None:
        """A timer for the same purpose is set anew."""
        self._cancel_timer(purpose)
        key = self._key(purpose)
        self._timers[key] = purpose
        self._out.append(m.SetTimer(key, max(0.0, delay_s)))

    def _cancel_timer(self, *purposes: str) -> None:
        """Without a purpose: every timer."""
        for key, purpose in list(self._timers.items()):
            if not purposes or purpose in purposes:
                del self._timers[key]
                self._out.append(m.CancelTimer(key))

    def _tell(self, type: str, /, **data: Any) -> None:
        self._out.append(m.Tell(type, data))

    def _ask(self, entry: Entry) -> None:
        """Have one activity done; its answer is awaited no longer than it may take."""
        key = self._key(f"{entry.when.value}/{entry.activity.name}")
        self._awaited = (key, entry)
        entry.begin(self._now)
        self._set_timer(Timer.ANSWER, entry.activity.timeout_s)
        if entry.activity.kind is Kind.PROBE:
            self._out.append(m.RunProbe(key, entry.activity))
        else:
            counts = entry.when is When.METHOD and entry.activity.is_acting and self.evidence.since is None
            self._began_seq = self.evidence.last
            self._out.append(m.RunAction(key, entry.activity, counts=counts))

    def _answered(self, key: str) -> Entry | None:
        """The entry that this is the answer to; None when it is not awaited."""
        if self._awaited is None or self._awaited[0] != key:
            return None
        entry = self._awaited[1]
        self._awaited = None
        self._cancel_timer(Timer.ANSWER)
        return entry

    def _undo(self, why: str) -> None:
        self._undoing = self._key("undo")
        self._set_timer(Timer.UNDO, UNDO_S)
        self._out.append(m.UndoAll(self._undoing, why))
