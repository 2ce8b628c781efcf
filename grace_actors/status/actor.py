"""The status actor: tells what runs and what happened, to whoever asks.

Supervisors send `describe`, actors send `record`; answers are built from the model and the event log alone.
It decides nothing and starts nothing. Invariant: an event is acknowledged once it is written; while the disk
takes nothing, once it is held in memory, and then the answer and `degraded` say so.
"""

from __future__ import annotations

import math
from typing import Any

from grace_actors.errors import GraceError, Refused, TimedOut
from grace_actors.kernel import LATER, Check, Context, Data, Kernel, Later, Request, Timer, need
from grace_actors.status.eventlog import EventLog, Limits
from grace_actors.status.memory import MemoryGauge
from grace_actors.status.model import SETTLED, STATES, TreeModel, kernel_counts, walk
from grace_actors.status.reading import Filter, Page, newest, read
from grace_actors.status.records import Record, timestamp
from grace_actors.status.waiting import Subscribers, Waiter, Waiters

LIMITS = Limits()
WATCHERS = frozenset({"console", "api_server", "test"})
"""Who shows memory to somebody; for all others it would be measured in vain."""
_SYNC_S = 1.0
_RETRY_S = 2.0
_SETTLE_S = 0.02  # descriptions come in bursts: those who wait for a state are looked at once for each burst
_MAX_BATCH = 5_000
_MAX_WAIT_S = 30.0
_MAX_STATE_WAIT_S = 600.0


class Status(Kernel):
    """Verbs: describe, record, record_many, events, subscribe, unsubscribe, status, names, wait_for."""

    emits = ("events.tail_repaired", "events.dropped", "events.unreadable", "events.malformed", "description.refused")

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.model = TreeModel()
        self._memory = MemoryGauge(ctx.now)
        self._subscribers = Subscribers()
        self._readers = Waiters("readers that wait for events")
        self._watchers = Waiters("callers that wait for a state")
        self._sync_timer: Timer | None = None
        self._retry_timer: Timer | None = None
        self._settle_timer: Timer | None = None
        self._log: EventLog

    def setup(self) -> None:
        self._log = EventLog(self.ctx.data / "events", self.ctx.wall, LIMITS)
        repair = self._log.repair
        if repair is not None:
            self._own("events.tail_repaired", {"segment": repair.segment, "torn_bytes": repair.torn_bytes,
                                               "unreadable": repair.unreadable})  # fmt: skip
        self._store()

    def ready(self) -> list[Check]:
        try:
            is_consistent = self._log.is_consistent()
        except OSError as error:
            return [Check(name="event_log", ok=False, detail=f"{error.strerror or error}: cannot be read back")]
        detail = self._log.problem or f"{self._log.last} events"
        return [Check(name="event_log", ok=is_consistent, detail=detail)]

    def does(self) -> str:
        return f"{self._log.last} events, {self.model.revision} descriptions, {len(self._subscribers)} subscribers"

    def metrics(self) -> dict[str, float]:
        return {
            "events_total": self._log.last,
            "events_waiting": self._log.waiting,
            "events_dropped_total": self._log.dropped,
            "descriptions_total": self.model.revision,
            "subscribers": len(self._subscribers),
        }

    def snapshot(self) -> Data | None:
        return {"subscribers": self._subscribers.as_data()}

    def restore(self, state: Data) -> None:
        self._subscribers.restore(state["subscribers"])

    def stop(self, reason: str) -> None:
        self._log.close()

    # ---- the tree -------------------------------------------------------------------------------

    def do_describe(self, request: Request) -> Data:
        """The full present state of one supervisor."""
        try:
            self.model.describe(request.args)
        except Refused as refused:
            self._own("description.refused", {"by": request.sender, "message": refused.message, "hint": refused.hint})
            self._store()
            raise
        if self._watchers and self._settle_timer is None:
            self._settle_timer = self.ctx.after(_SETTLE_S, self._settled)
        return {"revision": self.model.revision}

    def do_status(self, request: Request) -> Data:
        """The whole tree with its counts, or the node called `name`."""
        memory = self._memory.reader(may_measure=request.sender in WATCHERS)
        name = request.args.get("name")
        if name is not None:
            return self.model.find(_text(name, "name"), self.ctx.wall(), memory)
        tree = self.model.tree(self.ctx.wall(), memory)
        return {"state": self.model.overall(), "kernels": kernel_counts(tree), "tree": tree}

    def do_names(self, request: Request) -> list[Data]:
        """Everything in the tree: name, kind, state."""
        return [{key: node[key] for key in ("name", "kind", "state")} for node in walk(self.model.tree(0.0))]

    def do_wait_for(self, request: Request) -> Data | Later:
        """Answer once all of `names` (null: the whole tree) are in `state` or `settled`; TimedOut names what is not."""
        names, state = request.args.get("names"), request.args.get("state", "running")
        if names is not None:
            names = [_text(name, "names") for name in need(request, "names", list)]
        if state not in (*STATES, SETTLED):
            raise Refused(f"wait_for: unknown state {state!r:.80}", hint=f"allowed: {', '.join((*STATES, SETTLED))}")
        timeout_s = _number(request, "timeout_s", 30.0, _MAX_STATE_WAIT_S)
        started = self.ctx.now()

        def look(*, is_late: bool) -> Data | GraceError | None:
            pending = self.model.pending(state, names)
            waited = round(self.ctx.now() - started, 3)
            if not pending:
                return {"state": state, "waited_s": waited}
            return _late(state, pending, waited) if is_late else None

        first = look(is_late=False)
        if isinstance(first, dict):
            return first
        self._wait(self._watchers, Waiter(request, look), timeout_s)
        return LATER

    def _settled(self) -> None:
        self._settle_timer = None
        self._answer(self._watchers)

    # ---- events ---------------------------------------------------------------------------------

    def do_record(self, request: Request) -> Data:
        """One event: {emitter, n, type, subject, data, at}."""
        return self._record(_text(request.args.get("emitter"), "emitter"), [request.args])

    def do_record_many(self, request: Request) -> Data:
        """Several events of one emitter, in rising `n`: {emitter, events}."""
        events = need(request, "events", list)
        if len(events) > _MAX_BATCH:
            raise Refused(f"record_many: {len(events)} events", hint=f"at most {_MAX_BATCH} in one batch")
        return self._record(_text(request.args.get("emitter"), "emitter"), events)

    def _record(self, emitter: str, events: list[Any]) -> Data:
        """Answers {acked}: the highest n of this emitter that was taken and is written. While the disk takes
        nothing there is also {held}: so many events, perhaps these, are in memory alone."""
        for event in events:
            n = event.get("n") if isinstance(event, dict) else None
            if not isinstance(n, int) or isinstance(n, bool) or n < 1:
                raise Refused(f"record: n must be a whole number from 1, not {n!r:.80}", hint=f"sent by {emitter}")
        new = [record for event in events if (record := self._append(emitter, event)) is not None]
        self._store()
        self._spread(new)
        held = {"held": self._log.waiting} if self._log.waiting else {}
        return {"acked": self._log.seen(emitter), **held}

    def _append(self, emitter: str, event: Data) -> Record | None:
        kind, subject, data, at = (event.get(key) for key in ("type", "subject", "data", "at"))
        if not isinstance(kind, str) or not kind or len(kind) > 200 or not isinstance(subject, str):
            data = {"emitter": emitter, "type": repr(kind)[:200], "subject": repr(subject)[:200], "data": data}
            kind, subject = "events.malformed", emitter
        when = self._time(at)
        return self._log.append(when, kind, subject[:500], data or {}, emitter, event["n"])

    def _time(self, at: Any) -> str:
        """The emitter's time, or ours where it is none."""
        try:
            return timestamp(at) if isinstance(at, int | float) else timestamp(self.ctx.wall())
        except ValueError:
            return timestamp(self.ctx.wall())

    def _own(self, type: str, data: Data) -> None:
        """An event of the status actor itself; it needs no emitter to repeat it."""
        record = self._log.append(timestamp(self.ctx.wall()), type, self.ctx.name, data)
        if record is not None:
            self._spread([record])

    def _store(self) -> None:
        """Write what waits, and see to it that it is forced to disk, or tried again, in time."""
        is_written = self._log.flush()
        self.degraded = [] if is_written else [f"event log: {self._log.problem}; {self._log.waiting} events wait"]
        if self._log.needs_sync and self._sync_timer is None:
            self._sync_timer = self.ctx.after(_SYNC_S, self._sync)
        if not is_written and self._retry_timer is None:
            self._retry_timer = self.ctx.after(_RETRY_S, self._retry)

    def _sync(self) -> None:
        self._sync_timer = None
        self._log.sync()

    def _retry(self) -> None:
        self._retry_timer = None
        self._store()

    def _spread(self, records: list[Record]) -> None:
        """Hand new events to those who wait for them."""
        if not records:
            return
        if self._subscribers:
            for record in records:
                names = self._subscribers.interested(record.type, self.ctx.now())
                event = record.event() if names else {}
                for name in names:
                    self.ctx.tell(name, "event", event)
        if self._readers:
            self._answer(self._readers)

    def do_events(self, request: Request) -> Data | Later:
        """Events after `since` (or the newest), filtered by `type` (a glob) and `subject`; with `wait_s` the
        answer waits until there is one. `last` is the `since` of the next call; `oldest` is the lowest number
        still kept."""
        wanted = Filter.of(request)
        wait_s = _number(request, "wait_s", 0.0, _MAX_WAIT_S)
        page = newest(self._log, wanted) if wanted.since is None else read(self._log, wanted)
        if page.events or wait_s <= 0:
            return page.answer()
        position = page.last

        def look(*, is_late: bool) -> Data | None:
            nonlocal position
            found: Page = read(self._log, wanted.starting_at(position))
            position = found.last
            return found.answer() if found.events or is_late else None

        self._wait(self._readers, Waiter(request, look), wait_s)
        return LATER

    def do_subscribe(self, request: Request) -> Data:
        """Tell the sender each new event whose type matches one of `types`, for 120 s from now."""
        types = [_text(glob, "types") for glob in need(request, "types", list)]
        is_new = self._subscribers.add(_text(request.sender, "sender"), types, self.ctx.now())
        if is_new:
            self.ctx.save()
        return {"types": types, "expires_in_s": self._subscribers.LIFE_S, "last": self._log.last}

    def do_unsubscribe(self, request: Request) -> Data:
        """End the sender's subscription."""
        return {"removed": self._subscribers.remove(request.sender)}

    # ---- waiting --------------------------------------------------------------------------------

    def _wait(self, waiters: Waiters, waiter: Waiter, timeout_s: float) -> None:
        waiters.add(waiter)

        def late() -> None:
            if waiters.remove(waiter):
                self._finish(waiter, waiter.look(is_late=True))

        waiter.timer = self.ctx.after(timeout_s, late)

    def _answer(self, waiters: Waiters) -> None:
        """Answer those whose time has come."""
        for waiter in waiters.all():
            found = waiter.look(is_late=False)
            if found is not None and waiters.remove(waiter):
                self._finish(waiter, found)

    def _finish(self, waiter: Waiter, found: Data | GraceError | None) -> None:
        if waiter.timer is not None:
            waiter.timer.cancel()
        if isinstance(found, GraceError):
            self.ctx.answer(waiter.request, error=found)
        else:
            self.ctx.answer(waiter.request, found)


def _late(state: str, pending: dict[str, str], waited_s: float) -> TimedOut:
    some = ", ".join(f"{name} is {seen}" for name, seen in list(pending.items())[:20])
    return TimedOut(f"not {state} after {waited_s:g} s: {some}", hint=f"{len(pending)} in all; see `status`")


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 500:
        raise Refused(f"{key} must be a text of 1 to 500 characters, not {value!r:.80}")
    return value


def _number(request: Request, key: str, default: float, most: float) -> float:
    value = request.args.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise Refused(f"{request.verb}: {key} must be seconds from 0 to {most:g}, not {value!r:.80}")
    return min(float(value), most)
