"""Hosts the cases of incidents: tells them what happens, keeps them, performs what they ask for.

What is done about an incident is decided in `playbooks.incidents`. Invariant: the state after an event is on the disk
before any of its commands is performed, together with the number of the last event that was taken; one kernel is under
repair by one case at a time; while the disk refuses, nothing is performed.
"""

from __future__ import annotations

import json
from collections import Counter

from grace_actors.errors import Refused, StoreFailed
from grace_actors.healing.case_rows import (
    cleaned,
    columns_of,
    event_data,
    new_record,
    new_row,
    text,
    unreadable,
)
from grace_actors.healing.incident_rows import Batch, Incidents
from grace_actors.healing.intake import Seen
from grace_actors.healing.open_cases import OpenCases
from grace_actors.healing.outbox import Outbox
from grace_actors.healing.paperwork import sighted, write
from grace_actors.healing.performing import Performing
from grace_actors.healing.redaction import masked_data
from grace_actors.healing.sightings import Sightings
from grace_actors.kernel import Context, Data, Timer
from playbooks.incidents import Case, CaseState, Phase
from playbooks.incidents import messages as m
from playbooks.incidents.messages import Clock, Command, Event
from playbooks.incidents.state import record_of
from playbooks.matching import TriggerEvent
from playbooks.recognition import Failure, Signature

SAME_INCIDENT_S = 300.0
"""A failure that comes back so soon after a restart healed it is the same incident."""
MAX_EVENTS = 4
SAVE_AGAIN_S = 5.0
KEPT = "it is kept in memory and written as soon as the disk takes it"


class Casework:
    """All incidents. `start` takes up those of before; `failed`, `held`, `up` tell of new events; `settle` writes and
    performs."""

    def __init__(self, ctx: Context, incidents: Incidents, outbox: Outbox, *, settle_s: float) -> None:
        self._ctx, self._incidents, self._outbox = ctx, incidents, outbox
        self._settle_s = settle_s
        self._cases = OpenCases()
        self._rows: dict[str, Data] = {}
        """Of the cases that go on, and of those that are over and not written yet."""
        self._sightings = Sightings()
        self._clocks: dict[tuple[str, Clock], Timer] = {}
        self._batch = Batch()
        self._todo: list[tuple[str, Command]] = []
        self._recurrences: dict[str, Data] = {}
        """Told once for all events that are written together: a storm is not answered with a storm."""
        self._last_event = incidents.last_event
        self._is_settling = self._has_mail = False
        self._again: Timer | None = None
        self.folded: Counter[str] = Counter()
        self.problem = ""
        """Why nothing goes on; empty when all is well."""
        self.performing: Performing | None = None

    # ---- what happens -----------------------------------------------------------------------------------

    def taking(self, seq: int) -> None:
        """The event with this number comes now. A lower number than the last is of a log that was begun anew, in which
        what was taken of the old one means nothing."""
        if 0 < seq <= self._last_event:
            self._begin_log()
        self._last_event = seq or self._last_event

    def _begin_log(self) -> None:
        self._batch.is_new_log = True
        for row in self._rows.values():
            row["seq"] = 0

    def taken(self, seq: int) -> None:
        """It is in the batch, whenever that is written."""
        if seq:
            self._batch.last_event = seq

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

    def tell(self, id: str, event: Event) -> None:
        """Tell a case what came of a command, and settle. What comes after its end changes nothing."""
        if id in self._cases:
            self._feed(id, event)
            self.settle()

    # ---- incidents --------------------------------------------------------------------------------------

    def _open(self, seen: Seen, signature: Signature) -> str:
        id = self._incidents.next_id(seen.at)
        record = new_record(id, seen, signature, self._sightings.lived(seen))
        row = new_row(record, seen, signature, self._ctx.wall())
        self._batch.inserts[id] = self._rows[id] = row
        self._cases.add(Case(record, settle_s=self._settle_s))
        sighted(self._batch, row)
        told = {"kernel": record.kernel, "kind": record.kind, "reason": record.reason, "count": 1}
        self._todo.append((id, m.Tell("incident.opened", told | {"signature": signature.id})))
        self._feed(id, m.Opened(seen.decide))
        return id

    def _reopened(self, kernel: str, specific: str, seen: Seen) -> str:
        """The last incident of this kind, when a restart healed it a moment ago, or when it took this event already."""
        row = self._incidents.latest(kernel, specific)
        row = row and self._rows.get(row["id"], row)
        if row is not None and self._batch.is_new_log:
            row["seq"] = 0
        if row is None or seen.at - row["last_at"] > SAME_INCIDENT_S or row["data"] == "":
            return ""
        if 0 < seen.seq <= row["seq"]:  # an event that is read again
            return str(row["id"])
        same = row["state"] == CaseState.HEALED and row["repair"] in ("restart", "start")
        if not same or seen.decide or not self._load(row):
            return ""
        return str(row["id"])

    def _recurred(self, id: str, seen: Seen) -> None:
        if id not in self._cases:
            return
        row = self._rows[id]
        if 0 < seen.seq <= row["seq"]:
            return
        changed = {"count": row["count"] + 1, "last_at": max(seen.at, row["last_at"]), "seq": max(seen.seq, row["seq"])}
        self._change(id, changed)
        told = {"kernel": row["kernel"], "kind": row["kind"], "reason": row["reason"], "count": changed["count"]}
        self._recurrences[id] = told
        self._feed(id, m.Recurred(seen.at, self._sightings.lived(seen)))

    def _add_event(self, id: str, event: TriggerEvent) -> None:
        events = [one for one in json.loads(self._rows[id]["events"]) if one["type"] != event.type]
        kept = [*events[-MAX_EVENTS + 1 :], event_data(event)]
        self._change(id, {"events": json.dumps(kept, default=str)})

    def events_of(self, id: str) -> list[TriggerEvent]:
        """The events of an incident as playbooks see them, the newest first."""
        row = self.row(id)
        events = json.loads(row["events"])[::-1]
        more = {"incident": id, "signature": row["signature"], "first": events[-1]["type"] if events else ""}
        return [TriggerEvent(type=one["type"], issue={**one["issue"], **more}) for one in events]

    def row(self, id: str) -> Data:
        """The row of an incident as it is now, written or not."""
        return self._rows.get(id) or self._incidents.get(id)

    def _change(self, id: str, values: Data) -> None:
        self._rows[id].update(values)
        self._batch.change(id, values)

    # ---- cases ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take up every incident that is not over. Called once."""
        for row in self._incidents.going_on():
            if not self._load(row):
                self._batch.updates[row["id"]] = unreadable(row)
        for id in self._cases.ids:
            self._feed(id, m.Restored())
        self.settle()

    def _load(self, row: Data) -> bool:
        """Have the case of a row back; False when it cannot be read."""
        try:
            record = record_of(json.loads(row["data"]))
        except ValueError:
            return False
        self._cases.add(Case(record, settle_s=self._settle_s))
        self._rows[row["id"]] = row
        return True

    def _feed(self, id: str, event: Event) -> None:
        """Tell a case; its state is in the batch, its commands are to do."""
        case = self._cases[id]
        before, was_busy = case.record.phase, case.record.is_busy
        for command in case.handle(cleaned(event), self._ctx.wall()):
            self._take(id, command)
        record = case.record
        values = columns_of(record)
        if record.attempt is not None:
            values["run"] = record.attempt.run
        if before is Phase.APPROVAL and record.phase is not Phase.APPROVAL:
            values["approval"] = ""
            self._forget(id)
        self._change(id, {key: value for key, value in values.items() if self._rows[id].get(key) != value})
        if record.phase is Phase.OVER:
            self._cases.remove(id)
            self._forget(id)
        if (was_busy and not record.is_busy) or record.phase is Phase.OVER:
            self._release(record.kernel)

    def _forget(self, id: str) -> None:
        if self.performing is not None:
            self.performing.forget(id)

    def _release(self, kernel: str) -> None:
        if id := self._cases.next_queued(kernel):
            self._feed(id, m.Released())

    def _take(self, id: str, command: Command) -> None:
        """What is only written joins the batch; what is done waits until that is on the disk."""
        if isinstance(command, m.Tell) and command.type == "self_healing.escalated":
            self._change(id, {"escalated": 1})
        if not write(self._batch, self._cases[id].record, self._rows[id], command, self._ctx.wall()):
            self._todo.append((id, command))

    # ---- writing and performing -------------------------------------------------------------------------

    def settle(self, last_event: int | None = None) -> None:
        """Write what was decided, then do it, and so on with what came of that at once. What the disk does not take is
        tried again by itself."""
        if last_event is not None:
            if last_event < self._last_event:
                self._begin_log()
            self._last_event = self._batch.last_event = last_event
        if self._is_settling:
            return
        self._is_settling = True
        try:
            while self._todo or self._recurrences or not self._batch.is_empty:
                if not self._written():
                    return
                self._do()
        finally:
            self._is_settling = False

    def _written(self) -> bool:
        if self._incidents.is_another_file():
            self._write_all()
        try:
            if not self._batch.is_empty:
                self._incidents.save(self._batch)
        except StoreFailed as error:
            self.problem = f"incidents stand still: {error.message}"
            if self._again is None:
                self._again = self._ctx.after(SAVE_AGAIN_S, self._try_again)
            return False
        self.problem = ""
        self._has_mail = self._has_mail or bool(self._batch.outbox)
        self._batch = Batch()
        for id in [id for id in self._rows if id not in self._cases]:
            del self._rows[id]
        return True

    def _write_all(self) -> None:
        """The file was replaced by an older one or a new one: what is known here counts."""
        for id, row in self._rows.items():
            if id not in self._batch.inserts:
                self._batch.updates[id] = {key: value for key, value in row.items() if key != "decision"}
        self._batch.outbox = [*self._outbox.unsent(), *self._batch.outbox]
        self._batch.is_other_file = True

    def _do(self) -> None:
        """Mail first: what was learned is on its way before anybody is asked for what is known."""
        if self._has_mail:
            self._has_mail = False
            self._outbox.flush()
        todo, self._todo = self._todo, []
        recurrences, self._recurrences = self._recurrences, {}
        for id, told in recurrences.items():
            self._ctx.emit("incident.recurred", id, told)
        for id, command in todo:
            self._perform(id, command)

    def _try_again(self) -> None:
        self._again = None
        self.settle()

    def _perform(self, id: str, command: Command) -> None:
        match command:
            case m.Tell(type, data):
                self._ctx.emit(type, id, masked_data(dict(data)))
            case m.SetClock(clock, delay_s):
                self._stop_clock(id, clock)
                self._clocks[id, clock] = self._ctx.after(delay_s, lambda: self._rang(id, clock))
            case m.StopClock(clock):
                self._stop_clock(id, clock)
            case m.LookUp() if other := self._cases.busy_beside(id):
                self.tell(id, m.Busy(other))
            case _ if self.performing is not None and id in self._cases:
                try:
                    self.performing.perform(id, command)
                except StoreFailed as error:
                    self.problem = f"incidents stand still: {error.message}"
                    self._ctx.after(SAVE_AGAIN_S, lambda: self._perform(id, command))

    def _stop_clock(self, id: str, clock: Clock) -> None:
        if (timer := self._clocks.pop((id, clock), None)) is not None:
            timer.cancel()

    def _rang(self, id: str, clock: Clock) -> None:
        self._clocks.pop((id, clock), None)
        self.tell(id, m.ClockRang(clock))

    # ---- for who performs ------------------------------------------------------------------------------

    def phase(self, id: str) -> Phase | None:
        """What the case waits for; None when it is over."""
        return self._cases[id].record.phase if id in self._cases else None

    def state(self, id: str) -> CaseState | None:
        """What people are shown of the case; None when it is over."""
        return self._cases[id].record.state if id in self._cases else None

    def is_child(self, id: str) -> bool:
        """Whether the failure is one of the tree, so that its kernel is in it."""
        return id in self._cases and not self._cases[id].record.decide

    def again(self, id: str, command: Command) -> None:
        """Perform a command once more that could not be performed."""
        self._perform(id, command)

    def write(self, id: str, values: Data) -> None:
        """Keep something about an incident that its case need not know."""
        if id in self._cases:
            self._change(id, values)
            self.settle()

    def began(self, id: str, playbook: str, run: str) -> None:
        """The attempt that was begun last has this run; it is written with what comes next."""
        self._batch.runs.append((id, playbook, run))

    def note(self, id: str, what: str, *, settle: bool = True) -> None:
        """Add a line to the story; without `settle` it is written with what comes next."""
        self._batch.timeline.append((id, self._ctx.wall(), text(what)))
        if settle:
            self.settle()

    # ---- by hand ----------------------------------------------------------------------------------------

    def resolve(self, id: str, by: str, note: str) -> Data:
        """A person says that an incident is over. Raises NotFound, or Refused when it is healed."""
        row = self.row(id)
        if row["state"] == CaseState.HEALED:
            raise Refused(f"{id} is healed already", hint=f"see: incident show {id}")
        values = {"resolved_at": self._ctx.wall(), "resolved_by": by, "note": text(note)}
        if id in self._cases or self._load(row):
            self._change(id, values)
            self.tell(id, m.Closed(by, note))
        else:
            values |= {"state": CaseState.HEALED.value, "repair": "by hand", "healed_at": self._ctx.wall()}
            self._batch.change(id, values | {"is_over": 1})
            self.settle()
        if self.problem:
            raise StoreFailed(self.problem, hint=KEPT)
        return self.row(id)

    @property
    def counts(self) -> dict[str, int]:
        """How many incidents that are not over there are of each state."""
        return self._cases.counts()
