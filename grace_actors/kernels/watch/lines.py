"""Which lines of a log are news, and the telling of one without anything that must not be told.

Pure. What the supervision tree tells by itself is no news: the report of a crash (`child.exited`) and the records of
Grace's own runtime. The lines of a traceback but its last repeat what that one says. Invariant: no shape of a secret
and no control character is left in a line that `clean` gave.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from grace_actors.kernels.masking import masked
from grace_actors.kernels.secrets.patterns import PATTERNS
from grace_actors.kernels.secrets.redaction import Redactor

LINE_CHARS = 500
TRACEBACK = "Traceback (most recent call last):"
_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ grace\.")
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_CONTROL = re.compile(r"[^\x20-\x7e\xa0-\uffff\U00010000-\U0010ffff]+|\ufffd+")
_VARYING = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8,}|\d+")
_ASSIGNED = re.compile(r"(?=.*[A-Za-z])(?=.*\d).{6,}")
_SHAPES = Redactor({})
KINDS = frozenset(pattern.kind for pattern in PATTERNS)


@dataclass(slots=True)
class Reader:
    """Goes through the lines of one log in order."""

    name: str
    _in_frames: bool = False
    _in_crash: bool = False
    _was_blank: bool = False

    def is_news(self, line: str) -> bool:
        """Whether somebody should look at this line."""
        if self._in_crash:
            is_over = self._was_blank and line.strip() and not line.startswith((*_CHAINED, "Traceback"))
            self._was_blank = not line.strip()
            if not is_over:
                return False
            self._in_crash = False
        if line == f"CRASH {self.name}: {TRACEBACK}":
            self._in_crash, self._was_blank = True, False
            return False
        if line.endswith(TRACEBACK):
            self._in_frames = True
            return False
        if self._in_frames and (line[:1] in (" ", "\t") or not line):
            return False
        self._in_frames = False
        return _RECORD.match(line) is None


def clean(line: str) -> str:
    """The line as it may be told: without what looks like a secret, without control characters, at most 500 long."""
    text, _ = _SHAPES.redact(masked(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", line[: 4 * LINE_CHARS])))
    return text[:LINE_CHARS].strip()


def leaked(line: str) -> tuple[str, ...]:
    """The kinds of secrets that the line shows. An assignment counts when its value looks like one, so that
    `unexpected token: }` does not."""
    kinds = {
        one.kind
        for one in _SHAPES.findings(line)
        if one.kind != "assignment" or _ASSIGNED.fullmatch(line[one.start : one.end])
    }
    return tuple(sorted(kinds))


def fingerprint(line: str) -> str:
    """What lines that say the same have in common: numbers and long hexadecimal words are left out."""
    return _VARYING.sub("#", line[:LINE_CHARS])
