"""Actions against secrets where they should not be: find them in logs, take them out, encrypt what is stored anew.

What a secret looks like secret_manager knows; no value ever passes through here but to be overwritten. Invariant: a log
keeps its file, its size and every other character, so that whoever writes it goes on writing it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from grace_actors.actions.action import Call, Result, Steps, acts, ask, fields, given, reads
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.kernel import Data
from playbooks.spec import Severity

MANAGER = "secret_manager"
PIECE_BYTES = 200_000
KEY_BYTES = 25_000
"""A private key in PEM form is not longer."""
WORK_S = 300.0
_TAG = re.compile(r"\[redacted:[^\]\n]*\]")
_HIDDEN = "***"
_BEGIN, _END = b"-----BEGIN ", b"-----END "
_LOG = re.compile(r"\.log(?:\.\d+)?$")
ACTOR = given("", "the actor whose logs it is about; empty: all")


@reads(actor=ACTOR, timeout_s=WORK_S)
def scan_logs_for_secrets(call: Call) -> Steps:
    """Looks for secrets in the logs of the home. `value` is how many there are; data names file, line and kind, never
    the text."""
    files = _logs(call)
    found = yield from _scanned(call, files)
    places = found["findings"]
    counts: dict[str, int] = {}
    for place in places:
        counts[place["path"]] = counts.get(place["path"], 0) + 1
    data = {"value": len(places), "files": counts, "findings": places[:200], "looked_at": len(files)}
    if found["clean"]:
        return Result(True, message=f"no secret in {len(files)} logs", data=data)
    if not places:
        raise WorldFailed(f"not all logs could be read: {found['unreadable'] or 'too many'}", hint="see: doctor")
    text = ", ".join(f"{name}: {count}" for name, count in list(counts.items())[:5])
    return Result(False, message=f"scan_logs_for_secrets: {text}; use redact_log", data=data)


@acts(
    actor=ACTOR,
    file=given("", "or one log by its name in the folder logs; its rotated files count with it"),
    risk=Severity.MEDIUM,
    timeout_s=WORK_S,
)
def redact_log(call: Call) -> Steps:
    """Overwrites secrets in logs, rotated ones too, with `***`. Nothing else changes, also while somebody writes them;
    afterwards none is found in them. Compressed logs are not read."""
    files = _logs(call)
    if call.check:
        return Result(True, changed=True, message=f"secrets in {len(files)} logs would be overwritten")
    counts: dict[str, int] = {}
    for file in files:
        if count := (yield from _overwrite(call, file)):
            counts[file.name] = count
    left = yield from _scanned(call, files)
    data = {"value": sum(counts.values()), "files": counts}
    if left["findings"] or left["unreadable"]:
        places = ", ".join(f"{Path(one['path']).name}:{one['line']}" for one in left["findings"][:5])
        text = f"there are still secrets at {places}" if places else f"not read: {left['unreadable'][:3]}"
        return Result(False, changed=bool(counts), message=f"redact_log: {text}; look at these lines", data=data)
    said = ", ".join(f"{name}: {count}" for name, count in counts.items()) or "there was none"
    return Result(True, changed=bool(counts), message=f"secrets in {len(files)} logs: {said}", data=data)


@acts(idempotent=False, risk=Severity.HIGH, timeout_s=WORK_S)
def rotate_secret_key(call: Call) -> Steps:
    """Encrypts every stored secret with a new key. What a secret is stays the same: a leaked one is replaced where it
    was issued, and then stored anew."""
    if call.check:
        return Result(True, changed=True, message="every stored secret would be encrypted with a new key")
    names = fields((yield from ask(MANAGER, "list")), MANAGER, "names")["names"]
    value = fields((yield from ask(MANAGER, "rotate", acts=True, timeout_s=60.0)), MANAGER, "secrets")
    if value["secrets"] != len(names):
        raise WorldFailed(
            f"{value['secrets']} of {len(names)} secrets were encrypted anew", hint="see: tail secret_manager"
        )
    text = f"{len(names)} secrets are encrypted with a new key"
    return Result(True, changed=True, message=text, data={"value": len(names), "names": names})


def _logs(call: Call) -> list[Path]:
    """The files it is about, each a log directly in `logs`. Raises Refused, NotFound."""
    folder, file = call.ctx.home / "logs", str(call.params.get("file") or "")
    if file and call["actor"]:
        raise Refused("actor and file are both given", hint="give one of them, or neither")
    name = file or (f"{call['actor']}.log" if call["actor"] else "")
    if "/" in name or name.startswith("."):
        raise Refused(f"{name!r:.100} is no log of {folder}", hint="give its name alone")
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.is_symlink() and (path.name.startswith(name) if name else _LOG.search(path.name))
    ]
    if name:
        found = [path for path in found if path.name == name or path.name[len(name) :][:1] == "."]
    if not found:
        raise NotFound(f"there is no log {name or folder}", hint=f"they are in {folder}")
    return found


def _scanned(call: Call, files: list[Path]) -> Steps:
    args: Data = {"paths": [str(path.relative_to(call.ctx.home)) for path in files]}
    found = yield from ask(MANAGER, "scan", args, timeout_s=WORK_S)
    return fields(found, MANAGER, "clean", "findings", "unreadable")


def _overwrite(call: Call, file: Path) -> Steps:
    """Go over a log in pieces, and once more with other borders for what lay across one; how many were hidden."""
    count = 0
    with file.open("r+b") as stream:
        for first in (PIECE_BYTES, PIECE_BYTES // 2):
            at, size = 0, first
            while piece := _piece(stream, at, size):
                count += yield from _hide(call, stream, at, piece)
                at, size = at + len(piece), PIECE_BYTES
        if count:
            os.fsync(stream.fileno())
    return count


def _piece(stream: BinaryIO, at: int, size: int) -> bytes:
    """From `at` to the end of a line, about as long as `size`; the last key that begins in it is whole."""
    stream.seek(at)
    piece = stream.read(size)
    if len(piece) < size:
        return piece
    if (begin := piece.rfind(_BEGIN)) >= 0 and _END not in piece[begin:]:
        piece += stream.read(KEY_BYTES)
        if (end := piece.find(_END, begin)) >= 0:
            return piece[: piece.find(b"\n", end) + 1] or piece
    end = piece.rfind(b"\n") + 1
    return piece[:end] or piece


def _hide(call: Call, stream: BinaryIO, at: int, piece: bytes) -> Steps:
    """Overwrite the secrets of one piece; how many there were."""
    try:
        text, coding = piece.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text, coding = piece.decode("latin-1"), "latin-1"
    answer = fields((yield from ask(MANAGER, "redact", {"text": text}, timeout_s=30.0)), MANAGER, "text", "count")
    if not answer["count"]:
        return 0
    ending = b"\n" if piece.endswith(b"\n") else b""
    room = len(piece) - len(ending)
    shown = (_TAG.sub(hidden, answer["text"]).encode(coding).removesuffix(ending) for hidden in (_HIDDEN, ""))
    clean = next((text for text in shown if len(text) <= room), None)  # a value of one character has no room for three
    if clean is None:
        raise WorldFailed("a text grew when it was redacted", hint="this is a mistake of ours; the log is as it was")
    os.pwrite(stream.fileno(), clean.ljust(room) + ending, at)
    call.changed = True
    return int(answer["count"])
