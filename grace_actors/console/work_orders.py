"""The verb work-order: what code has to be changed, by whom, and how that went.

coding_agent keeps the queue; here it is asked and shown. Invariant: an order counts as completed only when whoever
completes it does not say that the tests failed, and the kernel agrees.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, RemoteFailed, UsageError
from grace_actors.console.lines import ago, clock, compact, heading, line, mappings, part, sign, table
from grace_actors.console.out import Out
from grace_actors.console.records import Action, arguments, ask, by_id, perform, show, user
from grace_actors.console.table import Args, Kind, Option, Takes, Verb

if TYPE_CHECKING:
    from rich.console import RenderableType

KERNEL = "coding_agent"
MOST = 200
FINAL = ("completed", "failed", "withdrawn")


def work_order(client: Client, args: Args, out: Out) -> ExitCode:
    """List orders, show one, take, complete or fail one."""
    return perform("work-order", ACTIONS, client, args, out)


def _list(client: Client, args: Args, out: Out) -> ExitCode:
    status = args["status"] or ""
    value = ask(client, KERNEL, "list", {"status": status, "incident": args["incident"] or "", "limit": MOST})
    return show(out, value, lambda: list_view(value, status, width=out.console.width))


def _show(client: Client, args: Args, out: Out) -> ExitCode:
    found = _about(client, args["id"], lambda id: ask(client, KERNEL, "show", {"id": id}))
    value = {**found, "run": _run(client, found.get("self_healing_run_id"))}
    return show(out, value, lambda: order_view(value))


def _run(client: Client, id: Any) -> Any:
    """The run that ordered it; when it cannot be had, why."""
    if not id:
        return None
    try:
        found = ask(client, "self_healing", "run", {"id": id})
    except RemoteFailed as error:
        return {"id": id, "status": "unknown", "message": error.message}
    return {key: found.get(key) for key in ("id", "playbook", "status", "message")}


def _start(client: Client, args: Args, out: Out) -> ExitCode:
    agent = {"agent": args["by"] or user()}
    if args["id"] is None:
        value = ask(client, KERNEL, "start", agent)
    else:
        value = _about(client, args["id"], lambda id: ask(client, KERNEL, "start", {"id": id, **agent}))
    return show(out, value, lambda: moved_view(value, f"work-order complete {value.get('id')} when it is done"))


def _complete(client: Client, args: Args, out: Out) -> ExitCode:
    result = {"tests_passed": not args["tests_failed"], "files_changed": args["files"] or 0}
    result |= {"diff_url": args["diff"] or "", "note": args["note"] or "", "by": args["by"] or user()}
    value = _about(client, args["id"], lambda id: ask(client, KERNEL, "complete", {"id": id, **result}))
    return show(out, value, lambda: _ended(value))


def _fail(client: Client, args: Args, out: Out) -> ExitCode:
    if not (args["reason"] or "").strip():
        raise UsageError("work-order fail without --reason", hint="say why: --reason 'not reproducible'")
    said = {"reason": args["reason"], "by": args["by"] or user()}
    value = _about(client, args["id"], lambda id: ask(client, KERNEL, "fail", {"id": id, **said}))
    return show(out, value, lambda: _ended(value))


def _about(client: Client, id: str, call: Callable[[str], Any]) -> Any:
    def known() -> list[str]:
        found = ask(client, KERNEL, "list", {"limit": MOST})
        return [str(each.get("id")) for each in mappings(found.get("work_orders"))]

    return by_id(id, call, known, "work order", hint="see: work-order list")


# ---- for people -----------------------------------------------------------------------------------------------------


def list_view(value: Mapping[str, Any], status: str, *, width: int) -> Iterator[RenderableType]:
    """One line an order, then how they stand."""
    from rich.text import Text

    found, now = mappings(value.get("work_orders")), time.time()
    if not found:
        yield Text(f"no work order is {status}" if status else "there are no work orders")
    else:
        rows = [
            (
                each.get("id"),
                sign(each.get("status")),
                each.get("priority"),
                ago(each.get("created_at"), now),
                each.get("incident") or "-",
                each.get("description"),
            )
            for each in found
        ]
        titles = ("work order", "status", "priority", "made", "incident", "description")
        yield table(titles, rows, width=width, may_go=("incident", "made"))
    stats = part(value, "stats")
    counts = [f"{stats[state]} {state}" for state in ("queued", "in_progress", *FINAL) if stats.get(state)]
    mean = stats.get("average_patch_time_minutes")
    if counts:
        took = f"; a patch takes {mean:g} minutes on average" if isinstance(mean, int | float) else ""
        yield Text(f"{', '.join(counts)}{took}", style="dim")


def order_view(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """One order: what is wrong, where it comes from, what became of it, and what to do with it."""
    from rich.text import Text

    now, id, status = time.time(), value.get("id"), value.get("status")
    yield Text(f"{id}  ", style="bold").append_text(sign(status)).append(f"  {value.get('type')}")
    yield line("wanted", compact(value.get("description")), full=True, style="bold")
    yield line("priority", f"{value.get('priority')}, looks {value.get('estimated_complexity')} to do")
    yield line("made", f"{ago(value.get('created_at'), now)} by {value.get('created_by') or 'nobody'}")
    if value.get("incident"):
        yield line("incident", f"{value['incident']}  (look: incident show {value['incident']})")
    run = value.get("run")
    if isinstance(run, Mapping):
        told = f": {run['message']}" if run.get("message") else ""
        yield line("run", f"{run.get('id')} {run.get('playbook') or ''} is {run.get('status')}{told}")
    if value.get("assigned_agent"):
        yield line("agent", f"{value['assigned_agent']}, since {clock(value.get('started_at'))}")
    context = part(value, "context")
    for key, told in context.items():
        yield line(key[:10], told if isinstance(told, str) else compact(told), full=True)
    if result := {key: told for key, told in part(value, "patch_result").items() if told not in (None, "")}:
        yield line("result", compact(result), full=True)
    if value.get("error"):
        yield line(str(status), str(value["error"]), full=True, style="red")
    yield heading("what happened")
    for move in mappings(value.get("moves")):
        note = f": {move['note']}" if move.get("note") else ""
        yield line(str(move.get("after")), f"{clock(move.get('at'))} by {move.get('by')}{note}")
    if status not in FINAL:
        take = f"take it: work-order start {id}; " if status == "queued" else ""
        yield Text(
            f"{take}done: work-order complete {id} --files N; else: work-order fail {id} --reason WHY", style="dim"
        )


def moved_view(value: Mapping[str, Any], then: str) -> Iterator[RenderableType]:
    """An order after a move, and what comes next."""
    from rich.text import Text

    yield sign(value.get("status")).append(f"  {value.get('id')}: {compact(value.get('description'))}")
    if then:
        yield Text(f"then: {then}", style="dim")


def _ended(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    order = part(value, "work_order")
    run = order.get("self_healing_run_id")
    yield from moved_view(order, f"run show {run} goes on" if run else "")


ACTIONS: Mapping[str, Action] = {
    "list": Action(run=_list, id=False, options=("status", "incident")),
    "show": Action(run=_show),
    "start": Action(run=_start, id=None, options=("by",)),
    "complete": Action(run=_complete, options=("files", "diff", "tests_failed", "note", "by")),
    "fail": Action(run=_fail, options=("reason", "by")),
}
VERBS = (
    Verb(
        name="work-order",
        summary="list what code has to be changed, take an order, complete it or give it up",
        help=(
            "coding_agent keeps the orders and changes no code itself: whoever can do the work takes an order "
            "(`start`, without an ID the first in the queue), and completes it or gives it up; a queued one can be "
            "completed at once. `complete` says that the tests passed, --tests-failed that they did not: then the "
            "order has failed. The run that waits for it goes on by itself. `work_order` is understood, too."
        ),
        example="work-order complete wo_20261121_0001 --files 2",
        kind=Kind.REMOTE,
        run=work_order,
        args=arguments(ACTIONS, "the order; not for `list`, and for `start` it may be left out"),
        options=(
            Option(
                name="status",
                help="for `list`: queued, assigned, in_progress, testing, completed, failed or withdrawn",
                takes=Takes.TEXT,
                metavar="STATUS",
            ),
            Option(name="incident", help="for `list`: orders for this incident", takes=Takes.TEXT, metavar="ID"),
            Option(name="files", help="for `complete`: how many files were changed", takes=Takes.COUNT, metavar="N"),
            Option(name="diff", help="for `complete`: where the change can be read", takes=Takes.TEXT, metavar="URL"),
            Option(name="tests-failed", help="for `complete`: the tests did not pass"),
            Option(name="note", help="for `complete`: what was done", takes=Takes.TEXT, metavar="TEXT"),
            Option(name="reason", help="for `fail`: why it is given up", takes=Takes.TEXT, metavar="WHY"),
            Option(name="by", help="who does it; default: the user of the OS", takes=Takes.TEXT, metavar="NAME"),
        ),
    ),
)
