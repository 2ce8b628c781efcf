"""The verb about what went wrong and how it heals: incident.

self_healing decides, records and explains; here it is asked and shown. Invariant: looking changes nothing; only
`incident resolve` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode
from grace_actors.console.incident_view import incident_view
from grace_actors.console.lines import ago, compact, is_number, mappings, sign, table
from grace_actors.console.names import complete_name
from grace_actors.console.out import Out
from grace_actors.console.records import MOST, Action, arguments, ask, by_id, perform, show, user
from grace_actors.console.table import Args, Kind, Option, Takes, Verb
from grace_actors.console.words import duration

if TYPE_CHECKING:
    from rich.console import RenderableType

KERNEL = "self_healing"
STATES = ("open", "repairing", "awaiting_approval", "awaiting_patch", "healed", "failed", "quarantined")
_FOR_PEOPLE = {"awaiting_approval": "approval list", "awaiting_patch": "work-order list"}


def incident(client: Client, args: Args, out: Out) -> ExitCode:
    """List incidents, show one, resolve one."""
    return perform("incident", ACTIONS, client, args, out)


def _list(client: Client, args: Args, out: Out) -> ExitCode:
    kernel = complete_name(client, args["kernel"]) if args["kernel"] else ""
    wanted = {"state": args["state"] or "", "kernel": kernel, "limit": MOST}
    value = ask(client, KERNEL, "incidents", wanted)
    return show(out, value, lambda: list_view(mappings(value.get("incidents")), wanted, width=out.console.width))


def _show(client: Client, args: Args, out: Out) -> ExitCode:
    value = _about(client, args["id"], lambda id: ask(client, KERNEL, "incident", {"id": id}))
    return show(out, value, lambda: incident_view(value, full=bool(args["full"]), now=time.time()))


def _resolve(client: Client, args: Args, out: Out) -> ExitCode:
    said = {"by": args["by"] or user(), "note": args["note"] or ""}
    value = _about(client, args["id"], lambda id: ask(client, KERNEL, "resolve", {"id": id, **said}))
    return show(out, value, lambda: [sign(value.get("state")).append(f"  {value.get('id')}, by {said['by']}")])


def _about(client: Client, id: str, call: Callable[[str], Any]) -> Any:
    return by_id(id, call, lambda: ids_of(client), "incident", hint="see: incident list")


def ids_of(client: Client) -> list[str]:
    """The incidents that are known."""
    found = ask(client, KERNEL, "incidents", {"limit": MOST})
    return [str(each.get("id")) for each in mappings(found.get("incidents"))]


def list_view(found: list[Mapping[str, Any]], wanted: Mapping[str, Any], *, width: int) -> Iterator[RenderableType]:
    """One line an incident, then what waits for people."""
    from rich.text import Text

    if not found:
        of = f" of {wanted['kernel']}" if wanted["kernel"] else ""
        state = f" is {wanted['state']}" if wanted["state"] else " is known"
        yield Text(f"no incident{of}{state}")
        return
    now = time.time()
    titles = ("incident", "kernel", "state", "opened", "healed in", "repair", "what")
    rows = [_row(each, now) for each in found]
    yield table(titles, rows, width=width, may_go=("opened", "repair", "healed in"))
    for state, verb in _FOR_PEOPLE.items():
        waiting = sum(each.get("state") == state for each in found)
        if waiting:
            yield Text(f"{waiting} {state.replace('_', ' ')}: {verb}", style="dim")


def _row(each: Mapping[str, Any], now: float) -> tuple[Any, ...]:
    count = each.get("count")
    times = f" ({count} times)" if is_number(count) and count != 1 else ""
    repair = f"{each['repair']}{' by itself' if each.get('auto') else ''}" if each.get("repair") else "-"
    what = f"{compact(each.get('kind'))}{times}: {compact(each.get('reason'))}"
    opened, healed = ago(each.get("opened_at"), now), duration(each.get("heal_s"))
    return each.get("id"), each.get("kernel"), sign(each.get("state")), opened, healed, repair, what


ACTIONS: Mapping[str, Action] = {
    "list": Action(run=_list, id=False, options=("state", "kernel")),
    "show": Action(run=_show, options=("full",)),
    "resolve": Action(run=_resolve, options=("note", "by")),
}
VERBS = (
    Verb(
        name="incident",
        summary="list what went wrong, show how it was dealt with, or close it",
        help=(
            "Every failure is an incident; one that repeats is the same one. `incident list` shows the newest first, "
            "`incident show ID` on one screen what happened, the evidence, what it is recognised by, what was tried, "
            "what was decided and when; `--full` shows all of it. `incident resolve ID` says that it is over. With "
            "--json an incident has `id`, `kernel`, `signature_id`, `state`, `opened_at`, `detected_s`, `healed_at`, "
            "`heal_s`, `repair`, `auto` and more; `show` adds `diagnostics`, `signature`, `attempts`, `decision` and "
            "`timeline`. Times are Unix seconds."
        ),
        example="incident show inc_20261121_0001",
        kind=Kind.REMOTE,
        run=incident,
        args=arguments(ACTIONS, "the incident, for `show` and `resolve`"),
        options=(
            Option(name="state", help=f"for `list`: {', '.join(STATES)}", takes=Takes.TEXT, metavar="STATE"),
            Option(name="kernel", help="for `list`: only of this kernel", takes=Takes.NAME),
            Option(name="full", help="for `show`: everything that is known"),
            Option(name="note", help="for `resolve`: what was done", takes=Takes.TEXT, metavar="TEXT"),
            Option(name="by", help="for `resolve`: who; default: the user of the OS", takes=Takes.TEXT, metavar="NAME"),
        ),
    ),
)
