"""Writes what cases decided, then has it done: the batch, what is to do after it, and the disk that may refuse.

It must not know what a case is. Invariant: the state after an event is on the disk before any of its commands is done,
together with the number of the last event that was taken; while the disk refuses, nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable

from grace_actors.errors import StoreFailed
from grace_actors.healing.case_rows import text
from grace_actors.healing.incident_rows import Batch, Incidents
from grace_actors.healing.outbox import Outbox
from grace_actors.healing.paperwork import write
from grace_actors.kernel import Context, Data, Timer
from playbooks.incidents import Record
from playbooks.incidents.messages import Command

SAVE_AGAIN_S = 5.0


class Desk:
    """`rows` are those of the cases that go on, and of those that are over and not written yet; `is_open` tells them
    apart. `perform` does a command."""

    def __init__(
        self,
        ctx: Context,
        incidents: Incidents,
        outbox: Outbox,
        is_open: Callable[[str], bool],
        perform: Callable[[str, Command], None],
    ) -> None:
        self._ctx, self._incidents, self._outbox = ctx, incidents, outbox
        self._is_open, self._perform = is_open, perform
        self.rows: dict[str, Data] = {}
        self.batch = Batch()
        self.problem = ""
        """Why nothing goes on; empty when all is well."""
        self._todo: list[tuple[str, Command]] = []
        self._recurrences: dict[str, Data] = {}
        """Told once for all events that are written together: a storm is not answered with a storm."""
        self._last_event = incidents.last_event
        self._is_settling = self._has_mail = False
        self._again: Timer | None = None

    # ---- events of the log ------------------------------------------------------------------------------

    def taking(self, seq: int) -> None:
        """The event with this number comes now. A lower number than the last is of a log that was begun anew, in which
        what was taken of the old one means nothing."""
        if 0 < seq <= self._last_event:
            self._begin_log()
        self._last_event = seq or self._last_event

    def _begin_log(self) -> None:
        self.batch.is_new_log = True
        for row in self.rows.values():
            row["seq"] = 0

    def taken(self, seq: int) -> None:
        """It is in the batch, whenever that is written."""
        if seq:
            self.batch.last_event = seq

    # ---- what is to be written and done -----------------------------------------------------------------

    def open(self, row: Data) -> None:
        """A new incident."""
        self.batch.inserts[row["id"]] = self.rows[row["id"]] = row

    def change(self, id: str, values: Data) -> None:
        """Columns of an incident that goes on."""
        self.rows[id].update(values)
        self.batch.change(id, values)

    def take(self, record: Record, command: Command) -> None:
        """What is only written joins the batch; what is done waits until that is on the disk."""
        if not write(self.batch, record, self.rows[record.id], command, self._ctx.wall()):
            self._todo.append((record.id, command))

    def do(self, id: str, command: Command) -> None:
        """Do it once everything so far is on the disk."""
        self._todo.append((id, command))

    def recurred(self, id: str, told: Data) -> None:
        """Tell that it recurred."""
        self._recurrences[id] = told

    def note(self, id: str, what: str) -> None:
        """Add a line to the story."""
        self.batch.timeline.append((id, self._ctx.wall(), text(what)))

    # ---- writing and doing ------------------------------------------------------------------------------

    def settle(self, last_event: int | None = None) -> None:
        """Write what was decided, then do it, and so on with what came of that at once. What the disk does not take is
        tried again by itself."""
        if last_event is not None:
            if last_event < self._last_event:
                self._begin_log()
            self._last_event = self.batch.last_event = last_event
        if self._is_settling:
            return
        self._is_settling = True
        try:
            while self._todo or self._recurrences or not self.batch.is_empty:
                if not self._written():
                    return
                self._do()
        finally:
            self._is_settling = False

    def _written(self) -> bool:
        if self._incidents.is_another_file():
            self._write_all()
        try:
            if not self.batch.is_empty:
                self._incidents.save(self.batch)
        except StoreFailed as error:
            self.problem = f"incidents stand still: {error.message}"
            if self._again is None:
                self._again = self._ctx.after(SAVE_AGAIN_S, self._try_again)
            return False
        self.problem = ""
        self._has_mail = self._has_mail or bool(self.batch.outbox)
        self.batch = Batch()
        for id in [id for id in self.rows if not self._is_open(id)]:
            del self.rows[id]
        return True

    def _write_all(self) -> None:
        """The file was replaced by an older one or a new one: what is known here counts."""
        for id, row in self.rows.items():
            if id not in self.batch.inserts:
                self.batch.updates[id] = {key: value for key, value in row.items() if key != "decision"}
        self.batch.outbox = [*self._outbox.unsent(), *self.batch.outbox]
        self.batch.is_other_file = True

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
