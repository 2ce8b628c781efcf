"""The signature actor: remembers which repair worked for which failure, and how far it is trusted.

The only writer of `signatures.db`. It must not run repairs or decide on them: it answers with standing and history.
Invariant: an answered outcome survives any crash; after a damaged file it is at most BACKUP_S old.
"""

from __future__ import annotations

from typing import Any

from grace_actors.errors import GraceError, Refused, StoreFailed
from grace_actors.kernel import Check, Data, Kernel, Request, Timer, need
from grace_actors.kernels.arguments import flag, number_or, text, text_or, texts_or_empty, whole_or
from grace_actors.kernels.rows import as_json
from grace_actors.stores.signature_rows import Outcome, SignatureRows, migrations
from grace_actors.stores.sqlite import EVENTS, Store

BACKUP_S = 2.0
"""From a change to the snapshot that contains it; changes within this time share one."""
NAME_CHARS = 300


class SignatureStore(Kernel):
    """Verbs: lookup, record_outcome, list, get, forget, stats. Confidence is in hundredths."""

    emits = ("signature.recorded", "signature.promoted", "signature.demoted", "signature.forgotten", *EVENTS)

    def setup(self) -> None:
        path = self.ctx.data / "signatures.db"
        self.store = Store(path, migrations, emit=self.ctx.emit, name=self.ctx.name, home=self.ctx.home)
        self.rows = SignatureRows(self.store)
        self._recorded = self._looked_up = self._known = 0
        self._backup_timer: Timer | None = None
        if self.store.changed:
            self._changed()

    def ready(self) -> list[Check]:
        known = Check(name="signatures_readable", ok=True, detail=f"{self.rows.totals()['known_signatures']} known")
        return [self.store.writable(), known]

    def do_lookup(self, request: Request) -> Any:
        """What is known of `signature`, or of the first of `hashes` that is known: `known`, its repairs, and `best`,
        the most trusted one (null when none ever worked)."""
        names = [name for name in [text_or(request, "signature", max_chars=NAME_CHARS)] if name]
        names += texts_or_empty(request, "hashes")
        if not names:
            raise Refused("lookup: neither signature nor hashes are given", hint="give one of them")
        self._looked_up += 1
        signature = self.rows.find(names)
        if signature is None:
            self.did = f"looked up {names[0]}: not known"
            return {"known": False, "signature": names[0], "repairs": [], "best": None}
        self._known += 1
        found = self.rows.describe(signature)
        worked = [repair for repair in found["repairs"] if repair["successes"]]
        self.did = f"looked up {signature}: {len(worked)} repairs have worked"
        return found | {"known": True, "best": worked[0] if worked else None}

    def do_record_outcome(self, request: Request) -> Any:
        """Count one use of `repair` ({playbook, params} or a playbook's name) for `signature`: `ok`, `verified` (true),
        `aliases`, `incident`, `detail`, `at`; the same `run` counts once. Answers the repair as it stands now."""
        outcome = self._outcome(request)
        before = self._standing(outcome)
        repair, is_new = self.rows.record(outcome)
        if is_new:
            self._recorded += 1
            self._changed()
            self._tell(outcome, repair, was_auto=before)
        return repair | {"duplicate": not is_new}

    def _outcome(self, request: Request) -> Outcome:
        repair = need(request, "repair", (dict, str))
        playbook = repair if isinstance(repair, str) else repair.get("playbook")
        params: Any = {} if isinstance(repair, str) else repair.get("params") or {}
        if not isinstance(playbook, str) or not playbook.strip() or not isinstance(params, dict):
            raise Refused(f"record_outcome: repair is {repair!r:.100}", hint="{playbook: NAME, params: {...}} or NAME")
        as_json(params, "record_outcome: params")
        given, aliases = text(request, "signature", max_chars=NAME_CHARS), texts_or_empty(request, "aliases")
        return Outcome(
            signature=self.rows.find([given, *aliases]) or given,
            aliases=[given, *aliases],
            playbook=playbook.strip(),
            params=params,
            ok=flag(request, "ok"),
            verified=flag(request, "verified", True),
            at=number_or(request, "at", self.ctx.wall(), low=0.0, high=1e12),
            run=text_or(request, "run", max_chars=NAME_CHARS),
            incident=text_or(request, "incident", max_chars=NAME_CHARS),
            detail=text_or(request, "detail", max_chars=2000),
        )

    def _standing(self, outcome: Outcome) -> bool:
        """Whether the repair was applied automatically before."""
        if self.rows.find([outcome.signature]) is None:
            return False
        same = (outcome.playbook, outcome.params)
        repairs = self.rows.describe(outcome.signature)["repairs"]
        return any(repair["auto_apply"] for repair in repairs if (repair["playbook"], repair["params"]) == same)

    def _tell(self, outcome: Outcome, repair: Data, *, was_auto: bool) -> None:
        word = "worked" if outcome.ok else "failed"
        self.did = f"recorded that {outcome.playbook} {word} for {outcome.signature}: confidence {repair['confidence']}"
        keys = ("playbook", "confidence", "auto_apply", "successes", "failures")
        data = {key: repair[key] for key in keys} | {"ok": outcome.ok, "verified": outcome.verified}
        self.ctx.emit("signature.recorded", outcome.signature, data)
        if repair["auto_apply"] != was_auto:
            self.ctx.emit("signature.demoted" if was_auto else "signature.promoted", outcome.signature, data)

    def do_list(self, request: Request) -> Any:
        """Repairs of all signatures, the newest used first; `auto_apply` true leaves out the others."""
        limit = whole_or(request, "limit", 100, low=1, high=1000)
        found = self.rows.page(limit, auto_only=flag(request, "auto_apply", False))
        return {"count": len(found), "signatures": found}

    def do_get(self, request: Request) -> Any:
        """A signature or alias with its repairs and their history."""
        name = text(request, "signature", max_chars=NAME_CHARS)
        return self.rows.describe(self.rows.find([name]) or name, history=True)

    def do_forget(self, request: Request) -> Any:
        """Delete a signature with its repairs and history; answers what was deleted."""
        name = text(request, "signature", max_chars=NAME_CHARS)
        gone = self.rows.forget(self.rows.find([name]) or name)
        self._changed()
        self.did = f"forgot {gone['signature']}"
        self.ctx.emit("signature.forgotten", gone["signature"], {"by": request.sender, "repairs": len(gone["repairs"])})
        return gone

    def do_stats(self, request: Request) -> Any:
        """Known signatures, repairs, automatic ones, outcomes, and the share of outcomes that were successes."""
        totals = self.rows.totals()
        used = totals["successes"] + totals["failures"]
        return totals | {"success_rate": round(totals["successes"] / used, 4) if used else None}

    def metrics(self) -> dict[str, float]:
        totals = self.rows.totals()
        return {
            "signatures_known_count": float(totals["known_signatures"]),
            "signatures_auto_apply_count": float(totals["auto_apply"]),
            "signatures_high_confidence_count": float(totals["high_confidence"]),
            "outcomes_recorded_count": float(self._recorded),
            "lookups_count": float(self._looked_up),
            "lookups_known_count": float(self._known),
        }

    def _changed(self) -> None:
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
