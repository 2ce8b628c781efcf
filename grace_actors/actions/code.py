"""Actions that check code and playbooks with the tools for it: pytest, ruff, mypy, the loader of playbooks.

They run as commands and change nothing in what they check. Invariant: a tool that is missing, or that found nothing to
check, is a failure.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from grace_actors.actions.action import Call, Result, Steps, given, needed, positive, reads
from grace_actors.actions.commands import module, tool
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.kernel import Completed, Data
from grace_actors.programs import PROGRAM, last_line
from playbooks.spec import ParamType

LONG_S = 600.0
SHOWN = 10
PATHS = needed("files or folders", ParamType.ARRAY)
DIRECTORY = given("", "where the tool runs and its configuration is; empty: where Grace is installed")
WITHIN = given(LONG_S, "how long the tool may take, in seconds")
_COUNT = re.compile(r"(\d+) (passed|failed|error|skipped)")
_CHECKED = re.compile(r"(?:checked|found in) (\d+) source file")


@reads(timeout_s=LONG_S, paths=PATHS, directory=DIRECTORY, within_s=WITHIN)
def run_tests(call: Call) -> Steps:
    """Runs tests with pytest. ok if at least one passed and none failed."""
    words = ["-p", "no:cacheprovider", "--color=no", "--tb=short", "--verbosity=0", *_paths(call)]
    done: Completed = yield from module("pytest", words, directory=_directory(call), timeout_s=call["within_s"])
    output = done.stdout.decode(errors="replace")
    counts = {word: int(number) for number, word in _COUNT.findall(output.strip().rpartition("\n")[2])}
    data = {"value": counts.get("passed", 0), **counts, "output": output[-4000:]}
    if done.returncode == 0 and counts.get("passed"):
        return Result(True, message=", ".join(f"{number} {word}" for word, number in counts.items()), data=data)
    if done.returncode in (0, 5):
        text = "no test ran; name paths that hold tests"
    else:
        text = f"{', '.join(f'{number} {word}' for word, number in counts.items()) or last_line(done)}; see data.output"
    return Result(False, message=f"run_tests: {text}", data=data)


@reads(timeout_s=LONG_S, paths=PATHS, directory=DIRECTORY, within_s=WITHIN)
def run_lint(call: Call) -> Steps:
    """Checks Python files with ruff. ok if it finds nothing."""
    words = ["check", "--no-cache", "--output-format=json", *_paths(call)]
    done: Completed = yield from module("ruff", words, directory=_directory(call), timeout_s=call["within_s"])
    if done.returncode not in (0, 1):
        raise WorldFailed(f"ruff: {last_line(done)}", hint="see its configuration")
    if b"No Python files found" in done.stderr:
        raise NotFound("there is no Python file in the paths", hint="name paths that hold some")
    found = [_finding(one) for one in _json_list(done)]
    data = {"value": len(found), "findings": found[:SHOWN]}
    if not found:
        return Result(True, message="ruff finds nothing", data=data)
    return Result(False, message=f"run_lint: {len(found)} findings, first {found[0]}; correct them", data=data)


@reads(timeout_s=LONG_S, paths=PATHS, directory=DIRECTORY, within_s=WITHIN)
def run_type_check(call: Call) -> Steps:
    """Checks types with mypy. ok if it finds no error in at least one file."""
    words = ["--cache-dir=/dev/null", "--no-color-output", "--error-summary", *_paths(call)]
    done: Completed = yield from module("mypy", words, directory=_directory(call), timeout_s=call["within_s"])
    output = done.stdout.decode(errors="replace")
    found = [line for line in output.splitlines() if ": error: " in line]
    checked = _CHECKED.search(output)
    data = {"value": len(found), "files": int(checked[1]) if checked else 0, "findings": found[:SHOWN]}
    if done.returncode == 0 and data["files"]:
        return Result(True, message=f"mypy finds nothing in {data['files']} files", data=data)
    text = f"{len(found)} errors, first {found[0]}; correct them" if found else f"{last_line(done)}; see paths"
    return Result(False, message=f"run_type_check: {text}", data=data)


@reads(directory=needed("the folder of the playbooks"))
def validate_playbook_files(call: Call) -> Steps:
    """Loads every playbook file below a folder. ok if there is one and all are sound; data names every mistake."""
    folder = Path(call["directory"])
    found: Data = yield from tool("playbooks", {"directory": str(folder if folder.is_absolute() else PROGRAM / folder)})
    faults, names = found["faults"], found["playbooks"]
    data = {"value": len(names), "playbooks": names, "faults": faults}
    if names and not faults:
        return Result(True, message=f"{len(names)} playbooks are sound", data=data)
    text = f"{len(faults)} mistakes, first {faults[0]}" if faults else "there is no playbook in the folder"
    return Result(False, message=f"validate_playbook_files: {text}; correct the file", data=data)


def _json_list(done: Completed) -> list[Data]:
    try:
        return list(json.loads(done.stdout))
    except ValueError:
        raise WorldFailed(f"ruff answered {done.stdout[:200]!r}", hint="see its version") from None


def _finding(one: Data) -> str:
    return f"{one['filename']}:{one['location']['row']}: {one['code']} {one['message']}"


def _directory(call: Call) -> Path:
    path = Path(call["directory"] or PROGRAM)
    if not path.is_dir():
        raise NotFound(f"{path} is no folder", hint="name the folder of the project")
    return path


def _paths(call: Call) -> list[str]:
    """The paths, all of which exist. Raises NotFound, or Refused when there is none."""
    positive(call, "within_s")
    directory, paths = _directory(call), [str(path) for path in call["paths"]]
    if not paths:
        raise Refused("paths is empty", hint="name at least one file or folder")
    missing = [path for path in paths if path.startswith("-") or not (directory / path.partition("::")[0]).exists()]
    if missing:
        raise NotFound(f"{missing[0]} does not exist in {directory}", hint="paths are relative to directory")
    return paths
