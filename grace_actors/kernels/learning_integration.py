"""Turns outcomes into failure risk and confidence of each kernel, while they happen.

Abnormal exits, hangs and failed starts of the tree are failures; a start that lasts a minute is a success; anybody may
report more. The arithmetic is in `failure_risk.py`. It must not act on what it learns.
Invariant: the snapshot holds the knowledge together with the number of the last event in it, so none counts twice.
"""

from __future__ import annotations

from typing import Any

from grace_actors.kernel import Check, Data, Kernel, Request
from grace_actors.kernels.arguments import flag, number_or, text, whole_or
from grace_actors.kernels.failure_risk import HALF_LIFE_S, HORIZON_S, Record, record_of
from grace_actors.kernels.tree_events import EventFeed, TreeEvent

EVENT_TYPES = ("child.exited", "child.start_failed", "child.started", "child.stopped")
STABLE_S = 60.0
LOOK_S = 30.0
MAX_RECORDS = 2000
HIGH_RISK = 0.7


class LearningIntegration(Kernel):
    """Verbs: outcome, risk, confidence, top, event."""

    emits = ("risk.raised",)

    def setup(self) -> None:
        self.records: dict[str, Record] = getattr(self, "records", {})
        self.started: dict[str, float] = getattr(self, "started", {})
        self.high: set[str] = set()
        last: int = getattr(self, "last_event", 0)
        self.feed = EventFeed(self.ctx, EVENT_TYPES, self._take, last=last)
        self.feed.start()
        self.ctx.every(LOOK_S, self._look)

    def ready(self) -> list[Check]:
        fresh = Record(name="self_test", at=0.0)
        failed = fresh.after(ok=False, now=0.0)
        rises = 0 < fresh.risk(0.0) < failed.risk(0.0) < 1 and failed.confidence(0.0) < fresh.confidence(0.0)
        fades = failed.risk(10 * HALF_LIFE_S) < failed.risk(0.0)
        return [
            Check(name="learns_from_failure", ok=rises, detail=f"{fresh.risk(0.0):.4f} to {failed.risk(0.0):.4f}"),
            Check(name="forgets", ok=fades, detail=f"half-life {HALF_LIFE_S:g} s"),
        ]

    # ---- learning -------------------------------------------------------------------------------------

    def do_outcome(self, request: Request) -> Any:
        """Learn that `name` did (`ok` true) or did not do what it should; `weight` (0.1 to 10) says how much it
        counts."""
        name, ok = text(request, "name", max_chars=200), flag(request, "ok")
        weight = number_or(request, "weight", 1.0, low=0.1, high=10.0)
        self._learn(name, ok=ok, at=self.ctx.wall(), weight=weight)
        return self._figures(self.records[name])

    def do_event(self, request: Request) -> Any:
        """Take an event of the tree."""
        self.feed.hint(request)

    def _take(self, event: TreeEvent) -> None:
        if event.type == "child.started":
            self.started[event.subject] = event.at
            return
        self.started.pop(event.subject, None)
        if event.is_abnormal_exit or event.type == "child.start_failed":
            self._learn(event.subject, ok=False, at=event.at)

    def _learn(self, name: str, *, ok: bool, at: float, weight: float = 1.0) -> None:
        record = self.records.get(name, Record(name=name, at=at)).after(ok=ok, now=at, weight=weight)
        self.records[name] = record
        if len(self.records) > MAX_RECORDS:  # whoever was not heard of for longest has faded most
            del self.records[min(self.records.values(), key=lambda known: known.at).name]
        self.did = f"learned from {name} {'working' if ok else 'failing'}: risk {record.risk(at):.1%}"
        self._tell_risk(record)

    def _look(self) -> None:
        """A start that has lasted long enough is a success; say what does not work."""
        self.degraded = [self.feed.problem] if self.feed.problem else []
        now = self.ctx.wall()
        for name, at in list(self.started.items()):
            if now - at >= STABLE_S:
                del self.started[name]
                self._learn(name, ok=True, at=now)
        for record in self.records.values():
            self._tell_risk(record)

    def _tell_risk(self, record: Record) -> None:
        risk = record.risk(self.ctx.wall())
        if risk <= HIGH_RISK:
            self.high.discard(record.name)
        elif record.name not in self.high:
            self.high.add(record.name)
            self.ctx.emit("risk.raised", record.name, {"risk": round(risk, 4), "horizon_s": HORIZON_S})

    # ---- answers --------------------------------------------------------------------------------------

    def do_risk(self, request: Request) -> Any:
        """The chance that `name` fails within `horizon_s` (default ten minutes), and what it rests on."""
        record = self._known(request)
        horizon_s = number_or(request, "horizon_s", HORIZON_S, low=1, high=7 * 86_400)
        risk = record.risk(self.ctx.wall(), horizon_s)
        return self._figures(record) | {"risk": round(risk, 6), "horizon_s": horizon_s}

    def do_confidence(self, request: Request) -> Any:
        """The chance that the next outcome of `name` is a success, and what it rests on."""
        return self._figures(self._known(request))

    def do_top(self, request: Request) -> Any:
        """The kernels most likely to fail soon, most likely first."""
        limit = whole_or(request, "limit", 10, low=1, high=500)
        now = self.ctx.wall()
        ordered = sorted(self.records.values(), key=lambda record: (-record.risk(now), record.name))
        return {"horizon_s": HORIZON_S, "kernels": [self._figures(record) for record in ordered[:limit]]}

    def _known(self, request: Request) -> Record:
        """Of a name without any outcome the prior is the answer, with `evidence` 0."""
        name = text(request, "name", max_chars=200)
        return self.records.get(name, Record(name=name, at=self.ctx.wall()))

    def _figures(self, record: Record) -> Data:
        now = self.ctx.wall()
        return {
            "name": record.name,
            "risk": round(record.risk(now), 6),
            "confidence": round(record.confidence(now), 6),
            "evidence": round(record.evidence(now), 3),
            "failures": record.total_failures,
            "successes": record.total_successes,
        }

    def metrics(self) -> dict[str, float]:
        now = self.ctx.wall()
        highest = max((record.risk(now) for record in self.records.values()), default=0.0)
        return {"kernels_known": float(len(self.records)), "highest_risk_ratio": round(highest, 6)}

    def snapshot(self) -> Data | None:
        return {
            "records": [record.as_data() for record in self.records.values()],
            "started": dict(self.started),
            "last_event": self.feed.last,
        }

    def restore(self, state: Data) -> None:
        last, started = state.get("last_event", 0), state.get("started", {})
        if not isinstance(last, int) or not isinstance(started, dict):
            raise ValueError("learning: last_event must be a number and started a mapping")
        known = [record_of(item) for item in state.get("records", ())]
        self.records = {record.name: record for record in known}
        self.started = {str(name): float(at) for name, at in started.items()}
        self.last_event = last
