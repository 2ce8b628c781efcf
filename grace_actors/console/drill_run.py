"""Having drills run and watching them until they are judged.

The drill goes on in the instance, whatever becomes of this console. Invariant: the status is 0 if and only if every
run passed, and Ctrl-C ends the watching alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.drill_view import OVER, changes, gates_of, run_view
from grace_actors.console.errors import ExitCode, NotRunning, RemoteFailed, Unknown, UsageError, exit_code
from grace_actors.console.lines import compact, items, mappings, part
from grace_actors.console.names import pick
from grace_actors.console.out import Out
from grace_actors.console.polling import looks
from grace_actors.console.records import ask, user
from grace_actors.console.table import Args
from grace_actors.errors import GraceError

KERNEL = "chaos_runner"
ASK_S = 5.0
"""A look that takes longer is tried again: whoever answers may be the target of the drill."""
OTHER_LINES = 18
"""Lines of a run that are no activities: they must fit on the screen too."""
KEYS = ("id", "passed", "gates", "detect_s", "heal_s", "journal")
SHOWN_PROBLEMS = 3
NO_RUNNER = (
    f"add it to the tree, beside self_healing and coding_agent: {{id: {KERNEL}, "
    "kernel: grace_actors.kernels.chaos_runner:ChaosRunner}"
)


def ask_runner(client: Client, verb: str, args: Mapping[str, Any] | None = None) -> Any:
    """The answer of chaos_runner. Raises Unknown where the tree has none, and what `Client.call` raises."""
    try:
        return ask(client, KERNEL, verb, args)
    except RemoteFailed as error:
        if error.code == "not_found" and f"called {KERNEL!r}" in error.message:
            raise Unknown(f"this tree has no {KERNEL}, which runs drills and keeps faults", hint=NO_RUNNER) from None
        raise


def read_files(client: Client) -> list[str]:
    """Have the files of the cards read anew, so that one written just now is there; what is wrong with those that are
    left out. Raises what `ask_runner` raises."""
    return [compact(problem) for problem in items(ask_runner(client, "read_drills").get("problems"))]


def drill_rows(client: Client) -> list[Mapping[str, Any]]:
    """Every drill with how it stands. Raises what `ask_runner` raises."""
    return mappings(ask_runner(client, "drills").get("drills"))


def known_drills(client: Client) -> list[str]:
    """The ids of all drills. Raises what `ask_runner` raises."""
    return [str(row.get("id")) for row in drill_rows(client)]


def meant(word: str, known: Sequence[str], problems: Sequence[str] = ()) -> str:
    """The id that a word or prefix stands for, in capitals or not. Raises UsageError, or Unknown, which tells what is
    wrong with the files that are left out: it may be in one of them."""
    is_typed_so = any(id.startswith(word) for id in known)
    try:
        return pick(word if is_typed_so else word.upper(), known, "drill", unknown=Unknown)
    except Unknown as error:
        if problems:
            error.hint = f"left out: {'; '.join(problems[:SHOWN_PROBLEMS])}"
        raise


def run_drills(client: Client, args: Args, out: Out) -> ExitCode:
    """Run each drill that is named, each so many times, one after the other."""
    if args["times"] == 0:
        raise UsageError("drill run --times 0", allowed=["whole numbers from 1"])
    problems, known = read_files(client), known_drills(client)
    chosen = [meant(word, known, problems) for word in args["id"]]
    ids = [id for id in dict.fromkeys(chosen) for _ in range(args["times"] or 1)]
    answers: list[dict[str, Any]] = []
    code = ExitCode.OK
    for id in ids:
        try:
            run = ask_runner(client, "run_drill", {"id": id, "by": user()})
            found = follow(client, str(run["run"]), out)
        except NotRunning:
            raise
        except GraceError as error:  # refused, say; the others are tried all the same
            out.fail(error)
            code = max(code, exit_code(error))
            answers.append({"id": id, "error": {"code": error.code, "message": error.message, "hint": error.hint}})
            continue
        code = max(code, status_of(found))
        answers.append(as_answer(found))
    _sum_up(answers, ids, out)
    return code


def _sum_up(answers: Sequence[Mapping[str, Any]], ids: Sequence[str], out: Out) -> None:
    if out.json:
        if len(ids) > 1:
            out.value(answers)
        elif "error" not in answers[0]:  # its error was told
            out.value(answers[0])
    elif len(ids) > 1:
        passed = sum(answer.get("passed") is True for answer in answers)
        out.say(f"\n{passed} of {len(ids)} passed")


def as_answer(run: Mapping[str, Any]) -> dict[str, Any]:
    """A judged run as `drill run --json` prints it."""
    found = {key: run.get(key) for key in KEYS}
    gates = part(run, "gates")
    return found | {"passed": run.get("passed") is True, "gates": {gate: gates.get(gate) for gate in gates_of(run)}}


def status_of(run: Mapping[str, Any]) -> ExitCode:
    """The status that a judged run ends with."""
    return ExitCode.OK if run.get("passed") is True else ExitCode.FAILED


# ---- watching -------------------------------------------------------------------------------------------------------


def run_meant(client: Client, word: str) -> str:
    """The run that a word stands for: none for the newest, a run, or a drill for its newest run. Raises Unknown."""
    try:
        return str(ask_runner(client, "drill_run", {"run": word} if word else {}).get("run"))
    except RemoteFailed as error:
        if error.code != "not_found":
            raise
        if not word:
            raise Unknown("no drill was run yet", hint="begin one: drill run ID") from None
    known = known_drills(client)
    if not any(id.startswith((word, word.upper())) for id in known):
        hint = "a run is named by `drill show ID`; without a name the newest is followed"
        raise Unknown(f"there is no run or drill {word!r:.80}", hint=hint)
    id = meant(word, known)
    history = mappings(ask_runner(client, "drill", {"id": id}).get("history"))
    if not history:
        raise Unknown(f"{id} was never run", hint=f"begin it: drill run {id}")
    return str(history[0].get("run"))


def follow(client: Client, run: str, out: Out) -> Mapping[str, Any]:
    """Show the run as it goes, until it is judged; the judged run. Raises Interrupted when nobody knows how it goes."""
    seen = _looks(client, run)
    try:
        if out.json:
            return _last(seen)
        return _live(seen, out) if out.live else _plain(seen, out)
    except KeyboardInterrupt:
        told = f"\n{run} goes on\n  watch it: drill follow {run}\n  stop it: drill halt"
        print(told, file=out.stderr, flush=True)
        raise


def _looks(client: Client, run: str) -> Iterator[Mapping[str, Any]]:
    def look() -> Any:
        return client.call("ask", {"name": KERNEL, "verb": "drill_run", "args": {"run": run}}, timeout_s=ASK_S)

    for value in looks(client, look, about=run, later=f"drill follow {run}"):
        yield value
        if value.get("status") in OVER:
            return


def _last(seen: Iterator[Mapping[str, Any]]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = {}
    for value in seen:
        found = value
    return found


def _plain(seen: Iterator[Mapping[str, Any]], out: Out) -> Mapping[str, Any]:
    before: Mapping[str, Any] = {}
    for value in seen:
        for line in changes(before, value):
            out.say(line)
        before = value
    return before


def _live(seen: Iterator[Mapping[str, Any]], out: Out) -> Mapping[str, Any]:
    """A table that fills and then stays."""
    from rich.console import Group
    from rich.live import Live

    found: Mapping[str, Any] = {}
    with Live(console=out.console, auto_refresh=False) as live:
        for value in seen:
            found = value
            most = max(out.console.height - OTHER_LINES, 4)
            live.update(Group(*run_view(value, width=out.console.width, now=time.time(), most=most)), refresh=True)
    return found
