"""Which incident a failure, a sign of health or an end of one concerns, and whether it is a new one.

Invariant: the same failure is one incident while that is not over, and an event of the log counts once.
"""

from __future__ import annotations

from collections import Counter

from grace_actors.healing.case_host import CaseHost
from grace_actors.healing.case_rows import (
    new_record,
    new_row,
)
from grace_actors.healing.incident_rows import Incidents
from grace_actors.healing.intake import Seen
from grace_actors.healing.outbox import Outbox
from grace_actors.healing.paperwork import sighted
from grace_actors.healing.sightings import Sightings
from grace_actors.kernel import Context
from playbooks.incidents import ITSELF, Case, CaseState
from playbooks.incidents import messages as m
from playbooks.matching import TriggerEvent
from playbooks.recognition import Failure, Signature

SAME_INCIDENT_S = 300.0
"""A failure that comes back so soon after a restart healed it is the same incident, and so is what a trigger finds
again so soon after it was over by itself."""


class Casework(CaseHost):
    """All incidents: `failed`, `held`, `up`, `cleared` tell of new events."""

    def __init__(self, ctx: Context, incidents: Incidents, outbox: Outbox, *, settle_s: float) -> None:
        super().__init__(ctx, incidents, outbox, settle_s=settle_s)
        self._sightings = Sightings()
        self.folded: Counter[str] = Counter()

    # ---- what happens -----------------------------------------------------------------------------------

    def taking(self, seq: int) -> None:
        """The event of the log with this number comes now."""
        self._desk.taking(seq)

    def taken(self, seq: int) -> None:
        """It is in the batch, whenever that is written."""
        self._desk.taken(seq)

    def failed(self, seen: Seen, *, is_held: bool = False) -> tuple[str, bool]:
        """A failure was seen; its incident (empty when it was only counted), and whether that is new."""
        signature = self._sightings.signature(seen.failure)
        kernel = seen.failure.kernel
        id = self._cases.of_failure(kernel, signature.specific) or self._reopened(kernel, signature.specific, seen)
        if id:
            self._recurred(id, seen)
            return id, False
        if not self._cases.has_room(kernel, decide=seen.decide, is_held=is_held):
            self.folded[f"{seen.failure.kind.value} {seen.event.type:.100}"] += 1
            return "", False
        return self._open(seen, signature), True

    def cleared(self, failure: Failure, seq: int) -> None:
        """What a trigger had found is no longer so. An event that is read again says nothing of what came after it."""
        id = self._cases.of_failure(failure.kernel, self._sightings.signature(failure).specific)
        if id and not 0 < seq <= self._rows[id]["seq"]:
            self._feed(id, m.Cleared())

    def held(self, kernel: str, state: str, cause: str, event: TriggerEvent, specific: str) -> bool:
        """A supervisor keeps a kernel down. It concerns the incident with that hash, else the kernel's last one; False
        when there is none."""
        mine = self._cases.of_kernel(kernel)
        exact = [id for id, case in mine.items() if case.record.specific == specific]
        for id in (exact or list(mine))[-1:]:
            self._add_event(id, event)
            self._feed(id, m.Held(state, cause))
        return bool(mine)

    def up(self, kernel: str, at: float) -> None:
        """A kernel was started and is ready."""
        self._sightings.started(kernel, at)
        for id in self._cases.of_kernel(kernel):
            if id in self._cases:
                self._feed(id, m.Up())

    def is_open(self, kernel: str, kind: str) -> bool:
        """Whether the kernel has an incident of this kind that is watched."""
        return any(case.record.kind == kind for case in self._cases.of_kernel(kernel).values())

    # ---- incidents --------------------------------------------------------------------------------------

    def _open(self, seen: Seen, signature: Signature) -> str:
        id = self._incidents.next_id(seen.at)
        record = new_record(id, seen, signature, self._sightings.lived(seen))
        row = new_row(record, seen, signature, self._ctx.wall())
        self._desk.open(row)
        self._cases.add(Case(record, settle_s=self._settle_s))
        sighted(self._desk.batch, row)
        told = {"kernel": record.kernel, "kind": record.kind, "reason": record.reason, "count": 1}
        self._desk.do(id, m.Tell("incident.opened", told | {"signature": signature.id}))
        self._feed(id, m.Opened(seen.decide))
        return id

    def _reopened(self, kernel: str, specific: str, seen: Seen) -> str:
        """The last incident of this kind, when it ended a moment ago without a repair, or when it took this event
        already. What a repair healed and comes back is a new one: the knowledge of repairs has to see that."""
        row = self._incidents.latest(kernel, specific)
        row = row and self._rows.get(row["id"], row)
        if row is not None and self._desk.batch.is_new_log:
            row["seq"] = 0
        if row is None or row["data"] == "":
            return ""
        was_over_at = row["healed_at"] if row["repair"] == ITSELF else None
        if seen.at - max(row["last_at"], was_over_at or 0.0) > SAME_INCIDENT_S:
            return ""
        if 0 < seen.seq <= row["seq"]:  # an event that is read again
            return str(row["id"])
        same = row["state"] == CaseState.HEALED and row["repair"] in (
            (ITSELF,) if seen.decide else ("restart", "start")
        )
        if not same or not self._cases.has_room(kernel, decide=seen.decide, is_held=False) or not self._load(row):
            return ""
        self._add_event(row["id"], seen.event)
        return str(row["id"])

    def _recurred(self, id: str, seen: Seen) -> None:
        if id not in self._cases:
            return
        row = self._rows[id]
        if 0 < seen.seq <= row["seq"]:
            return
        changed = {"count": row["count"] + 1, "last_at": max(seen.at, row["last_at"]), "seq": max(seen.seq, row["seq"])}
        self._desk.change(id, changed)
        told = {"kernel": row["kernel"], "kind": row["kind"], "reason": row["reason"], "count": changed["count"]}
        self._desk.recurred(id, told)
        self._feed(id, m.Recurred(seen.at, self._sightings.lived(seen)))
