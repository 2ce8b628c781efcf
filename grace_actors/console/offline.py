"""Verbs that need no instance: simulate a scenario, validate a tree file.

What they do is decided in `supervisors`; here it is loaded, called and shown. Imports happen when a verb
runs, so that every other verb starts fast.
Invariant: with --json, standard output is exactly the result, or empty when there is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode
from grace_actors.console.lines import compact
from grace_actors.console.out import Out
from grace_actors.console.parse import readable_file
from grace_actors.console.table import Arg, Args, Kind, Option, Takes, Verb
from grace_actors.console.text import wrapped
from grace_actors.errors import GraceError, WorldFailed

if TYPE_CHECKING:
    from supervisors.loader import FileFault


class Invalid(GraceError):
    """What a file says cannot be used; the message has one fault a line."""

    code = "invalid"


def simulate(client: Client, args: Args, out: Out) -> ExitCode:
    """Play scenarios under a virtual clock and show what the supervisor did."""
    from supervisors.scenario import ScenarioError
    from supervisors.simulate import play_many

    path = readable_file(args["file"])
    scenarios = read_scenarios(path)
    try:
        results = play_many(scenarios)
    except ScenarioError as error:
        raise Invalid(f"{path}: {error.where}: {error.problem}", hint=error.hint) from None
    if out.json:
        out.value(results)
        return ExitCode.OK
    for scenario, result in zip(scenarios, results, strict=True):
        out.say(wrapped("\n".join(story(scenario, result)), out.console.width))
    return ExitCode.OK


def validate(client: Client, args: Args, out: Out) -> ExitCode:
    """Load a tree file and say every mistake, with its place."""
    from grace_actors.resolve import resolve
    from supervisors.loader import TreeFileError, load_tree

    path = readable_file(args["file"])
    try:
        found = load_tree(path, imports=not args["no_imports"], resolve=resolve)
    except TreeFileError as error:
        if not out.json:
            raise Invalid(f"{path} cannot be used:\n{error}") from None
        out.value(_verdict(path, [], [fault_data(f) for f in error.faults], ()))
        return ExitCode.FAILED
    children = list(found.children())
    if out.json:
        out.value(_verdict(path, [child.id for child in children], [], found.infos))
        return ExitCode.OK
    supervisors = sum(child.type.value == "supervisor" for child in children) + 1
    out.say(f"{path} is valid (supervisors: {supervisors}, other children: {len(children) - supervisors + 1})")
    for note in found.infos:
        out.say(f"  note: {note}")
    return ExitCode.OK


def _verdict(path: Path, children: list[str], faults: list[dict[str, Any]], notes: Sequence[str]) -> dict[str, Any]:
    return {"file": str(path), "ok": not faults, "children": children, "faults": faults, "notes": list(notes)}


def fault_data(fault: FileFault) -> dict[str, Any]:
    """A mistake with its place, as JSON has it."""
    place = fault.place
    told = {"message": fault.message, "allowed": fault.allowed, "nearest": fault.nearest}
    return {"file": place.file, "line": place.line, "column": place.column, **told}


def read_scenarios(path: Path) -> list[dict[str, Any]]:
    """One scenario or a list of them. Raises Invalid for what is not JSON or something else."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise WorldFailed(f"{path} cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise Invalid(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise Invalid(f"{path}: not UTF-8 at byte {error.start}") from None
    scenarios = found if isinstance(found, list) else [found]
    for number, scenario in enumerate(scenarios):
        if not isinstance(scenario, dict):
            raise Invalid(f"{path}: entry {number} is {type(scenario).__name__}, not a scenario object")
    return scenarios


def story(scenario: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    """What happened, a paragraph a step."""
    limit = f"{scenario.get('intensity', 1)} restarts in {scenario.get('period', 5)} s"
    yield f"{result.get('id', '?')}: {scenario.get('strategy', 'one_for_one')}, at most {limit}"
    steps: list[Mapping[str, Any]] = [{"op": "start the supervisor"}, *scenario.get("steps", [])]
    for number, (step, entry) in enumerate(zip(steps, result.get("trace", []), strict=False)):
        yield f"  {number}. {_step(step)}: {_result(entry.get('result'))}"
        if entry.get("events"):
            yield f"     {', then '.join(map(_event, entry['events']))}"
        yield from (f"     {_report(report)}" for report in entry.get("reports", []) if _is_news(report))
        if entry.get("alive"):
            states = ", ".join(f"{child} {state}" for child, state in entry.get("children", []))
            paused = f"; paused: {', '.join(entry['paused'])}" if entry.get("paused") else ""
            yield f"     now {states or 'no children'}{paused}"
        else:
            yield f"     the supervisor is gone ({entry.get('exit')})"


def _is_news(report: Mapping[str, Any]) -> bool:
    """Whether the events beside it do not tell it already."""
    return report.get("type") not in ("child.started", "child.exited", "child.stopped", "child.start_failed")


def _report(report: Mapping[str, Any]) -> str:
    data = {
        key: value for key, value in report.get("data", {}).items() if key != "supervisor" and value not in ("", [])
    }
    said = ", ".join(
        f"{key} {f'[{_shown(value)}]' if isinstance(value, list) else _shown(value)}" for key, value in data.items()
    )
    return f"{report.get('type')} {report.get('subject')}" + (f" ({said})" if said else "")


def _step(step: Mapping[str, Any]) -> str:
    words = [str(step.get("op", "?")).replace("_", " ")]
    for key, value in step.items():
        if key == "op":
            continue
        words.append(f"{_UNITS.get(key, '')}{_shown(value.get('id', value) if isinstance(value, dict) else value)}")
    return " ".join(words)


_UNITS = {"times": "times ", "every_s": "every_s "}
"""Numbers of a step that say nothing without their names."""


def _shown(value: Any) -> str:
    """Plain data without the marks of a program."""
    return compact(value) if isinstance(value, list | dict | bool) else str(value)


def _result(result: Any) -> str:
    if isinstance(result, list):
        return " ".join(
            f"{count} {what}"
            for count, what in zip(result, ("specs", "active", "supervisors", "workers"), strict=False)
        )
    return str(result).replace("_", " ")


def _event(event: Any) -> str:
    what, child, *more = event if isinstance(event, list) and len(event) > 1 else [str(event), ""]
    told = {"start": "starts", "start_failed": "fails to start", "start_ignored": "declines to start", "exit": "exits"}
    return " ".join([str(child), told.get(what, str(what)), *(f"({reason})" for reason in more)])


VERBS = (
    Verb(
        name="simulate",
        summary="play supervision scenarios under a virtual clock",
        help=(
            "FILE holds one scenario or a list of them as JSON: a supervisor, its children and steps. Nothing starts; "
            "the same core that runs the tree decides. With --json: a list of {id, trace}."
        ),
        example="simulate scenario.json --json",
        kind=Kind.LOCAL,
        run=simulate,
        args=(Arg(name="file", takes=Takes.FILE, help="a JSON file"),),
    ),
    Verb(
        name="validate",
        summary="check a tree file and list every mistake",
        help="Each mistake is told as file:line:column. Kernel classes are imported to see that they are there.",
        example="validate tree.yaml",
        kind=Kind.LOCAL,
        run=validate,
        args=(Arg(name="file", takes=Takes.FILE, help="a tree file"),),
        options=(Option(name="no-imports", help="leave the kernel classes alone"),),
    ),
)
