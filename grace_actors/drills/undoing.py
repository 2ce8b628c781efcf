"""Undoes faults by their records: all of them before the tree starts, single ones while it runs.

Knows the steps; must not know how a fault was injected, nor actors. What needs the tree (a pardon) is not done here: at
a boot it is done with, since its process ended with its instance. Invariant: a record says undone only when every step
was done, and doing it again changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grace_actors.drills import file_steps, marked
from grace_actors.drills.file_steps import Found, NotUndone
from grace_actors.drills.records import Record, Records, State, Step
from grace_actors.errors import StoreFailed

OF_TREE = "pardon"
"""The step that asks a supervisor."""

COPY_FOR_PEOPLE = ("corrupt",)
"""The store mends itself from its own copies; somebody may want what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an undoing went: its record as it is now, and what is wrong, if anything is."""

    record: Record
    problem: str = ""

    def as_data(self) -> dict[str, Any]:
        """What an event says of it."""
        data: dict[str, Any] = {"record": self.record.id, "fault": self.record.fault, "target": self.record.target}
        if self.problem:
            return data | {"problem": self.problem}
        return data | {"by": "boot", "said": list(self.record.said)}


def undo_left(home: Path) -> list[dict[str, Any]]:
    """Undo whatever a former life of the instance left broken; for each fault {record, fault, target, by, said}, or
    `problem` where it was not possible. Only for a home in which nothing runs."""
    records = Records(home)
    if not records.folder.is_dir():
        return []
    over = "its process ended with its instance"
    told = [undo(records, record, over=over).as_data() for record in reversed(records.active())]
    told += [{"record": name, "fault": "", "target": "", "problem": why} for name, why in records.unreadable.items()]
    records.prune()
    return told


def told_of(fault: dict[str, Any]) -> str:
    """One of what `undo_left` answered, in words."""
    what = " of ".join(filter(None, (fault["fault"], fault["target"]))) or "a fault"
    if "problem" in fault:
        return f"{what} could not be undone ({fault['record']}): {fault['problem']}"
    return f"{what} was undone: {'; '.join(fault['said']) or 'nothing was left of it'}"


def undo(
    records: Records, record: Record, *, over: str = "", said: Sequence[str] = (), problems: Sequence[str] = ()
) -> Outcome:
    """Do every step that needs no tree, the last one first, and note it. Of the others, either `over` says why they are
    done with, or `said` and `problems` what became of them."""
    said, problems = list(said), list(problems)
    is_left = False
    for step in reversed(record.undo):
        if step["do"] == OF_TREE:
            said += [f"{step['child']}: {over}"] if over else []
            continue
        try:
            found = done(records, record.id, step)
        except (NotUndone, OSError, KeyError, TypeError, ValueError) as error:
            problems.append(_words(step, error))
        else:
            said.append(found.said)
            is_left = is_left or found.is_left
    return note(records, record, said, "; ".join(problems), is_left=is_left)


def done(records: Records, id: str, step: Step) -> Found:
    """Do one step. Raises NotUndone or OSError; KeyError, TypeError or ValueError for a step that is none."""
    home, kept = records.home, records.kept(id)
    match step["do"]:
        case "put_bytes":
            return file_steps.put_bytes(home, kept, step)
        case "put_end":
            return file_steps.put_end(home, kept, step)
        case "put_back":
            return file_steps.put_back(home, kept, step)
        case "swap_back":
            return file_steps.swap_back(home, kept, step)
        case "mask_secret":
            return file_steps.mask_secret(home, kept, step)
        case "end":
            return Found(marked.end(id))
    raise NotUndone(f"{step['do']!r:.60} is no step this version knows")


def _words(step: Step, error: Exception) -> str:
    if isinstance(error, NotUndone):
        return str(error)
    why = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
    return f"{step['do']} of {step.get('path', step.get('child', 'processes'))}: {why}"


def note(records: Records, record: Record, said: list[str], problem: str, *, is_left: bool = False) -> Outcome:
    """Write down how it went. A disk that refuses is no failure of the undoing: the record is read again at the next
    boot, and every step finds that it is done."""
    state = State.UNDO_FAILED if problem else State.UNDONE
    changed = replace(
        record,
        state=state,
        all_recovered=not problem,
        said=tuple(said),
        problem=problem,
        ended_at=None if problem else round(time.time(), 3),
    )
    try:
        records.write(changed)
    except StoreFailed as error:
        changed = replace(changed, said=(*changed.said, f"not noted: {error.message}"))
        return Outcome(record=changed, problem=problem)
    if not problem and not is_left and record.fault not in COPY_FOR_PEOPLE:
        records.forget(record.id)
    return Outcome(record=changed, problem=problem)
