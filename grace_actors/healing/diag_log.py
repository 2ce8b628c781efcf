"""The end of an actor's log, over the rotated file before it when the newest is short.

Invariant: at most `READ_BYTES` of each file are read, and what is answered is bounded text.
"""

from __future__ import annotations

from pathlib import Path

from grace_actors.clipping import clip_line, last_lines, printable, without_half_a_key
from grace_actors.errors import Refused
from grace_actors.healing.diag_files import Piece, read_end
from grace_actors.home import Home
from grace_actors.kernel import Data

LINES = 100
READ_BYTES = 64 * 1024
SHOWN_BYTES = 18 * 1024
LINE_CHARS = 2_000


def log_end(home: Path, name: str) -> tuple[list[str] | None, Data | None, str]:
    """The last lines of the log of `name` and what file they are from, or None and why there is nothing."""
    try:
        path = Home(home).log_file(name)
        newest = read_end(path, READ_BYTES)
    except Refused as error:
        return None, None, error.message
    except OSError as error:
        return None, None, f"the log of {name} cannot be read: {error.strerror or error}"
    lines, is_whole = _lines(newest)
    if len(lines) < LINES and is_whole and (before := _rotated(path)) is not None:
        older, is_whole = _lines(before)
        lines = older + lines
    kept = last_lines(lines, most=LINES, most_bytes=SHOWN_BYTES)
    file = {
        "file": f"logs/{path.name}",
        "size_bytes": newest.size,
        "written_at": newest.written_at,
        "is_whole": is_whole and len(kept) == len(lines),
    }
    return without_half_a_key("\n".join(kept)).split("\n") if kept else [], file, ""


def _rotated(path: Path) -> Piece | None:
    try:
        return read_end(path.with_name(f"{path.name}.1"), READ_BYTES)
    except OSError:
        return None


def _lines(piece: Piece) -> tuple[list[str], bool]:
    """Its lines, and whether none is missing: the first one is not whole when the file is longer."""
    text = printable(piece.data.decode("utf-8", "replace").replace("\r\n", "\n"))
    lines = [clip_line(line, LINE_CHARS) for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    return (lines, True) if piece.offset == 0 else (lines[1:], False)
