"""What an OS process said last, kept for the day it dies.

Usually the last twenty lines say why; of a traceback one wants all, so more of it is kept. Pure. Invariant: what
is kept is bounded whatever the process prints.
"""

from __future__ import annotations

from collections import deque

from grace_actors.clipping import clip_line, last_lines
from playbooks.recognition.traceback_text import HEADER

LINES, BYTES = 20, 4_096
TRACEBACK_LINES, TRACEBACK_BYTES = 60, 16_384
LINE_CHARS = 1_000
LAST_CHARS = 200


class LastOutput:
    """Takes lines; `last` is the last that was not empty, shortened."""

    def __init__(self) -> None:
        self.last = ""
        self._lines: deque[str] = deque(maxlen=TRACEBACK_LINES)

    def take(self, line: str) -> None:
        """One more line."""
        self.last = line[:LAST_CHARS] or self.last
        self._lines.append(line if len(line) <= LINE_CHARS else clip_line(line, LINE_CHARS))

    def text(self) -> str:
        """The last lines as far as they fit."""
        lines = list(self._lines)
        while lines and not lines[-1].strip():
            lines.pop()
        if any(HEADER in line for line in lines):
            return "\n".join(last_lines(lines, most=TRACEBACK_LINES, most_bytes=TRACEBACK_BYTES))
        return "\n".join(last_lines(lines, most=LINES, most_bytes=BYTES))
