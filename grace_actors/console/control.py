"""Verbs that act on parts of the tree: start, stop, restart, kill, pause, resume, and shutdown.

Each name is a request of its own: one that fails does not keep the others from being tried.
Invariant: a verb ends with 0 only when every name it was given succeeded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from grace_actors.console.aftermath import aftermath, look
from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, Interrupted, NotRunning, exit_code
from grace_actors.console.names import complete_name
from grace_actors.console.out import Out
from grace_actors.console.table import Arg, Args, Kind, Many, Option, Run, Takes, Verb
from grace_actors.errors import GraceError

SHUTDOWN_SILENCE_S = 120.0
"""The longest an orderly stop may stay silent: some child's own shutdown limit."""
_GONE_TIMEOUT_S = 120.0
_GONE_POLL_S = 0.02

_ACTIONS = (
    ("start", "started", "start what is stopped, failed or quarantined", "Gives a slot that gave up a new budget."),
    ("stop", "stopped", "stop in order, until started again", "A stopped child stays stopped: it is not restarted."),
    ("restart", "restarted", "stop in order, then start", "Does not count against the restart budget."),
    (
        "kill",
        "killed",
        "kill at once, as a crash would",
        "SIGKILL; the supervisor sees a crash and does what its policy says. Waits a moment to tell what that was.",
    ),
    ("pause", "paused", "hold messages back, keep the process", "A paused child still answers heartbeats."),
    ("resume", "resumed", "handle messages again", "What waited is handled in order."),
)


def _action(verb: str, done: str) -> Run:
    """The run function of one verb on names."""

    def run(client: Client, args: Args, out: Out) -> ExitCode:
        names = [complete_name(client, word) for word in args["name"]]
        answers: dict[str, Any] = {}
        code = ExitCode.OK
        for name in dict.fromkeys(names):
            before = look(client, name) if verb == "kill" else None
            try:
                answers[name] = client.call(verb, {"name": name})
            except NotRunning:
                raise
            except GraceError as error:
                out.fail(error)
                code = max(code, exit_code(error))
                answers[name] = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
                continue
            became = aftermath(client, name, before)
            if not out.json:
                out.say(f"{name} {_result(done, answers[name])}" + (f"; {became}" if became else ""))
        if out.json:
            out.value(answers if len(answers) > 1 else next(iter(answers.values())))
        return code

    return run


def shutdown(client: Client, args: Args, out: Out) -> ExitCode:
    """Stop everything in order and wait until the instance is gone."""
    value = stop_instance(client, out, reason=args["reason"])
    deadline = time.monotonic() + _GONE_TIMEOUT_S
    while (pid := client.home.running_pid()) is not None:
        if time.monotonic() > deadline:
            raise Interrupted(
                f"the instance (pid {pid}) stopped its tree but is still there", hint="look with `doctor`"
            )
        time.sleep(_GONE_POLL_S)
    if out.json:
        out.value(value)
    else:
        out.say("stopped")
    return ExitCode.OK


def stop_instance(client: Client, out: Out, *, reason: str | None = None) -> Any:
    """Ask for the shutdown and show its progress; the answer's value. A connection that ends after the request
    arrived is what a stopping instance looks like, so it is no error."""
    from grace_actors.console.progress import Progress

    progress = Progress(out.stderr)
    try:
        for item in client.stream("shutdown", {"reason": reason} if reason else {}, timeout_s=SHUTDOWN_SILENCE_S):
            if isinstance(item, dict):
                progress.on(item)
    except Interrupted:
        return None
    finally:
        progress.close()
    return client.last_value


def _result(done: str, value: Any) -> str:
    """`restarted (generation 3, pid 4711)`, or why nothing was done, such as `it is running already`."""
    if not isinstance(value, Mapping):
        return done
    facts = ", ".join(f"{key} {value[key]}" for key in ("state", "generation", "pid") if value.get(key) is not None)
    told = f" ({facts})" if facts else ""
    if value.get("result", "ok") in ("ok", "injected"):
        return done + told
    return f"was not {done}: {value.get('message') or value['result']}{told}"


VERBS = (
    *(
        Verb(
            name=name,
            summary=summary,
            help=f"{more} Takes several names. With --json one name gives its answer, several give an object by name.",
            example=f"{name} librarian",
            kind=Kind.REMOTE,
            run=_action(name, done),
            args=(
                Arg(name="name", takes=Takes.NAME, help="a node of the tree; a unique prefix will do", many=Many.SOME),
            ),
        )
        for name, done, summary, more in _ACTIONS
    ),
    Verb(
        name="shutdown",
        summary="stop the whole instance in order",
        help="Stops every child in reverse start order, each within its own limit, and waits for the end.",
        example="shutdown --reason 'kernel update'",
        kind=Kind.REMOTE,
        run=shutdown,
        options=(Option(name="reason", help="kept in the event log", takes=Takes.TEXT, metavar="TEXT"),),
    ),
)
