"""Looks for leaked secrets in files below a directory, a piece at a time.

Reads files; must not change them or report what it found, only where. Invariant: one step reads at most PIECE_CHARS
of one file, and never a file outside the roots, also not through a link.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import Data
from grace_actors.kernels.secrets.redaction import Finding, Redactor

PIECE_CHARS = 128 * 1024
OVERLAP_CHARS = 4096
"""A secret across the border of two pieces is found in the overlap."""
FILES_MOST = 5000
FINDINGS_MOST = 1000
_BINARY = frozenset({".db", ".db-wal", ".db-shm", ".gz", ".snap", ".pyc", ".sock", ".png", ".jpg", ".zip"})


@dataclass(slots=True)
class Report:
    """What a scan found so far."""

    files: int = 0
    bytes: int = 0
    findings: list[Data] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    truncated: bool = False

    def as_data(self) -> Data:
        return {
            "clean": not self.findings and not self.unreadable and not self.truncated,
            "files": self.files,
            "bytes": self.bytes,
            "findings": self.findings,
            "unreadable": self.unreadable,
            "truncated": self.truncated,
        }


def located(path: str, text: str, found: Sequence[Finding], *, line: int = 1) -> list[Data]:
    """Findings as places: path, line and column, from 1."""
    starts = [0, *(at + 1 for at, char in enumerate(text) if char == "\n")]
    places = [(one, bisect_right(starts, one.start) - 1) for one in found]
    return [
        {"path": path, "line": line + row, "column": one.start - starts[row] + 1, "kind": one.kind}
        for one, row in places
    ]


def roots(paths: Sequence[str], allowed: Sequence[Path]) -> list[Path]:
    """The paths, resolved. Raises Refused for one outside the allowed directories, NotFound for a missing one."""
    found: list[Path] = []
    for given in paths:
        path = (allowed[0] / given).resolve()
        if not _inside(path, allowed):
            raise Refused(f"scan: {given} is outside {', '.join(map(str, allowed))}", hint="scan below these only")
        if not path.exists():
            raise NotFound(f"scan: {given} does not exist", hint=f"paths are relative to {allowed[0]}")
        found.append(path)
    return found


def scanning(paths: Sequence[Path], allowed: Sequence[Path], redactor: Redactor, report: Report) -> Iterator[None]:
    """Fill the report; yields after every piece."""
    for path in _files(paths, allowed):
        if report.files >= FILES_MOST or len(report.findings) >= FINDINGS_MOST:
            report.truncated = True
            return
        report.files += 1
        try:
            for _ in _one(path, redactor, report):
                yield
        except OSError as error:
            report.unreadable.append(f"{path}: {error.strerror}")


def _one(path: Path, redactor: Redactor, report: Report) -> Iterator[None]:
    seen: set[tuple[int, int]] = set()
    with path.open(encoding="utf-8", errors="replace") as file:
        carry, line = "", 1
        while piece := file.read(PIECE_CHARS):
            report.bytes += len(piece)
            text = carry + piece
            for place in located(str(path), text, redactor.findings(text), line=line):
                if (place["line"], place["column"]) not in seen:
                    seen.add((place["line"], place["column"]))
                    report.findings.append(place)
            carry = _last_lines(text)
            line += text.count("\n") - carry.count("\n")
            yield


def _last_lines(text: str) -> str:
    """The end of the text from the start of a line, about OVERLAP_CHARS long."""
    if len(text) <= OVERLAP_CHARS:
        return text
    at = text.find("\n", len(text) - OVERLAP_CHARS)
    return text[at + 1 :] if at >= 0 else text[-OVERLAP_CHARS:]


def _files(paths: Sequence[Path], allowed: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
            continue
        for directory, names, files in os.walk(path):
            names[:] = sorted(name for name in names if not name.startswith(".git"))
            for name in sorted(files):
                file = Path(directory) / name
                if file.suffix not in _BINARY and file.is_file() and _inside(file.resolve(), allowed):
                    yield file


def _inside(path: Path, allowed: Sequence[Path]) -> bool:
    return any(path == root or root in path.parents for root in allowed)
