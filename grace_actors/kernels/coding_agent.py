"""Keeps the queue of work orders, does the one kind it can do by itself, scanning the program for syntax errors, and
repairs self_healing, which cannot repair itself.

Other work is taken by who can do it (`start`), and comes back with what the tests said (`complete`). It must not
change any code; what it does for self_healing is in `grace_actors.mending`. Invariant: an order is completed only if
its tests passed, at most five are active at once, and every move is told at least once: what a crash kept from being
told is told at the next start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import grace_actors
from grace_actors.errors import NotFound, Refused, StoreFailed
from grace_actors.healing.redaction import masked_data
from grace_actors.kernel import Check, Context, Data, Kernel, Request
from grace_actors.kernels.arguments import choice, flag, mapping_or_empty, text, text_or, whole_or
from grace_actors.kernels.order_notices import NOTICES, Notice, created, updated
from grace_actors.kernels.order_store import Orders, migrations
from grace_actors.kernels.syntax_scan import SyntaxScan, check_file
from grace_actors.kernels.tree_events import EventFeed
from grace_actors.kernels.work_orders import (
    ACTIVE,
    CLOSED,
    MAX_PARALLEL,
    MOVES,
    Complexity,
    OrderState,
    OrderType,
    Priority,
    complexity_of,
)
from grace_actors.mending import mending
from grace_actors.mending.care import Wanted
from grace_actors.mending.mending import Mending
from grace_actors.stores.sqlite import EVENTS, Store
from supervisors.durations import parse_duration

FIRST_SCAN_S = 120.0
SCAN_AGAIN_S, SCAN_CHECK_S = 3600.0, 600.0
STEP_S = 2.0
FILES_A_STEP = 4
MAX_FIX_ORDERS = 10
PACKAGES = ("supervisors", "playbooks", "chaos", "grace_actors")


class CodingAgent(Kernel):
    """Verbs: create, list, show, start, complete, fail, withdraw, scan, stats, event. Config: `scan`, the paths to
    scan; `mend_after`, how long a playbook file must be still before it is mended."""

    emits = (
        *NOTICES,
        *mending.EVENTS,
        *("syntax.broken", "syntax.scanned"),
        *EVENTS,
    )

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._last_event = 0

    def setup(self) -> None:
        self._own_paths()  # a wrong setting is for the start to refuse
        self.store = Store(
            self.ctx.data / "work_orders.db", migrations, emit=self.ctx.emit, name=self.ctx.name, wall=self.ctx.wall
        )
        self.orders = Orders(self.store)
        self.scan: SyntaxScan | None = None
        self.scan_order = ""
        self.mending = Mending(self.ctx, self._order_for, settle_s=_mend_after(self.ctx.config))
        self.feed = EventFeed(self.ctx, mending.LISTENS, self.mending.heard, last=self._last_event, on_page=self._taken)
        self._requeue_abandoned_scan()
        self._tell_untold()
        self.mending.start()
        self.feed.start()
        self.ctx.every(mending.LOOK_S, self._note_problems)
        self.ctx.after(FIRST_SCAN_S, self._scan_if_due)
        self.ctx.every(SCAN_CHECK_S, self._scan_if_due)

    def ready(self) -> list[Check]:
        unreachable = [state.value for state in OrderState if state not in _reachable()]
        broken = check_file(Path(__file__))
        return [
            self.store.writable(),
            Check(name="moves_complete", ok=not unreachable, detail=", ".join(unreachable) or "every state reachable"),
            Check(name="scanner_works", ok=not broken, detail="compiled its own source"),
        ]

    def stop(self, reason: str) -> None:
        self.mending.close()
        self.store.close()

    def snapshot(self) -> Data:
        """The last event that was taken: what is read twice is repaired twice, which does no harm."""
        return {"last_event": self._last_event}

    def restore(self, state: Data) -> None:
        last = state.get("last_event")
        if not isinstance(last, int) or last < 0:
            raise ValueError(f"last_event is {last!r:.60}; allowed is a number of an event")
        self._last_event = last

    # ---- the queue ------------------------------------------------------------------------------------

    def do_create(self, request: Request) -> Any:
        """A new order: `type`, `description`; `priority` (default high), `context`, `self_healing_run_id`,
        `playbook_id`, `incident`. The same `key` again is the same order, `repeated`; one that was withdrawn is in the
        queue again."""
        context = mapping_or_empty(request, "context")
        guessed = complexity_of(str(context.get("error_type", "")))
        priority = choice(request, "priority", Priority, Priority.HIGH)
        kind = choice(request, "type", OrderType, OrderType.SELF_HEALING_PATCH)
        if kind is OrderType.SYNTAX_SCAN:
            raise Refused("create: a syntax scan is started with `scan`")
        order = {
            "type": kind.value,
            "description": text(request, "description"),
            "priority": priority.value,
            "rank": priority.rank,
            "estimated_complexity": choice(request, "estimated_complexity", Complexity, guessed).value,
            "context": context,
            "self_healing_run_id": text_or(request, "self_healing_run_id", max_chars=100),
            "playbook_id": text_or(request, "playbook_id", max_chars=200),
            "incident": text_or(request, "incident", max_chars=100),
            "key": text_or(request, "key", max_chars=300),
        }
        made, is_new = self._create(order, request.sender)
        return made | {"repeated": not is_new}

    def _create(self, order: Data, by: str) -> tuple[Data, bool]:
        made, is_new = self.orders.create(order, at=self.ctx.wall(), by=by)
        if is_new:
            self.did = f"queued {made['id']}: {made['description']:.80}"
            self._tell(made["id"], [created(made)])
        elif made["status"] == OrderState.WITHDRAWN:
            note = "needed again"
            made = self.orders.queue_again(made["id"], at=self.ctx.wall(), by=by, note=note)
            self._tell(made["id"], updated(made, note))
        return made, is_new

    def _tell(self, id: str, notices: Iterable[Notice]) -> None:
        """Say what happened to an order, once it is on the disk. A disk that takes no mark makes it be told twice."""
        for type, data in notices:
            self.ctx.emit(type, id, data)
        try:
            self.orders.note_told(id)
        except StoreFailed as error:
            self.did = f"told of {id}, but could not note it: {error.message}"

    def _tell_untold(self) -> None:
        for each in self.orders.untold():
            new = [created(each.order)] if each.is_new else []
            self._tell(each.order["id"], [*new, *(updated(each.order, each.note) if each.has_moved else ())])

    def do_list(self, request: Request) -> Any:
        """Orders in the order of work; `status`, `type`, `self_healing_run_id` and `incident` narrow them. Scans are
        listed for type=syntax_scan only."""
        status, kind = text_or(request, "status"), text_or(request, "type")
        if status:
            choice(request, "status", OrderState)
        if kind:
            choice(request, "type", OrderType)
        run, incident = text_or(request, "self_healing_run_id"), text_or(request, "incident")
        limit = whole_or(request, "limit", 50, low=1, high=200)
        found = self.orders.list(status=status, type=kind, run=run, incident=incident, limit=limit)
        return {"work_orders": found, "count": len(found), "stats": self.orders.stats()}

    def do_show(self, request: Request) -> Any:
        """The order `id` with every move it made."""
        id = text(request, "id", max_chars=100)
        return self.orders.get(id) | {"moves": self.orders.moves(id)}

    def do_start(self, request: Request) -> Any:
        """Take the order `id`, or the first in the queue, for `agent` (default: who asks)."""
        agent = text_or(request, "agent", request.sender or "unknown", max_chars=200)
        id = text_or(request, "id", max_chars=100)
        if not id:
            first = self.orders.next_queued()
            if first is None:
                raise NotFound("start: no order is queued", hint="`create` makes one")
            id = first["id"]
        note = f"taken by {agent}"
        started = self.orders.take(id, agent, at=self.ctx.wall(), note=note)
        self.did = f"gave {id} to {agent}"
        self._tell(id, updated(started, note))
        return started

    def do_complete(self, request: Request) -> Any:
        """Finish `id` with what the tests said: `tests_passed`, `files_changed`, `diff_url`, a `note`, and `by` whom
        (default: who asks). Tests that did not pass make it a failed order."""
        id, passed = text(request, "id", max_chars=100), flag(request, "tests_passed")
        note = text_or(request, "note", max_chars=2000)
        result = {
            "tests_passed": passed,
            "files_changed": whole_or(request, "files_changed", 0, low=0, high=100_000),
            "diff_url": text_or(request, "diff_url", max_chars=2000),
        }
        if not passed:
            reason = "the tests did not pass" + (f": {note}" if note else "")
            return self._failed(id, reason, _author(request), patch_result=result)
        note, at = note or "tests passed", self.ctx.wall()
        done = self.orders.finish(id, OrderState.COMPLETED, at=at, by=_author(request), note=note, patch_result=result)
        self.did = f"completed {id}: {result['files_changed']} files changed"
        self._tell(id, updated(done, note))
        return {"success": True, "message": f"{id} is completed", "work_order": done}

    def do_fail(self, request: Request) -> Any:
        """Give `id` up, with the `reason`, and `by` whom (default: who asks)."""
        id, reason = text(request, "id", max_chars=100), text(request, "reason", max_chars=2000)
        return self._failed(id, reason, _author(request))

    def _failed(self, id: str, reason: str, by: str, **values: Any) -> Data:
        at = self.ctx.wall()
        finish = self.orders.finish if values else self.orders.move
        done = finish(id, OrderState.FAILED, at=at, by=by, note=reason, error=reason, **values)
        self.did = f"failed {id}: {reason:.80}"
        self._tell(id, updated(done, reason))
        return {"success": False, "message": f"{id} is failed: {reason}", "work_order": done}

    def do_withdraw(self, request: Request) -> Any:
        """Take the orders of `incident` out of the queue, with the `reason`, and `by` whom (default: who asks). Those
        that somebody has begun are left to them, and answered as `begun`."""
        incident, reason = text(request, "incident", max_chars=100), text(request, "reason", max_chars=2000)
        by, found = _author(request), self.orders.list(incident=incident, limit=200)
        queued = [order["id"] for order in found if order["status"] == OrderState.QUEUED]
        for id in queued:
            told, at = {"by": by, "note": reason, "error": reason}, self.ctx.wall()
            self._tell(id, updated(self.orders.move(id, OrderState.WITHDRAWN, at=at, **told), reason))
            self.did = f"withdrew {id}: {reason:.80}"
        begun = [{"id": order["id"], "agent": order["assigned_agent"]} for order in found if order["status"] in ACTIVE]
        return {"withdrawn": queued, "begun": begun}

    def do_stats(self, request: Request) -> Any:
        """Counts by state, mean time of a patch, and the last scan."""
        last = self.orders.last_scan()
        scan = None if last is None else {"at": last["completed_at"]} | _without_findings(last["patch_result"])
        return self.orders.stats() | {"max_parallel": MAX_PARALLEL, "last_scan": scan, "scanning": self.scan_order}

    def metrics(self) -> dict[str, float]:
        known = self.orders.stats()
        return {f"work_orders_{state.value}": float(known[state.value]) for state in OrderState}

    # ---- who repairs self_healing ---------------------------------------------------------------------

    def do_event(self, request: Request) -> Any:
        """Take an event of the log that may be a reason to repair self_healing."""
        self.feed.hint(request)

    def _taken(self, last: int) -> None:
        self._last_event = last
        self._note_problems()

    def _note_problems(self) -> None:
        self.degraded = [problem for problem in (self.mending.problem, self.feed.problem) if problem]

    def _order_for(self, wanted: Wanted, key: str) -> str:
        """The work order of a repair, made once for each key."""
        order = {
            "type": wanted.type,
            "description": wanted.description,
            "priority": wanted.priority,
            "rank": Priority(wanted.priority).rank,
            "context": masked_data(dict(wanted.context)),
            "key": key,
        }
        return str(self._create(order, self.ctx.name)[0]["id"])

    # ---- the scan -------------------------------------------------------------------------------------

    def do_scan(self, request: Request) -> Any:
        """Scan `paths` (default: the program's own packages) in the background; answers its work order."""
        if self.scan is not None:
            raise Refused(f"scan: {self.scan_order} is scanning already", hint=f"show {self.scan_order}")
        given = request.args.get("paths")
        if given is not None and (not isinstance(given, list) or not all(isinstance(path, str) for path in given)):
            raise Refused(f"scan: paths is {given!r:.80}", hint="a list of directories or files")
        paths = tuple(Path(path) for path in given) if given else self._own_paths()
        missing = [str(path) for path in paths if not path.exists()]
        if missing:
            raise NotFound(f"scan: {missing[0]} does not exist")
        return self._start_scan(paths, request.sender)

    def _own_paths(self) -> tuple[Path, ...]:
        configured = self.ctx.config.get("scan") or []
        if not isinstance(configured, list) or not all(isinstance(path, str) for path in configured):
            raise ValueError(f"coding_agent: scan is {configured!r:.60}; allowed is a list of paths")
        if configured:
            return tuple(Path(path) for path in configured)
        program = Path(grace_actors.__file__).parent.parent
        return tuple(path for name in PACKAGES if (path := program / name).is_dir())

    def _start_scan(self, paths: tuple[Path, ...], by: str) -> Data:
        """Take up the scan that waits in the queue, or a new one. Raises Refused while five orders are active."""
        waiting = self.orders.list(status=OrderState.QUEUED.value, type=OrderType.SYNTAX_SCAN.value, limit=1)
        order = waiting[0] if waiting else self._create(_scan_order(paths), by)[0]
        paths = tuple(Path(path) for path in order["context"]["paths"])
        note = "scanning"
        started = self.orders.take(order["id"], self.ctx.name, at=self.ctx.wall(), note=note)
        self._tell(order["id"], updated(started, note))
        self.scan, self.scan_order = SyntaxScan(paths=paths), order["id"]
        self.ctx.after(STEP_S, self._step)
        return started

    def _scan_if_due(self) -> None:
        """Once an hour at most, so that a restart does not scan again; later when five orders are active."""
        try:
            last = self.orders.last_scan()
            if self.scan is None and (last is None or self.ctx.wall() - last["completed_at"] >= SCAN_AGAIN_S):
                self._start_scan(self._own_paths(), self.ctx.name)
        except (StoreFailed, Refused) as error:
            self.did = f"did not scan: {error.message}"

    def _step(self) -> None:
        if self.scan is None:
            return
        if not self.scan.step(FILES_A_STEP):
            self.did = f"scanned {self.scan.files} files, {len(self.scan.findings)} findings so far"
            self.ctx.after(STEP_S, self._step)
            return
        scan, order, self.scan, self.scan_order = self.scan, self.scan_order, None, ""
        try:
            self._conclude(scan, order)
        except (StoreFailed, Refused) as error:  # somebody failed the order meanwhile, or the disk is full
            self.did = f"could not keep the result of {order}: {error.message}"

    def _conclude(self, scan: SyntaxScan, order: str) -> None:
        result, note = scan.result(), "scanned"
        done = self.orders.finish(
            order, OrderState.COMPLETED, at=self.ctx.wall(), by=self.ctx.name, note=note, patch_result=result
        )
        self._tell(order, updated(done, note))
        self.ctx.emit("syntax.scanned", order, _without_findings(result))
        known = {item["context"].get("file") for item in self.orders.list(type="fix_bug", limit=500) if _is_open(item)}
        broken = [finding for finding in scan.findings if finding.severity == "error" and finding.file not in known]
        for finding in broken[:MAX_FIX_ORDERS]:
            self.ctx.emit("syntax.broken", finding.file, finding.as_data())
            self._create(
                {
                    "type": OrderType.FIX_BUG.value,
                    "description": f"{finding.file}:{finding.line}: {finding.message}",
                    "priority": Priority.CRITICAL.value,
                    "rank": Priority.CRITICAL.rank,
                    "context": finding.as_data() | {"error_type": "SyntaxError", "found_by": order},
                },
                self.ctx.name,
            )
        self.did = f"scanned {result['files']} files: {result['errors']} errors, {result['warnings']} warnings"

    def _requeue_abandoned_scan(self) -> None:
        """A scan lives in memory: one that was in progress when this kernel ended starts again."""
        for state in (OrderState.IN_PROGRESS, OrderState.ASSIGNED):
            for order in self.orders.list(status=state.value, type=OrderType.SYNTAX_SCAN.value, limit=200):
                note = "the kernel restarted during the scan"
                self.orders.move(order["id"], OrderState.QUEUED, at=self.ctx.wall(), by=self.ctx.name, note=note)


def _mend_after(config: Mapping[str, Any]) -> float:
    given = config.get("mend_after", mending.SETTLE_S)
    try:
        return parse_duration(given)
    except ValueError as error:
        raise Refused(f"with: mend_after is {given!r:.60}: {error}", hint="a duration such as 500ms or 3s") from None


def _scan_order(paths: tuple[Path, ...]) -> Data:
    return {
        "type": OrderType.SYNTAX_SCAN.value,
        "description": f"compile every Python file below {', '.join(path.name for path in paths)}",
        "priority": Priority.LOW.value,
        "rank": Priority.LOW.rank,
        "context": {"paths": [str(path) for path in paths]},
    }


def _author(request: Request) -> str:
    """Who a change is by: a person asks through the console, which says who it is."""
    return text_or(request, "by", request.sender or "unknown", max_chars=200)


def _is_open(order: Data) -> bool:
    return order["status"] not in CLOSED


def _without_findings(result: Data) -> Data:
    return {key: value for key, value in result.items() if key != "findings"}


def _reachable() -> set[OrderState]:
    return {OrderState.QUEUED} | {after for targets in MOVES.values() for after in targets}
