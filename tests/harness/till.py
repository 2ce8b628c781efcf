"""A kernel as a user would write it, for tests that copy it beside a tree file: keeps notes and says what is wrong.

It knows nothing of healing: it emits the events by which an actor says what it cannot mend itself. For tests only.
"""

from __future__ import annotations

import sqlite3

from grace_actors.errors import WorldFailed
from grace_actors.kernel import Check, Data, Kernel, Request, need
from grace_actors.kernels.rows import count, schema
from grace_actors.stores.sqlite import EVENTS, Store

migrations = schema(
    "till",
    {
        "notes": (
            "create table notes (id integer primary key, text text not null)",
            "create index by_text on notes (text)",
        )
    },
)


class Till(Kernel):
    """Verbs: `add` {text}, `back_up`, `complain` {type, line}."""

    emits = ("connection.lost", "memory.pressured", "schema.invalid", "verification.failed", *EVENTS)

    def setup(self) -> None:
        self.store = Store(self.ctx.data / "till.db", migrations, emit=self.ctx.emit, name=self.ctx.name)

    def ready(self) -> list[Check]:
        return [self.store.writable()]

    def stop(self, reason: str) -> None:
        self.store.close()

    def do_add(self, request: Request) -> Data:
        """Keep a note; how many there are now. A schema that is not what it was is told."""
        try:
            with self.store.write() as db:
                db.execute("insert into notes (text) values (?)", [need(request, "text", str)])
                return {"notes": count(db, "select count(*) from notes")}
        except sqlite3.OperationalError as error:
            self.ctx.emit("schema.invalid", self.ctx.name, {"line": f"cannot keep a note: {error}"})
            raise WorldFailed(f"cannot keep a note: {error}", hint="again when the schema is as it was") from None

    def do_back_up(self, request: Request) -> str:
        """A snapshot of the store."""
        return self.store.backup().name

    def do_complain(self, request: Request) -> None:
        """Say that something is wrong, as code that notices it would."""
        self.ctx.emit(need(request, "type", str), self.ctx.name, {"line": need(request, "line", str)})
