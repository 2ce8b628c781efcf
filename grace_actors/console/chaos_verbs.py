"""The verb chaos: the leash of drills that start by themselves, what is injected now, and undoing it.

chaos_runner keeps the records; here they are shown. Invariant: nothing here injects anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.drill_cover import leash_lines
from grace_actors.console.drill_run import ask_runner
from grace_actors.console.errors import ExitCode, UsageError, nearest
from grace_actors.console.lines import ago, compact, given, heading, mappings, sign, table
from grace_actors.console.out import Out
from grace_actors.console.records import Action, by_id, perform, show, user
from grace_actors.console.table import Arg, Args, Kind, Many, Option, Takes, Verb

if TYPE_CHECKING:
    from rich.console import RenderableType

LEASH = {"on": True, "off": False}
PRESENT = frozenset({"prepared", "injected", "undo_failed"})
"""States of a record whose fault is, or may be, still there."""


def chaos(client: Client, args: Args, out: Out) -> ExitCode:
    """Hold drills on the leash or let them go, show what is injected, undo it."""
    word = args["id"]
    if args["action"] == "leash" and word is not None and word not in LEASH:
        raise UsageError(f"chaos leash: {word!r} is neither on nor off", allowed=LEASH, near=nearest(word, LEASH))
    return perform("chaos", ACTIONS, client, args, out, lister="faults")


def _status(client: Client, args: Args, out: Out) -> ExitCode:
    plan, found = ask_runner(client, "schedule"), _present(client)
    value = {key: plan.get(key) for key in ("leashed", "running", "withheld")} | {"records": found}
    return show(out, value, lambda: status_view(value, width=out.console.width, now=time.time()))


def _faults(client: Client, args: Args, out: Out) -> ExitCode:
    value = {"records": mappings(ask_runner(client, "faults").get("records")) if args["all"] else _present(client)}
    return show(out, value, lambda: faults_view(value["records"], width=out.console.width, now=time.time()))


def _present(client: Client) -> list[Mapping[str, Any]]:
    found = mappings(ask_runner(client, "faults").get("records"))
    return [each for each in found if each.get("state") in PRESENT]


def _undo(client: Client, args: Args, out: Out) -> ExitCode:
    def known() -> list[str]:
        return [str(each.get("id")) for each in mappings(ask_runner(client, "faults").get("records"))]

    def call(id: str) -> Any:
        return ask_runner(client, "undo", {"record": id})

    value = by_id(args["id"], call, known, "record", hint="see: chaos faults --all")
    told = ": ".join(compact(value[key]) for key in ("record", "message") if value.get(key))
    return show(out, value, lambda: [sign("undone").append(f"  {told}")])


def _leash(client: Client, args: Args, out: Out) -> ExitCode:
    if args["id"] is None:
        plan = ask_runner(client, "schedule")
        return show(out, {"leashed": plan.get("leashed")}, lambda: leash_lines(plan))
    value = ask_runner(client, "leash", {"on": LEASH[args["id"]], "by": user()})
    return show(out, value, lambda: leash_lines(value | ask_runner(client, "schedule") | value))


# ---- for people -----------------------------------------------------------------------------------------------------


def status_view(value: Mapping[str, Any], *, width: int, now: float) -> Iterator[RenderableType]:
    """The leash, what runs, and every fault that is there now."""
    yield heading("chaos")
    yield from leash_lines(value)
    yield heading("injected now")
    yield from faults_view(value["records"], width=width, now=now)


def faults_view(found: list[Mapping[str, Any]], *, width: int, now: float) -> Iterator[RenderableType]:
    """One line a record, and what to do about those that could not be undone."""
    from rich.text import Text

    if not found:
        yield Text("  nothing is injected")
        return
    titles = ("record", "state", "fault", "target", "injected", "by", "ends", "with")
    yield table(titles, [_row(each, now) for each in found], width=width, may_go=("by", "injected", "ends"))
    stuck = [each for each in found if each.get("state") == "undo_failed"]
    for each in stuck:
        yield Text(f"✖ {compact(each.get('id'))}: {compact(each.get('problem'))}", style="red")
    if any(each.get("state") in PRESENT for each in found):
        yield Text("end all of it: drill halt; one of it: chaos undo RECORD", style="dim")


def _row(each: Mapping[str, Any], now: float) -> tuple[Any, ...]:
    ends = ago(each.get("until"), now) if each.get("state") in PRESENT else "-"
    began, by = ago(each.get("at"), now), compact(each.get("by"))
    params = given(each.get("params"))
    return each.get("id"), sign(each.get("state")), each.get("fault"), each.get("target"), began, by, ends, params


ACTIONS: Mapping[str, Action] = {
    "status": Action(run=_status, id=False),
    "leash": Action(run=_leash, id=None),
    "faults": Action(run=_faults, id=False, options=("all",)),
    "undo": Action(run=_undo),
}
VERBS = (
    Verb(
        name="chaos",
        summary="hold drills on the leash or let them go, see what is injected, undo it",
        help=(
            "On the leash no drill starts by itself; a drill that a person runs always may. `chaos leash off` lets the "
            "policy micro_chaos start small ones within its windows, `chaos leash on` holds them back again, "
            "`chaos leash` tells which of the two it is. "
            "`chaos status` tells the leash and what is injected now; `chaos faults` lists the records of what is "
            "injected, --all also of what was undone; `chaos undo RECORD` undoes one at once. What could not be undone "
            "is told as undo_failed, and tried again at each start."
        ),
        example="chaos leash off",
        kind=Kind.REMOTE,
        run=chaos,
        args=(
            Arg(name="action", takes=Takes.TEXT, help=", ".join(ACTIONS), words=tuple(ACTIONS)),
            Arg(
                name="id",
                takes=Takes.TEXT,
                help="for `leash`: on or off; for `undo`: the record, or a unique prefix of it",
                many=Many.OPTIONAL,
                words=tuple(LEASH),
                after=("leash",),
            ),
        ),
        options=(Option(name="all", help="for `faults`: also what was undone"),),
    ),
)
