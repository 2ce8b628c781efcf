"""Keeps the decision record behind each action: who did what and why, what else was possible, and what came of it.

A record answers who, what, when, where, why and how (evidence, alternatives, choice, confidence, risk) and gets its
outcome once. It must not judge decisions. Invariant: a record is never changed, except that its outcome is added.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import Check, Data, Kernel, Request
from grace_actors.kernels.arguments import (
    choice,
    mapping_or_empty,
    number_or,
    text,
    text_or,
    texts_or_empty,
    whole_or,
)
from grace_actors.kernels.rows import as_json, count, dated_id, moment, rows, schema, unpacked
from grace_actors.stores.sqlite import EVENTS, Store

migrations = schema(
    "clarity",
    {
        "decisions": (
            """create table decisions (
                id text primary key, at real not null, who text not null, subject text not null, what text not null,
                why text not null, place text not null, alternatives text not null, choice text not null,
                confidence real, risk text not null, details text not null,
                outcome text not null default '', outcome_note text not null default '', resolved_at real,
                resolved_by text not null default ''
            )""",
            "create index decisions_by_subject on decisions (subject, at)",
            "create index decisions_by_time on decisions (at)",
        )
    },
)


class Risk(StrEnum):
    """How much was at stake."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Result(StrEnum):
    """What came of a decision."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTIAL = "partial"
    REVERSED = "reversed"
    UNKNOWN = "unknown"


class ClarityFramework(Kernel):
    """Verbs: record, resolve, explain, recent, stats."""

    emits = ("decision.recorded", "decision.resolved", *EVENTS)

    def setup(self) -> None:
        self.store = Store(
            self.ctx.data / "clarity.db", migrations, emit=self.ctx.emit, name=self.ctx.name, wall=self.ctx.wall
        )

    def ready(self) -> list[Check]:
        with self.store.read() as db:
            kept = count(db, "select count(*) from decisions")
        return [self.store.writable(), Check(name="records_readable", ok=True, detail=f"{kept} decisions")]

    def stop(self, reason: str) -> None:
        self.store.close()

    def do_record(self, request: Request) -> Any:
        """Record a decision: `what` was decided about `subject`, `why` (list of evidence), `alternatives`, the
        `choice`, `confidence` (0 to 1), `risk`; `who` defaults to who asks, `place` to nowhere in particular."""
        evidence = texts_or_empty(request, "why")
        if not evidence:
            raise Refused("record: why is empty", hint="a decision without evidence cannot be explained")
        row = {
            "at": self.ctx.wall(),
            "who": text_or(request, "who", request.sender or "unknown", max_chars=200),
            "subject": text(request, "subject", max_chars=300),
            "what": text(request, "what", max_chars=2000),
            "why": as_json(evidence, "record: why"),
            "place": text_or(request, "place", max_chars=300),
            "alternatives": as_json(texts_or_empty(request, "alternatives"), "record: alternatives"),
            "choice": text_or(request, "choice", text(request, "what", max_chars=2000), max_chars=2000),
            "confidence": None
            if request.args.get("confidence") is None
            else number_or(request, "confidence", 0.0, low=0.0, high=1.0),
            "risk": choice(request, "risk", Risk, Risk.LOW).value,
            "details": as_json(mapping_or_empty(request, "details"), "record: details"),
        }
        with self.store.write() as db:
            row["id"] = dated_id(db, "decisions", "dec", self.ctx.wall())
            db["decisions"].insert(row)
        self.ctx.emit("decision.recorded", str(row["id"]), {"who": row["who"], "subject": row["subject"]})
        self.did = f"recorded {row['id']}: {row['who']} about {row['subject']}"
        return {"id": row["id"]}

    def do_resolve(self, request: Request) -> Any:
        """Add the `outcome` of `id` with a `note`. Once."""
        id, outcome = text(request, "id", max_chars=100), choice(request, "outcome", Result)
        note, by = text_or(request, "note", max_chars=2000), text_or(request, "by", request.sender or "unknown")
        before = self._record(id)
        if before["outcome"]:
            raise Refused(
                f"resolve: {id} has the outcome {before['outcome']} already", hint="record a new decision about it"
            )
        with self.store.write() as db:
            values = {"outcome": outcome.value, "outcome_note": note, "resolved_at": self.ctx.wall(), "resolved_by": by}
            db["decisions"].update(id, values)
        self.ctx.emit("decision.resolved", id, {"outcome": outcome.value, "by": by})
        self.did = f"resolved {id}: {outcome.value}"
        return _shown(self._record(id))

    def do_explain(self, request: Request) -> Any:
        """Explain the decision `id`, or the last ones about `subject`, in words and as records."""
        id, subject = text_or(request, "id", max_chars=100), text_or(request, "subject", max_chars=300)
        if bool(id) == bool(subject):
            raise Refused("explain: give either id or subject")
        found = [self._record(id)] if id else self._about(subject, whole_or(request, "limit", 5, low=1, high=50))
        if not found:
            raise NotFound(f"no decision about {subject!r}", hint="`recent` lists the last ones")
        return {"text": "\n".join(_words(row) for row in found), "decisions": [_shown(row) for row in found]}

    def do_recent(self, request: Request) -> Any:
        """The last decisions, newest first; `who` narrows them, `open` leaves out those with an outcome."""
        limit, who = whole_or(request, "limit", 20, low=1, high=500), text_or(request, "who", max_chars=200)
        only_open = request.args.get("open") is True
        sql = (
            "select * from decisions where ? in ('', who) and (outcome = '' or not ?) order by at desc, id desc limit ?"
        )
        with self.store.read() as db:
            found = [_shown(row) for row in rows(db, sql, [who, only_open, limit])]
        return {"decisions": found, "count": len(found)}

    def do_stats(self, request: Request) -> Any:
        """Decisions by outcome, and how often confidence was right."""
        with self.store.read() as db:
            outcomes = {
                row["k"]: row["n"] for row in rows(db, "select outcome k, count(*) n from decisions group by 1")
            }
            sql = """select avg(confidence) stated, avg(outcome = 'succeeded') reached, count(*) n from decisions
                     where outcome in ('succeeded', 'failed') and confidence is not null"""
            calibration = rows(db, sql)[0]
        outcomes["open"] = outcomes.pop("", 0)
        return {"outcomes": outcomes, "calibration": calibration}

    def _record(self, id: str) -> Data:
        with self.store.read() as db:
            found = rows(db, "select * from decisions where id = ?", [id])
        if not found:
            raise NotFound(f"no decision {id!r}", hint="`recent` lists the last ones")
        return found[0]

    def _about(self, subject: str, limit: int) -> list[Data]:
        with self.store.read() as db:
            return rows(
                db, "select * from decisions where subject = ? order by at desc, id desc limit ?", [subject, limit]
            )


def _shown(row: Data) -> Data:
    return unpacked(row, "why", "alternatives", "details") | {"time": moment(row["at"])}


def _words(row: Data) -> str:
    """One decision as a paragraph."""
    shown = _shown(row)
    parts = [f"{shown['time']} {row['who']} decided about {row['subject']}: {row['what']}."]
    if row["choice"] != row["what"]:
        parts.append(f"Choice: {row['choice']}.")
    parts.append(f"Because: {'; '.join(shown['why'])}.")
    if shown["alternatives"]:
        parts.append(f"Instead of: {'; '.join(shown['alternatives'])}.")
    if row["confidence"] is not None:
        parts.append(f"Confidence {row['confidence']:.0%}, risk {row['risk']}.")
    note = f" ({row['outcome_note']})" if row["outcome_note"] else ""
    parts.append(f"Outcome: {row['outcome']}{note}." if row["outcome"] else "No outcome yet.")
    return " ".join(parts)
