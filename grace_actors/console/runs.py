"""Playbooks of a running instance and their runs: list them, show one, run one, cancel or repeat one.

self_healing decides and remembers; here its answers are shown. Invariant: with --wait the status is 0 if and only if
the run succeeded, and an instance that restarts its parts meanwhile is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grace_actors.console.ask import answer_text, read_arguments
from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, UsageError, nearest
from grace_actors.console.lines import table
from grace_actors.console.out import Out
from grace_actors.console.polling import looks
from grace_actors.console.records import MOST, by_id
from grace_actors.console.table import Arg, Args, Kind, Many, Option, Takes, Verb
from grace_actors.console.words import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

ACTIONS = {"list": "runs", "show": "run", "cancel": "cancel_run", "retry": "retry_run"}
"""What each action asks self_healing for."""
ENDED = frozenset({"succeeded", "failed", "timed_out", "canceled", "abandoned"})
_DASH = "\N{EN DASH}"
_MARKS = {"succeeded": "✓", "passed": "✓", "running": "●", "skipped": _DASH, "retried": _DASH}
_COLOURS = {"✓": "green", "✖": "red", _DASH: "yellow", "●": "cyan"}
_OPEN_MARKS = {"requested": "●", "scheduled": "●", "running": "●", "paused": "●", "canceling": "●", "succeeded": "✓"}


def run(client: Client, args: Args, out: Out) -> ExitCode:
    """List runs, show one, cancel one, or do one again."""
    action, id = args["action"], args["id"]
    if action not in ACTIONS:
        raise UsageError(f"run: unknown action {action!r}", allowed=ACTIONS, near=nearest(action, ACTIONS))
    if (id is None) is not (action == "list"):
        raise UsageError(f"run {action} {'without' if id is None else 'with'} an ID", hint="run list, run show ID")
    if action == "list":
        value = _ask(client, "runs", {})
        _print(out, value, lambda: _run_table(value["runs"], out.console.width))
        return ExitCode.OK

    def known() -> list[str]:
        return [str(each["id"]) for each in _ask(client, "runs", {"limit": MOST})["runs"]]

    value = by_id(id, lambda id: _ask(client, ACTIONS[action], {"id": id}), known, "run", hint="see: run list")
    _print(out, value, lambda: run_view(value))
    return ExitCode.OK


def list_playbooks(client: Client, out: Out) -> ExitCode:
    """Every playbook of the instance; files with mistakes are told and make it a failure."""
    value = _ask(client, "playbooks", {})
    _print(out, value, lambda: _playbook_table(value["playbooks"], out.console.width))
    for fault in () if out.json else value["faults"]:
        out.say(f"✖ {one_line(fault['text'])}")
    return ExitCode.FAILED if value["faults"] else ExitCode.OK


def show_playbook(client: Client, name: str, out: Out) -> ExitCode:
    """What one playbook takes and does."""
    value = _ask(client, "playbook", {"name": name})
    if out.json:
        out.value(value)
    else:
        out.say(answer_text(value, out.console.width))
    return ExitCode.OK


def run_playbook(client: Client, name: str, args: Args, out: Out) -> ExitCode:
    """Have a playbook run, and wait for its end if that is asked for."""
    inputs = read_arguments(args["parameter"] or (), verb="playbook")
    value = _ask(client, "run_playbook", {"name": name, "inputs": inputs, "check": args["check"]})
    if args["wait"]:
        value = _ended(client, value["id"])
    _print(out, value, lambda: run_view(value))
    return ExitCode.FAILED if args["wait"] and value["status"] != "succeeded" else ExitCode.OK


def _ask(client: Client, verb: str, args: Mapping[str, Any]) -> Any:
    return client.call("ask", {"name": "self_healing", "verb": verb, "args": dict(args)})


def _ended(client: Client, id: str) -> Any:
    """The run once it has ended. Raises Interrupted when nobody answers for long."""
    seen = looks(client, lambda: _ask(client, "run", {"id": id}), about=id, later=f"run show {id}")
    return next(value for value in seen if value["status"] in ENDED)


# ---- for people -----------------------------------------------------------------------------------------------------


def _print(out: Out, value: Any, view: Callable[[], Iterator[RenderableType]]) -> None:
    if out.json:
        out.value(value)
    else:
        out.show(*view())


def run_view(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """A run: how it is, and its steps with their marks."""
    from rich.text import Text

    check = " (check)" if value["check"] else ""
    would = "would be" if value["check"] else "was"
    changed = f", something {would} changed" if value["changed"] else ""
    yield Text(f"{value['id']}  {value['playbook']}{check}  ").append_text(_status(value["status"])).append(changed)
    if value["message"]:
        yield Text(f"  {one_line(value['message'])}")
    if value["approval"] and value["status"] == "paused":
        yield Text(f"  decide: approval approve {value['approval']}")
    for step in value["steps"]:
        mark = _MARKS.get(step["status"], "✖")
        again = f" (attempt {step['attempt']})" if step["attempt"] > 1 else ""
        line = Text(f"  {mark} ", style=_COLOURS[mark]).append(f"{step['id']}{again}", style="bold")
        told = step["message"] or ("" if step["status"] in ("succeeded", "passed") else step["status"])
        yield line.append(f"  {one_line(told)}" if told else "", style="default")


def _run_table(runs: list[Mapping[str, Any]], width: int) -> Iterator[RenderableType]:
    from rich.text import Text

    from grace_actors.console.words import duration

    if not runs:
        yield Text("no playbook has run yet")
        return
    rows = []
    now = time.time()
    for each in runs:
        began, ended = each["started_at"], each["ended_at"]
        took = duration((ended or now) - began) if began else "-"
        name = each["playbook"] + (" (check)" if each["check"] else "")
        about = f"{name}: {each['message']}" if each["message"] else name
        rows.append((each["id"], _status(each["status"]), f"{duration(now - each['requested_at'])} ago", took, about))
    yield table(("run", "status", "begun", "took", "playbook"), rows, width=width, may_go=("took", "begun"))


def _playbook_table(playbooks: list[Mapping[str, Any]], width: int) -> Iterator[RenderableType]:
    from rich.text import Text

    rows = []
    for each in playbooks:
        origin = each["origin"] + (" (replaces one of the pack)" if each["replaces"] else "")
        rows.append((each["name"], each["severity"], origin, each["title"]))
    titles = ("playbook", "severity", "from", "title")
    yield table(titles, rows, width=width, may_go=("from", "severity")) if rows else Text("there are no playbooks")


def _status(status: str) -> Any:
    from rich.text import Text

    mark = _OPEN_MARKS.get(status, "✖")
    return Text(f"{mark} {status}", style=_COLOURS[mark])


VERBS = (
    Verb(
        name="run",
        summary="list the runs of playbooks, show one, cancel one, or do one again",
        help=(
            "`run list` shows the newest fifty. `run show ID` shows how each step went: ✓ it went well, ✖ it failed or "
            f"was interrupted, {_DASH} it was skipped or tried again. `run cancel ID` stops one in order: the action "
            "under way may end, then the playbook's always block is done. `run retry ID` does one that has ended "
            "again, with the same inputs, as a new run. Runs are begun with `playbook run NAME`."
        ),
        example="run show run_20261121_0001",
        kind=Kind.REMOTE,
        run=run,
        args=(
            Arg(name="action", takes=Takes.TEXT, help=", ".join(ACTIONS), words=tuple(ACTIONS)),
            Arg(
                name="id",
                takes=Takes.TEXT,
                help="the run, for all but `list`; a unique prefix will do",
                many=Many.OPTIONAL,
            ),
        ),
    ),
)
PLAYBOOK_OPTIONS = (
    Option(name="check", help="for `run`: change nothing, say what would be done"),
    Option(name="wait", help="for `run`: wait for the end; the status is 0 if it succeeded, else 1"),
)
