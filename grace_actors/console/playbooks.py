"""The verb playbook. Without an instance: are the files sound, and would this event start that playbook.

What counts is decided in `playbooks`; here files are named and answers shown. What needs an instance is in `runs`.
Invariant: `validate` fails if and only if there is a fault, `test` if and only if the event would start nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace_actors.console import runs
from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, UsageError, nearest
from grace_actors.console.event_file import read_event_file
from grace_actors.console.offline import Invalid
from grace_actors.console.out import Out
from grace_actors.console.parse import readable_file
from grace_actors.console.table import Arg, Args, Kind, Many, Option, Takes, Verb
from grace_actors.console.text import wrapped

if TYPE_CHECKING:
    from playbooks.loader import Pack
    from playbooks.matching import Criterion, Match
    from playbooks.spec import Actions
    from supervisors.yaml_source import FileFault

ACTIONS = ("list", "show", "run", "validate", "test")


def playbook(client: Client, args: Args, out: Out) -> ExitCode:
    """Show or run the playbooks of an instance, check files, or hold one against an event."""
    action, target, event = args["action"], args["target"], args["event"]
    if action not in ACTIONS:
        raise UsageError(f"playbook: unknown action {action!r}", allowed=ACTIONS, near=nearest(action, ACTIONS))
    if (target is None) is not (action == "list"):
        raise UsageError(f"playbook {action} {'without' if target is None else 'with'} a TARGET", hint="help playbook")
    if action != "run" and (args["parameter"] or args["check"] or args["wait"]):
        raise UsageError(f"playbook {action} with what is for `run`", hint="playbook run NAME [k=v ...]")
    if (event is None) is (action == "test"):
        hint = "playbook test FILE --event FILE, or playbook validate PATH"
        raise UsageError(f"playbook {action} {'without' if event is None else 'with'} --event", hint=hint)
    match action:
        case "list":
            return runs.list_playbooks(client, out)
        case "show":
            return runs.show_playbook(client, target, out)
        case "run":
            return runs.run_playbook(client, target, args, out)
        case "validate":
            return _validate(target, out)
        case _:
            return _test(target, event, out)


def _actions() -> Actions:
    from grace_actors.actions.catalogue import specs

    return specs()


def _validate(word: str, out: Out) -> ExitCode:
    pack = _pack(word)
    if out.json:
        faults = [_fault(fault) for fault in pack.faults]
        out.value({"path": word, "ok": not faults, "playbooks": sorted(pack.playbooks), "faults": faults})
        return ExitCode.FAILED if faults else ExitCode.OK
    if pack.faults:
        raise Invalid(
            f"{word} has faults (sound playbooks: {len(pack.playbooks)}):\n" + "\n".join(map(str, pack.faults))
        )
    out.say(f"{word} is valid (playbooks: {', '.join(sorted(pack.playbooks)) or 'none'})")
    return ExitCode.OK


def _pack(word: str) -> Pack:
    from playbooks.loader import Pack, PlaybookFileError, load_directory, load_playbook

    path = Path(word).expanduser()
    if path.is_dir():
        return load_directory(path, _actions())
    file = readable_file(word)
    try:
        found = load_playbook(file, _actions())
    except PlaybookFileError as error:
        return Pack(playbooks={}, files={}, faults=error.faults)
    return Pack(playbooks={found.name: found}, files={found.name: file})


def _test(word: str, event_word: str, out: Out) -> ExitCode:
    from playbooks.loader import load_playbook
    from playbooks.matching import match
    from supervisors.yaml_source import FileError

    path, event_path = readable_file(word), readable_file(event_word)
    try:
        found = match(load_playbook(path, _actions()), read_event_file(event_path))
    except FileError as error:
        raise Invalid(f"nothing was tested:\n{error}") from None
    if out.json:
        out.value(_as_dict(found))
    else:
        out.say(wrapped("\n".join(told(found)), out.console.width, hang=6))
    return ExitCode.OK if found.attempt else ExitCode.FAILED


def told(found: Match) -> Iterator[str]:
    """The verdict, and every trigger with what it asked and what was seen."""
    if found.attempt:
        inputs = ", ".join(f"{name}={value!r}" for name, value in found.attempt.inputs.items())
        yield f"{found.playbook} matches (inputs: {inputs or 'none'})"
    else:
        yield f"{found.playbook} does not match" + ("" if found.enabled else ": enabled is false")
    if not found.attempts:
        yield "  it has no triggers"
    for attempt in found.attempts:
        yield f"  trigger {attempt.trigger}: {'matches' if attempt.matches else 'does not match'}"
        yield from (f"    {_line(criterion)}" for criterion in attempt.criteria)


def _line(criterion: Criterion) -> str:
    seen = ", ".join(f"{name} is {value!r}" for name, value in criterion.seen.items())
    why = "; ".join(part for part in (seen, criterion.problem) if part)
    place = f" ({criterion.place})" if criterion.place and not criterion.holds else ""
    return f"{'yes' if criterion.holds else 'no '} {criterion.text}{place}" + (f": {why}" if why else "")


def _as_dict(found: Match) -> dict[str, Any]:
    return {
        "playbook": found.playbook,
        "matches": found.attempt is not None,
        "enabled": found.enabled,
        "inputs": dict(found.attempt.inputs) if found.attempt else None,
        "triggers": [
            {
                "type": attempt.trigger,
                "matches": attempt.matches,
                "criteria": [
                    {
                        "text": criterion.text,
                        "place": criterion.place,
                        "holds": criterion.holds,
                        "seen": dict(criterion.seen),
                        "problem": criterion.problem,
                    }
                    for criterion in attempt.criteria
                ],
            }
            for attempt in found.attempts
        ],
    }


def _fault(fault: FileFault) -> dict[str, Any]:
    place = fault.place
    told = {"message": fault.message, "allowed": fault.allowed, "nearest": fault.nearest}
    return {"file": place.file, "line": place.line, "column": place.column, **told}


VERBS = (
    Verb(
        name="playbook",
        summary="list, show and run playbooks, check their files, or hold one against an event",
        help=(
            "`playbook list`, `playbook show NAME` and `playbook run NAME [k=v ...]` ask the running instance; the run "
            "gets its inputs as k=v, a value that is JSON as such, any other as text. `playbook validate PATH` reads a "
            "playbook file, or every one below a folder, and tells each mistake as file:line:column. "
            "`playbook test FILE --event FILE` says whether the event would start the playbook, and for every "
            "condition what was seen; the status is 0 if it would, 1 if not. The event file holds its `type` and its "
            "`issue`, as YAML or JSON, or a record as `events --json` prints it. These two need no instance and run "
            "nothing."
        ),
        example="playbook run critical_kernel_restart kernel=librarian --check --wait",
        kind=Kind.REMOTE,
        run=playbook,
        args=(
            Arg(name="action", takes=Takes.TEXT, help=", ".join(ACTIONS), words=ACTIONS),
            Arg(
                name="target",
                takes=Takes.FILE,
                help="a playbook's name, or for `validate` and `test` its file; for `validate` also a folder",
                many=Many.OPTIONAL,
            ),
            Arg(name="parameter", takes=Takes.PARAMETER, help="for `run`: the inputs", many=Many.ANY),
        ),
        options=(
            *runs.PLAYBOOK_OPTIONS,
            Option(name="event", help="for `test`: the event to hold the playbook against", takes=Takes.FILE),
        ),
    ),
)
