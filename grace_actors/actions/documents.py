"""Actions on documents that librarian rejected: why, and another try.

A document goes back through the inbox, like one a person puts there, so librarian alone decides what becomes of it.
Invariant: the file is at every moment in the inbox, in `done` or in `rejected`, never in two of them.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from grace_actors.actions.action import POLL_S, Call, Result, Steps, Wait, acts, given, needed, positive, reads
from grace_actors.errors import NotFound, Refused, TimedOut
from playbooks.spec import Severity

LIBRARIAN = "librarian"
NOTE = ".reason.txt"
FILE = needed("the name of the document, as it is in inbox/rejected")
_DATA = re.compile(
    r"is no regular file|extension\b|is empty|has \d+ bytes|is not UTF-8|holds a NUL|nothing but white space"
    r"|cannot be read: "
)
_CODE = re.compile(r"(?i)schema|parser|parse error|traceback|\b\w+(?:Error|Exception)\b|no such (?:table|column)")


@reads(file=FILE)
def read_rejection(call: Call) -> Steps:
    """Reads why librarian rejected a document. `value` is the cause: data (the file itself), code (a schema or a parser
    of ours) or unknown."""
    yield from ()
    file = _rejected(call) / _name(call)
    note = file.with_name(file.name + NOTE)
    if not note.is_file():
        raise _not_there(call)
    reason = note.read_text(encoding="utf-8", errors="replace").strip()
    cause = cause_of(reason)
    data = {"value": cause, "reason": reason, "is_there": file.exists()}
    return Result(
        True, message=f"{file.name}: {reason.splitlines()[0] if reason else 'no reason'} ({cause})", data=data
    )


def cause_of(reason: str) -> str:
    """Whether the document is to blame or what reads it."""
    first = reason.partition("\n")[0]
    if _CODE.search(first):
        return "code"
    return "data" if _DATA.search(first) else "unknown"


@reads(file=FILE)
def verify_ingestion(call: Call) -> Steps:
    """Looks where a document of the inbox is now. `value` is done, rejected or waiting; ok if it is done."""
    yield from ()
    name, inbox = _name(call), _rejected(call).parent
    places = {"rejected": inbox / "rejected" / name, "waiting": inbox / name, "done": inbox / "done" / name}
    state = next((state for state, path in places.items() if os.path.lexists(path)), "")
    if not state:
        raise NotFound(f"no document of the inbox is called {name!r:.100}", hint=f"look into {inbox}")
    if state == "done":
        return Result(True, message=f"{name} was taken in", data={"value": state})
    text = f"verify_ingestion: {name} is {state}; see: read_rejection"
    return Result(False, message=text, data={"value": state})


@acts(
    file=FILE,
    wait_s=given(60.0, "how long to wait until librarian has decided, in seconds"),
    risk=Severity.LOW,
    timeout_s=300.0,
)
def replay_ingestion(call: Call) -> Steps:
    """Puts a rejected document back into the inbox and waits. ok once librarian has taken it in; if it rejects it
    again, the reason is in the message."""
    positive(call, "wait_s")
    name, rejected = _name(call), _rejected(call)
    inbox, done = rejected.parent, rejected.parent / "done"
    source, waiting = rejected / name, inbox / name
    if not os.path.lexists(source) and not os.path.lexists(waiting):
        if (done / name).is_file():
            return Result(True, message=f"{name} is taken in already", data={"value": "done"})
        raise _not_there(call)
    if call.check:
        return Result(True, changed=True, message=f"{name} would be put into the inbox again")
    if os.path.lexists(source):
        _put_back(source, waiting)
        call.changed = True
    inode, deadline = waiting.lstat().st_ino, call.ctx.now() + call["wait_s"]
    while True:
        if _has(done, inode):
            return Result(True, changed=True, message=f"{name} was taken in", data={"value": "done"})
        if not os.path.lexists(waiting) and _has(rejected, inode):
            note = source.with_name(name + NOTE)
            reason = note.read_text(encoding="utf-8", errors="replace").strip() if note.is_file() else ""
            data = {"value": "rejected", "reason": reason, "cause": cause_of(reason)}
            text = f"replay_ingestion: {name} was rejected again: {'; '.join(reason.splitlines()) or 'no reason'}"
            return Result(False, changed=True, message=text if ";" in text else f"{text}; see it", data=data)
        if call.ctx.now() >= deadline:
            text = f"{name} still waits in the inbox after {call['wait_s']:g} s"
            raise TimedOut(text, hint=f"librarian takes it when it can; see: status {LIBRARIAN}")
        yield Wait(delay_s=POLL_S)


def _put_back(source: Path, waiting: Path) -> None:
    """Raises Refused when another document of that name is in the inbox."""
    if os.path.lexists(waiting):
        raise Refused(f"the inbox has another {waiting.name}", hint="wait until it is taken in")
    source.replace(waiting)
    source.with_name(source.name + NOTE).unlink(missing_ok=True)  # a new one comes with a new rejection


def _has(directory: Path, inode: int) -> bool:
    """Whether the file itself is there: its name may have been taken."""
    if not directory.is_dir():
        return False
    with os.scandir(directory) as entries:
        return any(entry.inode() == inode for entry in entries)


def _rejected(call: Call) -> Path:
    return call.ctx.home / "inbox" / "rejected"


def _name(call: Call) -> str:
    name: str = call["file"]
    if not name or "/" in name or name in (".", "..") or name.endswith(NOTE):
        raise Refused(f"{name!r:.100} is no document", hint="give the name of the file alone, without a folder")
    return name


def _not_there(call: Call) -> NotFound:
    directory = _rejected(call)
    names = [path.name for path in directory.iterdir() if not path.name.endswith(NOTE)] if directory.is_dir() else []
    near = difflib.get_close_matches(call["file"], names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"rejected are: {', '.join(sorted(names)[:10]) or 'none'}"
    return NotFound(f"{call['file']!r:.100} is not among the rejected documents", hint=hint)
