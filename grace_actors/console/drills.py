"""The verb drill: recovery that is exercised. List drills, show one, run some, watch, halt, and what is covered.

chaos_runner decides, performs and remembers; here it is asked and shown. Invariant: looking starts nothing; only
`drill run` begins a drill, and only `drill halt` ends one early.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.drill_cover import coverage_view, schedule_view
from grace_actors.console.drill_files import validate_cards
from grace_actors.console.drill_lists import card_view, list_view
from grace_actors.console.drill_run import (
    as_answer,
    ask_runner,
    drill_rows,
    follow,
    known_drills,
    meant,
    read_files,
    run_drills,
    run_meant,
    status_of,
)
from grace_actors.console.errors import ExitCode, UsageError
from grace_actors.console.lines import compact, items, mappings, sign
from grace_actors.console.out import Out
from grace_actors.console.records import Action, perform, show, user
from grace_actors.console.saving import save
from grace_actors.console.table import Arg, Args, Kind, Many, Option, Takes, Verb
from grace_actors.console.words import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

REPORT_FILE = "drill-report.html"
REPORT_RUNS = 50
_SEVERAL = ("run", "validate")
"""Actions that take more than one id."""


def drill(client: Client, args: Args, out: Out) -> ExitCode:
    """List drills, show one, run some, watch one, halt, tell what is covered and when the next is due."""
    action, ids = args["action"], tuple(args["id"] or ())
    if len(ids) > 1 and action in ACTIONS and action not in _SEVERAL:
        raise UsageError(f"drill {action}: {ids[1]!r} is one word too many", hint=f"drill {action} {ids[0]}")
    return perform("drill", ACTIONS, client, {**args, "id": ids or None}, out)


def _list(client: Client, args: Args, out: Out) -> ExitCode:
    problems, found = read_files(client), drill_rows(client)
    if out.json:
        for problem in problems:
            print(f"grace: left out: {problem}", file=out.stderr)
    return show(out, found, lambda: list_view(found, problems, width=out.console.width, now=time.time()))


def _show(client: Client, args: Args, out: Out) -> ExitCode:
    problems, known = read_files(client), known_drills(client)
    value = ask_runner(client, "drill", {"id": meant(args["id"][0], known, problems)})
    return show(out, value, lambda: card_view(value, width=out.console.width, now=time.time()))


def _follow(client: Client, args: Args, out: Out) -> ExitCode:
    found = follow(client, run_meant(client, args["id"][0] if args["id"] else ""), out)
    if out.json:
        out.value(as_answer(found))
    return status_of(found)


def _halt(client: Client, args: Args, out: Out) -> ExitCode:
    value = ask_runner(client, "halt", {"by": user()})
    show(out, value, lambda: halted_view(value))
    return ExitCode.FAILED if items(value.get("failed")) else ExitCode.OK


def _coverage(client: Client, args: Args, out: Out) -> ExitCode:
    value = ask_runner(client, "coverage")
    return show(out, value, lambda: coverage_view(value, width=out.console.width, now=time.time()))


def _schedule(client: Client, args: Args, out: Out) -> ExitCode:
    value = ask_runner(client, "schedule")
    return show(out, value, lambda: schedule_view(value, width=out.console.width, now=time.time()))


def _report(client: Client, args: Args, out: Out) -> ExitCode:
    value = ask_runner(client, "report", {"limit": REPORT_RUNS if args["limit"] is None else args["limit"]})
    if out.json:
        out.value(value)
        if args["out"] in (None, "-"):
            return ExitCode.OK
    from chaos.report import render

    page = render(value)
    if args["out"] == "-":
        out.stdout.write(page)
        return ExitCode.OK
    path = Path(args["out"] or REPORT_FILE).expanduser().absolute()
    save(path, page)
    if not out.json:
        count = len(mappings(value.get("runs"))) + len(mappings(value.get("kong")))
        out.say(f"report of {count} run{'' if count == 1 else 's'} written to {path}")
    return ExitCode.OK


def halted_view(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What was stopped, what was undone, and loudly what could not be."""
    from rich.text import Text

    undone, failed = items(value.get("undone")), mappings(value.get("failed"))
    if value.get("halted"):
        yield Text("✓ halted ", style="green").append(one_line(str(value["halted"])), style="default")
    else:
        yield Text("no drill was running")
    told = ", ".join(map(compact, undone)) or "nothing was left to undo"
    yield sign("undone").append(f": {told}", style="default") if undone else Text(f"  {told}", style="dim")
    for each in failed:
        told = f": {compact(each.get('record'))}: {compact(each.get('problem'))}"
        yield sign("undo_failed").append(told, style="default")
    if failed:
        yield Text("it is tried again at the next start; now: chaos undo RECORD", style="dim")


ACTIONS: Mapping[str, Action] = {
    "list": Action(run=_list, id=False),
    "show": Action(run=_show),
    "run": Action(run=run_drills, options=("times",)),
    "follow": Action(run=_follow, id=None),
    "halt": Action(run=_halt, id=False),
    "coverage": Action(run=_coverage, id=False),
    "schedule": Action(run=_schedule, id=False),
    "report": Action(run=_report, id=False, options=("out", "limit")),
    "validate": Action(run=validate_cards),
}
VERBS = (
    Verb(
        name="drill",
        summary="exercise recovery: list drills, run them, halt them, see what is covered",
        help=(
            "A drill injects a fault and judges whether it was noticed, repaired and healed in time; docs/drills.md "
            "explains them. `drill list` shows all, `drill show ID` one with its history. `drill run ID ...` runs "
            "them one after the other, each N times with --times, shows how each goes and ends with 0 if all passed, "
            "1 if not, 5 if it is refused. Ctrl-C ends the watching, the drill goes on: `drill follow` watches it "
            "again, `drill halt` ends it and undoes what it injected. `drill coverage` tells what was never or long "
            "not drilled, `drill schedule` when drills start by themselves. `drill report` writes a page with a time "
            "line of each run. `drill validate PATH ...` tells every mistake in files of cards, and needs no instance. "
            "With --json a drill of the list has `id`, `title`, `weight`, `last_run`, `passed` and "
            "more; `run` and `follow` print `id`, `passed`, `gates`, `detect_s`, `heal_s` and `journal`, for several "
            "runs a list of these; `report` prints its data, and writes the page only to a FILE that is named. Times "
            "are Unix seconds."
        ),
        example="drill run KH002 --times 3",
        kind=Kind.REMOTE,
        run=drill,
        args=(
            Arg(name="action", takes=Takes.TEXT, help=", ".join(ACTIONS), words=tuple(ACTIONS)),
            Arg(
                name="id",
                takes=Takes.DRILL,
                help="the drill, for `show` and `run` (several), a unique prefix will do; for `follow` a drill or a "
                "run, for `validate` files or folders",
                many=Many.ANY,
                after=("show", "run"),
            ),
        ),
        options=(
            Option(name="times", short="n", help="for `run`: run each so many times", takes=Takes.COUNT, metavar="N"),
            Option(
                name="out",
                short="o",
                help=f"for `report`: the file to write, or - for output; default {REPORT_FILE} in this directory",
                takes=Takes.FILE,
            ),
            Option(
                name="limit",
                help=f"for `report`: so many of the newest runs; default {REPORT_RUNS}",
                takes=Takes.COUNT,
                metavar="N",
            ),
        ),
    ),
)
