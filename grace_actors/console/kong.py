"""The verb kong: Chaos Kong, everything at once and again while work goes on.

chaos_runner plans and performs it; here a person is asked first, and it is watched like a drill. Invariant: it never
begins without a yes, at the terminal or as --yes.
"""

from __future__ import annotations

from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.confirm import confirm
from grace_actors.console.drill_run import ask_runner, follow, status_of
from grace_actors.console.errors import ExitCode, UsageError
from grace_actors.console.out import Out
from grace_actors.console.records import user
from grace_actors.console.table import Args, Kind, Option, Takes, Verb

DEFAULT_S = 300


def kong(client: Client, args: Args, out: Out) -> ExitCode:
    """Begin it once a person has said yes, and watch it to its end."""
    from chaos.kong.plan import SHORTEST_S

    seconds = DEFAULT_S if args["seconds"] is None else args["seconds"]
    if seconds < SHORTEST_S:
        raise UsageError(f"kong --seconds {seconds} is too short", allowed=[f"whole seconds from {SHORTEST_S}"])
    if not args["yes"]:
        confirm(question(client, seconds), out)
    wanted: dict[str, Any] = {"seconds": seconds, "seed": args["seed"] or 0, "load": args["load"] or 0}
    run = ask_runner(client, "kong", {**wanted, "by": user()})
    found = follow(client, str(run["run"]), out)
    if out.json:
        out.value(found)
    return status_of(found)


def question(client: Client, seconds: int) -> str:
    """What a yes means."""
    return (
        f"For {seconds} s Chaos Kong kills critical kernels, damages data and takes the host's processors and memory, "
        f"again and again, in {client.home.root}. Begin?"
    )


VERBS = (
    Verb(
        name="kong",
        summary="run Chaos Kong: everything fails at once and again, under load",
        help=(
            "The critical kernels are killed, data is damaged, processors and memory are taken and queues flooded, at "
            "once and again; afterwards everything must be up, the log verified, and no acknowledged message lost. The "
            "same --seed gives the same order of faults. With --load so many durable messages a second are sent "
            "meanwhile. It asks before it begins; off a terminal, and with --json, it needs --yes. It is watched like "
            "a drill: Ctrl-C ends the watching, `drill halt` ends it. The status is 0 if it passed, 1 if not, 5 if it "
            "is refused. --json prints all that is known of the run."
        ),
        example="kong --seconds 60 --load 100 --yes",
        kind=Kind.REMOTE,
        run=kong,
        options=(
            Option(name="seconds", help=f"how long; default {DEFAULT_S}", takes=Takes.COUNT, metavar="N"),
            Option(name="seed", help="the order of the faults; default 0", takes=Takes.COUNT, metavar="N"),
            Option(name="load", help="durable messages a second meanwhile; default 0", takes=Takes.COUNT, metavar="N"),
            Option(name="yes", help="begin without asking"),
        ),
    ),
)
