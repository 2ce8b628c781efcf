"""The verbs about what went wrong and how it heals: incident, why.

self_healing decides, records and explains; here it is asked and shown. Invariant: looking changes nothing; only
`incident resolve` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, RemoteFailed
from grace_actors.console.incident_view import incident_view
from grace_actors.console.lines import ago, compact, is_number, items, mappings, sign, table
from grace_actors.console.names import complete_name, known_names
from grace_actors.console.out import Out
from grace_actors.console.records import MOST, Action, arguments, ask, by_id, perform, show, user
from grace_actors.console.table import Arg, Args, Kind, Option, Takes, Verb
from grace_actors.console.text import wrapped
from grace_actors.console.words import duration, one_line

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
    return by_id(id, call, lambda: _ids(client), "incident", hint="see: incident list")


def _ids(client: Client) -> list[str]:
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


# ---- why ------------------------------------------------------------------------------------------------------------


def why(client: Client, args: Args, out: Out) -> ExitCode:
    """Tell the story of a name or an incident."""

    def known() -> list[str]:
        try:
            names = known_names(client)
        except RemoteFailed:  # the instance cannot list its names now; incidents are still known
            names = []
        return [*names, *_ids(client)]

    def call(word: str) -> Any:
        return ask(client, KERNEL, "why", {"subject": word})

    value = by_id(args["subject"], call, known, "name or incident", hint="see: tree, incident list")
    if out.json:
        out.value(value)
    else:
        out.say(wrapped("\n".join(story(value)), out.console.width, hang=2))
    return ExitCode.OK


def story(value: Mapping[str, Any]) -> Iterator[str]:
    """The sentences, what to do, and where to look."""
    yield from (one_line(str(sentence)) for sentence in items(value.get("sentences")))
    if value.get("next_step"):
        yield f"Next: {one_line(str(value['next_step']))}"
    if value.get("incident"):
        yield f"Look: incident show {one_line(str(value['incident']))}"


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
    Verb(
        name="why",
        summary="say in sentences why something is as it is",
        help=(
            "About a name of the tree: its last incident, what was done about it, and what comes next. About an "
            "incident: its story. The status is 4 when nothing of that name is known."
        ),
        example="why librarian",
        kind=Kind.REMOTE,
        run=why,
        args=(
            Arg(name="subject", takes=Takes.NAME, help="a name of the tree, or an incident; a unique prefix will do"),
        ),
    ),
)
