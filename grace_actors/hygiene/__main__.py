"""The command that does the work on sets: JSON in, JSON out, one at a time, and after everybody else.

Reads an order, does it, and says what came of it; what is due, and who is told, is for the caller. Invariant: at most
one command works on the sets of a home, and refusals are answers like others.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grace_actors.errors import GraceError, Refused, WorldFailed
from grace_actors.hygiene import good_copies, plan, restoring
from grace_actors.hygiene.plan import Limits, SetFacts
from grace_actors.hygiene.sets import Sets, SnapshotSet, total_bytes
from grace_actors.hygiene.taking import Taker, draft_of
from grace_actors.stores.files import failed

NICENESS = 15
Told = dict[str, Any]
"""An order, and what came of it: filled while the work goes on, so that a failure tells what was done before it."""


def take(store: Sets, order: Told, told: Told) -> None:
    """A new set, good copies brought up to date, and what nobody needs any more deleted."""
    limits, wall = Limits(**order["limits"]), order["wall"]
    told["pruned"] = []
    facts, problems, records = store.facts()
    _make_room(store, facts, limits, told["pruned"])
    told["without_copy"] = good_copies.sync(store)
    facts = [one for one in facts if one.id not in told["pruned"]]
    records = [one for one in records if one.id not in told["pruned"]]
    id, draft = draft_of(store, wall)
    record = Taker(store, records, draft).take(id, wall, order["reason"])
    new = plan.new_problems(records[0].problems if records else {}, record.problems)
    how = {item.path: item.how for item in record.items}
    told["taken"] = _shown(record, [])
    told["damaged"] = [{"path": path, "problem": problem, "copy": how[path]} for path, problem in new.items()]
    facts.append(SetFacts(id=id, number=record.number, at=wall, valid=True))
    for one in plan.surplus(facts, wall, limits):
        told["pruned"].append(store.drop(one))
    told["sets"] = listed(store, problems)


def list_sets(store: Sets, order: Told, told: Told) -> None:
    """All sets, verified now."""
    told["sets"] = listed(store, {id: store.verify(id) for id in store.ids()})


def verify(store: Sets, order: Told, told: Told) -> None:
    """One set, verified now."""
    problems = store.verify(order["id"])
    told |= {"id": order["id"], "valid": not problems, "problems": problems[:100]}


def restore(store: Sets, order: Told, told: Told) -> None:
    """A part put back."""
    told |= restoring.restore(store, order["id"], order["part"], order["wall"], force=order["force"])


def sync(store: Sets, order: Told, told: Told) -> None:
    """Good copies brought up to date."""
    told["without_copy"] = good_copies.sync(store)


def accept(store: Sets, order: Told, told: Told) -> None:
    """The artefacts as they are, from now on the good ones."""
    told["files"] = len(good_copies.accept_artefacts(store.home, store.digests))
    told["without_copy"] = good_copies.sync(store)


DOES = {"take": take, "list": list_sets, "verify": verify, "restore": restore, "sync": sync, "accept": accept}


def listed(store: Sets, problems: dict[str, list[str]]) -> list[dict[str, Any]]:
    """The sets that are there, newest first."""
    rows = []
    for id in store.ids():
        try:
            rows.append(_shown(store.load(id), problems.get(id, [])))
        except (ValueError, GraceError) as error:
            why = problems.get(id) or [str(error)]
            rows.append({"id": id, "number": 0, "at": 0.0, "valid": False, "problems": why, "bytes": 0, "parts": []})
    return sorted(rows, key=lambda row: (row["number"], row["id"]), reverse=True)


def _shown(record: SnapshotSet, problems: list[str]) -> dict[str, Any]:
    parts = []
    for part, items in record.parts().items():
        wrong = {path: why for path, why in record.problems.items() if plan.part_of(path) == part}
        parts.append({"part": part, "files": len(items), "bytes": total_bytes(items), "damaged": wrong})
    return {
        "id": record.id,
        "number": record.number,
        "at": record.at,
        "version": record.version,
        "reason": record.reason,
        "valid": not problems,
        "problems": problems[:20],
        "bytes": total_bytes(record.items),
        "parts": parts,
        "skipped": dict(record.skipped),
    }


def _make_room(store: Sets, facts: list[SetFacts], limits: Limits, pruned: list[str]) -> None:
    """Delete the oldest sets where that gets the disk above its floor; their ids go to `pruned`. Raises WorldFailed
    when it is still below."""
    free = shutil.disk_usage(store.directory).free
    pruned += map(store.drop, plan.to_free(facts, limits.floor_bytes - free))
    store.room()


@contextlib.contextmanager
def _alone(store: Sets) -> Iterator[None]:
    """The only command on these sets; what an interrupted one left is removed. Raises Refused, StoreFailed."""
    try:
        store.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(store.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise failed(store.directory, error) from error
    try:
        _hold(lock, store.directory)
        store.drop_drafts()
        yield
    finally:
        os.close(lock)


def _hold(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(f"another command works on {directory}", hint="try again when it is done") from None


def main() -> None:
    """Obey the order on standard input."""
    os.nice(NICENESS)
    order, told = json.load(sys.stdin), Told()
    answer: Told = {"ok": True, "value": told}
    store = Sets(Path(order["home"]), order["limits"]["floor_bytes"])
    try:
        with _alone(store):
            DOES[order["do"]](store, order, told)
    except GraceError as error:
        answer |= {"ok": False, "code": error.code, "message": error.message, "hint": error.hint}
    except OSError as error:
        answer |= {"ok": False, "code": WorldFailed.code, "message": str(error), "hint": "look at the disk"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
