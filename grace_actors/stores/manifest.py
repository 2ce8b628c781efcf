"""Checksums of files as `sha256sum` writes and checks them: a SHA-256, two blanks and a path on each line.

Knows text and paths relative to the folder of the manifest; must not know what the files are for. Invariant: a path
that was read stays inside the folder, and what `text_of` writes `sha256sum --check` understands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from grace_actors.errors import Refused

NAME = "manifest.sha256"
MOST_LINES = 100_000
_LINE = re.compile(r"^([0-9a-fA-F]{64}) [ *](.+)$")
_ODD = re.compile(r"[\\\r\n]")


def read(manifest: Path) -> dict[str, str]:
    """Path -> checksum. Raises OSError; Refused for a line that is none, or a path that leaves the manifest's
    folder."""
    return parse(manifest.read_text(encoding="utf-8", errors="replace"), str(manifest))


def parse(text: str, where: str) -> dict[str, str]:
    """The same of a text; `where` names it in messages. Raises Refused."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if not any(lines) or len(lines) > MOST_LINES:
        raise Refused(f"{where} has {len(lines)} lines", hint=f"1 to {MOST_LINES} are allowed")
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.match(line)
        if not match:
            raise Refused(f"{where}:{number}: {line[:80]!r}", hint="a line is a SHA-256, two blanks and a path")
        if not stays_inside(match[2]):
            raise Refused(
                f"{where}:{number}: {match[2]!r} leaves the folder", hint="paths are relative and stay inside"
            )
        found[match[2]] = match[1].lower()
    return found


def text_of(checksums: Mapping[str, str]) -> str:
    """The lines of a manifest, by path. Raises Refused for a path that cannot stand on a line."""
    for path in checksums:
        if _ODD.search(path) or not stays_inside(path):
            raise Refused(
                f"{path!r} cannot be named in a manifest", hint="rename it without line breaks and backslashes"
            )
    return "".join(f"{checksums[path]}  {path}\n" for path in sorted(checksums))


def stays_inside(path: str) -> bool:
    """Whether a path is relative and never goes up."""
    return bool(path) and not path.startswith("/") and ".." not in PurePosixPath(path).parts and "\0" not in path
