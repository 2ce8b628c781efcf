"""Verbs that look: status, tree, events. They change nothing.

Invariant: `status` ends with 0 only when the instance said that everything it runs is up.
"""

from __future__ import annotations

from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode
from grace_actors.console.model import UP, overall, read_event, read_node
from grace_actors.console.names import complete_name
from grace_actors.console.out import Out
from grace_actors.console.table import Arg, Args, Kind, Many, Option, Takes, Verb


def status(client: Client, args: Args, out: Out) -> ExitCode:
    """Ask for the instance, or for one node."""
    name = complete_name(client, args["name"]) if args["name"] else None
    value = client.call("status", {"name": name} if name else {})
    if out.json:
        out.value(value)
    else:
        _show_status(value, name, out)
    state = read_node(value.get("node")).state if name else overall(value)
    return ExitCode.OK if state in UP else ExitCode.FAILED


def tree(client: Client, args: Args, out: Out) -> ExitCode:
    """Draw the tree; the answer for scripts is the root node."""
    value = client.call("status")
    if out.json:
        out.value(value.get("tree"))
        return ExitCode.OK
    from grace_actors.console import render

    out.show(render.tree_view(read_node(value.get("tree")), width=out.console.width))
    return ExitCode.OK


def events(client: Client, args: Args, out: Out) -> ExitCode:
    """Print events, and with --follow go on until interrupted."""
    keys = ("since", "type", "subject", "limit")
    wanted = {key: args[key] for key in keys if args[key] is not None}
    found = client.follow(wanted) if args["follow"] else client.events(wanted)
    for item in found:
        show_event(item, out)
    return ExitCode.OK


def show_event(item: Any, out: Out) -> None:
    """One event: a line of JSON, or a line for people."""
    if out.json:
        out.item(item)
        return
    from grace_actors.console import render

    out.line(render.event_line(read_event(item)))


def _show_status(value: Any, name: str | None, out: Out) -> None:
    from grace_actors.console import render

    view = render.detail_view if name else render.status_view
    out.show(*view(value, width=out.console.width))


VERBS = (
    Verb(
        name="status",
        summary="show what runs and how it is",
        help=(
            "Without a name: the instance, its kernels and what needs attention. With a name: one supervisor, kernel, "
            "actor or process, its last exit in full, its checks and its metrics.\n"
            "Ends with 0 when all is up, 1 when something is degraded, starting or down, 3 when no instance is running."
        ),
        example="status message_bus",
        kind=Kind.REMOTE,
        run=status,
        args=(
            Arg(name="name", takes=Takes.NAME, help="a node of the tree; a unique prefix will do", many=Many.OPTIONAL),
        ),
    ),
    Verb(
        name="tree",
        summary="draw the supervision tree",
        help="Supervisors with strategy and policies, children with state, pid, uptime, memory and restarts.",
        example="tree",
        kind=Kind.REMOTE,
        run=tree,
    ),
    Verb(
        name="events",
        summary="print events: what happened, in order",
        help=(
            "Events are numbered for ever. Without options: the newest hundred; --since SEQ prints all that came after "
            "that number, so --since 0 is everything kept. With --follow new events are printed as they happen, until "
            "Ctrl-C. With --json each event is one line."
        ),
        example="events --follow --type child.exited",
        kind=Kind.REMOTE,
        run=events,
        options=(
            Option(name="follow", short="f", help="wait for new events"),
            Option(name="since", help="only events numbered above this", takes=Takes.COUNT, metavar="SEQ"),
            Option(name="type", help="only types that match, such as child.*", takes=Takes.TEXT, metavar="TYPE"),
            Option(name="subject", help="only events about this name", takes=Takes.NAME, metavar="NAME"),
            Option(name="limit", short="n", help="at most this many, the newest ones", takes=Takes.COUNT, metavar="N"),
        ),
    ),
)
