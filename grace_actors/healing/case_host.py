"""Hosts the cases of incidents: takes them up, tells them what happens, performs what they ask for.

What is done about an incident is decided in `playbooks.incidents`, and written by the desk before it is performed. It
must not know how failures are recognised. Invariant: one kernel is under repair by one case at a time.
"""

from __future__ import annotations

import json
from typing import Any

from grace_actors.errors import Refused, StoreFailed
from grace_actors.healing.case_rows import (
    cleaned,
    columns_of,
    event_data,
    text,
    unreadable,
)
from grace_actors.healing.desk import SAVE_AGAIN_S, Desk
from grace_actors.healing.incident_rows import Incidents
from grace_actors.healing.open_cases import OpenCases
from grace_actors.healing.outbox import Outbox
from grace_actors.healing.paperwork import WITHDRAW
from grace_actors.healing.performing import Performing
from grace_actors.healing.redaction import masked_data
from grace_actors.kernel import Context, Data, Timer
from playbooks.incidents import Case, CaseState, Phase
from playbooks.incidents import messages as m
from playbooks.incidents.messages import Clock, Command, Event
from playbooks.incidents.state import record_of
from playbooks.matching import TriggerEvent

MAX_EVENTS = 4
KEPT = "it is kept in memory and written as soon as the disk takes it"


class CaseHost:
    """All cases that go on. `start` takes up those of before; `tell` says what came of a command; `settle` writes and
    performs."""

    def __init__(self, ctx: Context, incidents: Incidents, outbox: Outbox, *, settle_s: float) -> None:
        self._ctx, self._incidents, self._outbox = ctx, incidents, outbox
        self._settle_s = settle_s
        self._cases = OpenCases()
        self._desk = Desk(ctx, incidents, outbox, lambda id: id in self._cases, self._perform)
        self._rows = self._desk.rows
        self._clocks: dict[tuple[str, Clock], Timer] = {}
        outbox.heard = self._heard_of_mail
        self.performing: Performing | None = None

    # ---- cases ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take up every incident that is not over. Called once."""
        for row in self._incidents.going_on():
            if not self._load(row):
                self._desk.batch.updates[row["id"]] = unreadable(row)
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
        self._desk.change(id, {key: value for key, value in values.items() if self._rows[id].get(key) != value})
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
        if isinstance(command, m.Tell) and command.type == "self_healing.escalated":
            self._desk.change(id, {"escalated": 1})
        self._desk.take(self._cases[id].record, command)

    def tell(self, id: str, event: Event) -> None:
        """Tell a case what came of a command, and settle. What comes after its end changes nothing."""
        if id in self._cases:
            self._feed(id, event)
            self.settle()

    # ---- performing -------------------------------------------------------------------------------------

    def settle(self, last_event: int | None = None) -> None:
        """Write what was decided, then do it. What the disk does not take is tried again by itself."""
        self._desk.settle(last_event)

    @property
    def problem(self) -> str:
        """Why nothing goes on; empty when all is well."""
        return self._desk.problem

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
                    self._desk.problem = f"incidents stand still: {error.message}"
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
            self._desk.change(id, values)
            self.settle()

    def began(self, id: str, playbook: str, run: str) -> None:
        """The attempt that was begun last has this run; it is written with what comes next."""
        self._desk.batch.runs.append((id, playbook, run))

    def note(self, id: str, what: str, *, settle: bool = True) -> None:
        """Add a line to the story; without `settle` it is written with what comes next."""
        self._desk.note(id, what)
        if settle:
            self.settle()

    def _heard_of_mail(self, mail: Data, answer: Any) -> None:
        """What became of the orders that were withdrawn, for the story."""
        if mail["verb"] != WITHDRAW:
            return
        for order in answer["withdrawn"]:
            self.note(mail["incident"], f"withdrew {order}: nobody had begun it")
        for left in answer["begun"]:
            self.note(mail["incident"], f"left {left['id']} to {left['agent']}, who had begun it")

    # ---- rows -------------------------------------------------------------------------------------------

    def _add_event(self, id: str, event: TriggerEvent) -> None:
        events = [one for one in json.loads(self._rows[id]["events"]) if one["type"] != event.type]
        kept = [*events[-MAX_EVENTS + 1 :], event_data(event)]
        self._desk.change(id, {"events": json.dumps(kept, default=str)})

    def events_of(self, id: str) -> list[TriggerEvent]:
        """The events of an incident as playbooks see them, the newest first."""
        row = self.row(id)
        events = json.loads(row["events"])[::-1]
        more = {"incident": id, "signature": row["signature"], "first": events[-1]["type"] if events else ""}
        return [TriggerEvent(type=one["type"], issue={**one["issue"], **more}) for one in events]

    def row(self, id: str) -> Data:
        """The row of an incident as it is now, written or not."""
        return self._rows.get(id) or self._incidents.get(id)

    # ---- by hand ----------------------------------------------------------------------------------------

    def resolve(self, id: str, by: str, note: str) -> Data:
        """A person says that an incident is over. Raises NotFound, or Refused when it is healed."""
        row = self.row(id)
        if row["state"] == CaseState.HEALED:
            raise Refused(f"{id} is healed already", hint=f"see: incident show {id}")
        values = {"resolved_at": self._ctx.wall(), "resolved_by": by, "note": text(note)}
        if id in self._cases or self._load(row):
            self._desk.change(id, values)
            self.tell(id, m.Closed(by, note))
        else:
            values |= {"state": CaseState.HEALED.value, "repair": "by hand", "healed_at": self._ctx.wall()}
            self._desk.batch.change(id, values | {"is_over": 1})
            self.settle()
        if self.problem:
            raise StoreFailed(self.problem, hint=KEPT)
        return self.row(id)

    @property
    def counts(self) -> dict[str, int]:
        """How many incidents that are not over there are of each state."""
        return self._cases.counts()
