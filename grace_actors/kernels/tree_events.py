"""Events of the supervision tree as kernels receive them: each one once, in order, also across crashes.

The status actor keeps the event log and pushes events to subscribers. A push is only the hint to read: what counts is
read from the log, after the last number that was taken, so nothing is lost while either side restarts. It must not
know what a kernel does with an event. Invariant: `last` moves only past events that were taken without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from grace_actors.errors import Refused, StoreFailed
from grace_actors.kernel import Answer, Context, Data, Request

RENEW_S = 30.0
PAGE = 200
CLEAN_EXITS = ("normal", "shutdown")
OF_THINGS = ("trigger.fired", "trigger.cleared")
"""Events that may be about a file or a path, of which the last part alone would be another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEvent:
    """One event. `at` is Unix time in seconds; `kind`, `reason` and `detail` describe an exit, where there is one."""

    type: str
    subject: str
    at: float
    seq: int = 0
    kind: str = ""
    reason: str = ""
    detail: str = ""
    data: Data = field(default_factory=dict)

    @property
    def is_abnormal_exit(self) -> bool:
        """An exit that was neither normal nor asked for."""
        return self.type == "child.exited" and self.kind not in CLEAN_EXITS


class EventFeed:
    """Brings the events of some types to `take`. `on_page` is told the new `last` after each page, to keep it."""

    def __init__(
        self,
        ctx: Context,
        types: Iterable[str],
        take: Callable[[TreeEvent], None],
        *,
        last: int = 0,
        on_page: Callable[[int], None] | None = None,
    ) -> None:
        self._ctx, self._types, self._take, self._on_page = ctx, tuple(types), take, on_page
        self.last = last
        self.problem = ""
        """Why events are not coming in; empty when they are."""
        self._is_reading = False
        self._is_hinted = False

    def start(self) -> None:
        """Subscribe now and again every 30 s: the status actor forgets who does not renew."""
        self._renew()
        self._ctx.every(RENEW_S, self._renew)

    def listen(self, types: Iterable[str]) -> None:
        """Bring the events of these types from now on."""
        wanted = tuple(types)
        if wanted != self._types:
            self._types = wanted
            self._renew()

    def hint(self, request: Request) -> None:
        """Take the verb `event`. One without a number is not in the log and is taken as it is. Raises Refused."""
        event = read_event(request.args, self._ctx.wall())
        if event.seq:
            self._read()
        elif event.type in self._types:
            self._take(event)

    def _renew(self) -> None:
        self._ctx.ask("status", "subscribe", {"types": list(self._types)}, self._subscribed)

    def _subscribed(self, answer: Answer) -> None:
        self.problem = "" if answer.ok else f"no events: {(answer.error or {}).get('message', 'status is silent')}"
        newest = answer.value.get("last") if answer.ok and isinstance(answer.value, dict) else None
        if not isinstance(newest, int):
            return
        if newest < self.last:  # another log than the one read before: its numbers start again
            self.last = 0
        if newest > self.last:
            self._read()

    def _read(self) -> None:
        self._is_hinted = self._is_reading
        if not self._is_reading:
            self._is_reading = True
            self._ctx.ask("status", "events", {"since": self.last, "limit": PAGE}, self._page)

    def _page(self, answer: Answer) -> None:
        self._is_reading = False
        page = answer.value if answer.ok and isinstance(answer.value, dict) else {}
        before = self.last
        try:
            for item in page.get("events") or ():
                self._take_item(item)
            reached = page.get("last")
            self.last = max(self.last, reached) if isinstance(reached, int) else self.last
            if self.last > before and self._on_page is not None:
                self._on_page(self.last)
        except StoreFailed as error:  # read again at the next renewal, from the event that could not be kept
            self.problem = f"events wait: {error.message}"
            return
        if answer.ok and (self._is_hinted or (self.last > before and len(page.get("events") or ()) >= PAGE)):
            self._read()

    def _take_item(self, item: Data) -> None:
        seq = item["seq"]
        if seq > self.last and item["type"] in self._types and item["subject"]:
            self._take(read_event(item, self._ctx.wall()))
        self.last = max(self.last, seq)


def read_event(args: Data, wall: float) -> TreeEvent:
    """The event of a record {seq, type, subject, data, at}. Raises Refused when type or subject are missing."""
    kind, subject = args.get("type"), args.get("subject")
    if not isinstance(kind, str) or not isinstance(subject, str) or not kind or not subject:
        raise Refused(f"event: type {kind!r:.60} and subject {subject!r:.60} must be texts")
    given, number = args.get("data"), args.get("seq")
    data: Data = dict(given) if isinstance(given, dict) else {}
    nested = data.get("exit")
    exit_data = nested if isinstance(nested, dict) else data
    return TreeEvent(
        type=kind,
        subject=subject if kind in OF_THINGS else subject.rsplit("/", 1)[-1],
        at=_seconds(args.get("at"), wall),
        seq=number if isinstance(number, int) else 0,
        kind=_word(exit_data.get("kind")),
        reason=_word(exit_data.get("reason")),
        detail=_word(exit_data.get("detail")),
        data=data,
    )


def _word(value: object) -> str:
    return "" if value is None else str(value)


def _seconds(at: object, wall: float) -> float:
    """Unix seconds of a number or an RFC 3339 text; the present for anything else."""
    if isinstance(at, int | float) and not isinstance(at, bool):
        return float(at)
    if isinstance(at, str):
        try:
            return datetime.fromisoformat(at).timestamp()
        except (ValueError, OverflowError):
            return wall
    return wall
