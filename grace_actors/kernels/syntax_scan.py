"""Compiles every Python file below some directories, a few at a time, and keeps what does not compile.

A scan does nothing by itself: its owner calls `step` between other work. It must not run what it compiles.
Invariant: each file is looked at once, and one bad file never ends a scan.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 150_000
"""Compiling a larger file would hold up the mailbox for too long; it is reported instead."""
MAX_FINDINGS = 200
_SKIPPED = {".git", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".tox", "build"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with one file; `severity` is error or warning."""

    file: str
    line: int
    message: str
    severity: str

    def as_data(self) -> dict[str, Any]:
        return {"file": self.file, "line": self.line, "message": self.message, "severity": self.severity}


@dataclass(slots=True)
class SyntaxScan:
    """A scan in progress."""

    paths: tuple[Path, ...]
    files: int = 0
    findings: list[Finding] = field(default_factory=list)
    is_done: bool = False
    _pending: Iterator[Path] | None = None

    def step(self, most: int) -> bool:
        """Compile at most this many files; True once none is left."""
        if self._pending is None:
            self._pending = python_files(self.paths)
        for _ in range(most):
            path = next(self._pending, None)
            if path is None:
                self.is_done = True
                break
            self.files += 1
            self.findings += check_file(path)[: MAX_FINDINGS - len(self.findings)]
        return self.is_done

    def result(self) -> dict[str, Any]:
        """What was found so far."""
        errors = sum(finding.severity == "error" for finding in self.findings)
        return {
            "files": self.files,
            "errors": errors,
            "warnings": len(self.findings) - errors,
            "findings": [finding.as_data() for finding in self.findings],
        }


def python_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Every .py file below the paths, in order, without caches, environments and links to directories."""
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir():
            try:
                below = sorted(path.iterdir())
            except OSError:
                continue
            inside = [p for p in below if p.suffix == ".py" and p.is_file()]
            deeper = [p for p in below if p.is_dir() and not p.is_symlink() and p.name not in _SKIPPED]
            yield from inside
            yield from python_files(deeper)


def check_file(path: Path) -> list[Finding]:
    """What is wrong with one file; empty if it compiles without a warning."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            message = f"larger than {MAX_FILE_BYTES} bytes, not compiled"
            return [Finding(file=str(path), line=0, message=message, severity="warning")]
        source = path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        return [Finding(file=str(path), line=0, message=message, severity="error")]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            compile(source, str(path), "exec", dont_inherit=True)
        except SyntaxError as error:
            return [Finding(file=str(path), line=error.lineno or 0, message=error.msg or "syntax", severity="error")]
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:  # NUL bytes, absurd nesting
            return [Finding(file=str(path), line=0, message=f"{type(error).__name__}: {error}", severity="error")]
    return [
        Finding(file=str(path), line=item.lineno, message=str(item.message), severity="warning")
        for item in seen
        if issubclass(item.category, SyntaxWarning | DeprecationWarning)
    ]
