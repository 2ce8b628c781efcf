"""The signature actor: remembers which repair worked for which failure, and how far it is trusted.

The only writer of `signatures.db`. It must not run repairs or decide on them: it answers with standing and history.
Invariant: an answered outcome survives any crash; after a damaged file it is at most BACKUP_S old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from grace_actors.errors import GraceError, Refused, StoreFailed
from grace_actors.kernel import Check, Data, Kernel, Request, Timer, need
from grace_actors.kernels.arguments import flag, text, text_or, texts_or_empty, whole_or
from grace_actors.stores import signature_import
from grace_actors.stores.signature_advice import next_time
from grace_actors.stores.signature_answers import Answers
from grace_actors.stores.signature_entries import parse_entries
from grace_actors.stores.signature_json import exported, listed
from grace_actors.stores.signature_requests import occurrence_of, outcome_of
from grace_actors.stores.signature_rows import SignatureRows
from grace_actors.stores.signature_schema import migrations
from grace_actors.stores.signature_writing import Counted, Outcome, SignatureWriter
from grace_actors.stores.sqlite import EVENTS, Store

BACKUP_S = 2.0
"""From a change to the snapshot that contains it; changes within this time share one."""
NAME_CHARS = 300
MOST_OUTCOMES = 10_000
"""In a group."""
EVERYTHING = 100_000


class SignatureStore(Kernel):
    """Verbs: lookup, seen, record_outcome, record_outcomes, standing, list, get, merge, forget, export, import,
    figures, stats. Confidence is in hundredths, in the JSON form a number from 0.0 to 1.0."""

    emits = (
        "signature.recorded",
        "signature.promoted",
        "signature.demoted",
        "signature.merged",
        "signature.forgotten",
        "signature.imported",
        *EVENTS,
    )

    def setup(self) -> None:
        path = self.ctx.data / "signatures.db"
        self.store = Store(path, migrations, emit=self.ctx.emit, name=self.ctx.name, home=self.ctx.home)
        self.rows = SignatureRows(self.store)
        self.writer = SignatureWriter(self.rows)
        self.answers = Answers(self.rows)
        self._recorded = self._looked_up = self._known = 0
        self._backup_timer: Timer | None = None
        if self.store.changed:
            self._changed()

    def ready(self) -> list[Check]:
        known = Check(name="signatures_readable", ok=True, detail=f"{self.rows.totals()['known_signatures']} known")
        return [self.store.writable(), known]

    # ---- questions ----------------------------------------------------------------------------------

    def do_lookup(self, request: Request) -> Any:
        """What is known of the first of the names that is known: the specific hash, `signature`, the other `hashes`.
        `matched` is that name, `best` the most trusted repair that ever worked (null when none did)."""
        hashes, given = texts_or_empty(request, "hashes"), text_or(request, "signature", max_chars=NAME_CHARS)
        names = (*hashes[:1], given, *hashes[1:]) if given else tuple(hashes)
        if not names:
            raise Refused("lookup: neither signature nor hashes are given", hint="give one of them")
        self._looked_up += 1
        found = self.answers.lookup(names)
        if not found["known"]:
            self.did = f"looked up {given or names[0]}: not known"
            return found | {"signature": given or names[0]}
        self._known += 1
        self.did = f"looked up {found['signature']}: {len(found['repairs'])} repairs known"
        return dict(found)

    def do_standing(self, request: Request) -> Any:
        """Verified successes and failures of each of `playbooks` over all signatures."""
        return self.rows.standing(texts_or_empty(request, "playbooks", most=1000))

    def do_list(self, request: Request) -> Any:
        """Repairs of all signatures, the newest used first; `auto_apply` true and `kernel` leave out the others."""
        found = self.rows.listed(
            whole_or(request, "limit", 100, low=1, high=EVERYTHING),
            kernel=text_or(request, "kernel", max_chars=NAME_CHARS),
            auto_only=flag(request, "auto_apply", False),
        )
        return {"count": len(found), "signatures": [listed(row) for row in found]}

    def do_get(self, request: Request) -> Any:
        """Everything known of a signature, given by its id, an alias, a hash, or the beginning of one of them."""
        found = self.rows.describe(self.rows.resolve(text(request, "signature", max_chars=NAME_CHARS)))
        return found | {"next": next_time(found["repairs"])}

    def do_export(self, request: Request) -> Any:
        """All signatures in the JSON form, or at most `limit` behind the id `after`; `next` is the `after` of the rest,
        null when there is none."""
        limit = whole_or(request, "limit", EVERYTHING, low=1, high=EVERYTHING)
        found = self.rows.exported(text_or(request, "after", max_chars=NAME_CHARS), limit)
        return {
            "signatures": {each["signature"]: exported(each) for each in found},
            "next": found[-1]["signature"] if len(found) == limit else None,
        }

    def do_stats(self, request: Request) -> Any:
        """Known signatures, repairs, automatic ones and those of high confidence, outcomes, and shares."""
        return self._stats()

    def do_figures(self, request: Request) -> Any:
        """What `stats` says, and the same for each playbook and each repair (`limit` newest used ones)."""
        per_playbook = [
            row | {"success_rate": _share(row["successes"], row["successes"] + row["failures"])}
            for row in self.rows.by_playbook()
        ]
        per_signature = self.rows.listed(whole_or(request, "limit", 100, low=1, high=EVERYTHING))
        return self._stats() | {"playbooks": per_playbook, "signatures": [listed(row) for row in per_signature]}

    def _stats(self) -> Data:
        totals = self.rows.totals()
        outcomes = totals["successes"] + totals["failures"]
        return totals | {
            "outcomes": outcomes,
            "success_rate": _share(totals["successes"], outcomes),
            "auto_apply_share": _share(totals["auto_apply"], totals["known_signatures"]),
        }

    def metrics(self) -> dict[str, float]:
        stats = self._stats()
        return {
            "signatures_known_count": float(stats["known_signatures"]),
            "signatures_auto_apply_count": float(stats["auto_apply"]),
            "signatures_auto_apply_ratio": float(stats["auto_apply_share"] or 0.0),
            "signatures_high_confidence_count": float(stats["high_confidence"]),
            "outcomes_succeeded_count": float(stats["successes"]),
            "outcomes_failed_count": float(stats["failures"]),
            "outcomes_recorded_count": float(self._recorded),
            "lookups_count": float(self._looked_up),
            "lookups_known_count": float(self._known),
        }

    # ---- changes ------------------------------------------------------------------------------------

    def do_seen(self, request: Request) -> Any:
        """Count an occurrence of `signature`: `kernel`, `aliases`, `at`, `count`, `incident`, `components`. Outcomes of
        the same incident are not counted as occurrences again. Answers the signature it counts for."""
        occurrence = occurrence_of(request, self.ctx.wall())
        seen = self.writer.see(occurrence)
        self._changed()
        self.did = f"saw {seen.signature} ({seen.seen} times)"
        return {"signature": seen.signature, "known": not seen.is_new, "seen": seen.seen}

    def do_record_outcome(self, request: Request) -> Any:
        """Count one use of `repair` ({playbook, params} or a playbook's name) for `signature`: `ok`, `verified` (true),
        `kernel`, `aliases`, `incident`, `detail`, `at`, `components`; the same `run` counts once. Answers the repair as
        it stands now."""
        (counted,) = self._record([outcome_of(request, self.ctx.wall())])
        return counted.repair | {"signature": counted.signature, "duplicate": not counted.is_new}

    def do_record_outcomes(self, request: Request) -> Any:
        """Count a group of `outcomes`, each as for `record_outcome`, all or none: {recorded, duplicates}."""
        items = need(request, "outcomes", (list, tuple))
        if len(items) > MOST_OUTCOMES:
            raise Refused(f"record_outcomes: {len(items)} outcomes", hint=f"at most {MOST_OUTCOMES} are allowed")
        outcomes = []
        for number, item in enumerate(items):
            verb = f"record_outcomes: outcomes[{number}]"
            if not isinstance(item, Mapping):
                raise Refused(f"{verb} is {item!r:.80}", hint="an object as for record_outcome is allowed")
            outcomes.append(outcome_of(Request(verb=verb, args=dict(item)), self.ctx.wall()))
        recorded = sum(counted.is_new for counted in self._record(outcomes))
        return {"recorded": recorded, "duplicates": len(outcomes) - recorded}

    def _record(self, outcomes: list[Outcome]) -> list[Counted]:
        counted = self.writer.record(outcomes) if outcomes else []
        new = [(outcome, each) for outcome, each in zip(outcomes, counted, strict=True) if each.is_new]
        for outcome, each in new:
            self._tell(outcome, each)
        self._recorded += len(new)
        if new:
            self._changed()
        return counted

    def _tell(self, outcome: Outcome, counted: Counted) -> None:
        standing, signature = counted.standing, counted.signature
        word = "worked" if outcome.ok else "failed"
        self.did = f"recorded that {outcome.playbook} {word} for {signature}: confidence {standing.confidence}"
        data = {"playbook": outcome.playbook, **asdict(standing), "ok": outcome.ok, "verified": outcome.verified}
        self.ctx.emit("signature.recorded", signature, data)
        if standing.auto_apply != counted.was_auto:
            self.ctx.emit("signature.demoted" if counted.was_auto else "signature.promoted", signature, data)

    def do_merge(self, request: Request) -> Any:
        """Make the signature `from` an alias of the signature `into`, with its aliases, repairs and history."""
        source, target = (text(request, key, max_chars=NAME_CHARS) for key in ("from", "into"))
        by = text_or(request, "by", request.sender, max_chars=NAME_CHARS)
        done = self.writer.merge(source, target)
        self._changed()
        self.did = f"merged {done['from']} into {done['signature']}"
        self.ctx.emit(
            "signature.merged", done["signature"], {key: done[key] for key in done if key != "signature"} | {"by": by}
        )
        return done

    def do_forget(self, request: Request) -> Any:
        """Delete a signature with its repairs and history; answers what was deleted."""
        gone = self.writer.forget(text(request, "signature", max_chars=NAME_CHARS))
        self._changed()
        self.did = f"forgot {gone['signature']}"
        self.ctx.emit("signature.forgotten", gone["signature"], {"by": request.sender, "repairs": len(gone["repairs"])})
        return gone

    def do_import(self, request: Request) -> Any:
        """Take over `signatures` in the JSON form, all or none; without `replace` nothing known becomes less, with
        `check` nothing is written. Answers counts and notes."""
        entries, notes = parse_entries(need(request, "signatures", dict))
        replace, check = flag(request, "replace", False), flag(request, "check", False)
        counts = signature_import.put(self.rows, entries, replace=replace, check=check, now=self.ctx.wall())
        if not check:
            self._changed()
            self.did = f"imported {len(entries)} signatures"
            self.ctx.emit("signature.imported", self.ctx.name, counts | {"by": request.sender, "replace": replace})
        return counts | {"notes": notes}

    # ---- snapshots ----------------------------------------------------------------------------------

    def _changed(self) -> None:
        self.answers.changed()
        if self._backup_timer is None:
            self._backup_timer = self.ctx.after(BACKUP_S, self._back_up)

    def _back_up(self) -> None:
        self._backup_timer = None
        try:
            self.store.backup_if_changed()
            self.degraded = []
        except StoreFailed as error:
            self.degraded = [f"no snapshot: {error.message}"]
            self._backup_timer = self.ctx.after(60.0, self._back_up)

    def stop(self, reason: str) -> None:
        try:
            self.store.backup_if_changed()
        except GraceError as error:
            self.did = f"stopped without a snapshot: {error.message}"
        self.store.close()


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
