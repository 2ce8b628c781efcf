"""Where a traceback of the corpus was raised: read from its text, to judge the corpus itself.

Knows the texts of this corpus only. Invariant: what it reads does not depend on line numbers or on the copy's place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from tests.harness.provoke.variants import VARIANTS

_START = re.compile(r"^( *[|+] )?(Exception Group )?Traceback \(most recent call last\):$")
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)(, in (?P<function>.+))?$')
_BY_NAME = {variant.name: variant for variant in VARIANTS}


@dataclass(frozen=True)
class Frame:
    """`file` is relative to the copy, or starts with `venv:`, `python:` or `built:` (compiled elsewhere)."""

    file: str
    function: str
    code: str

    @property
    def is_own(self) -> bool:
        """Whether the frame is of the program, neither of a library nor of Python."""
        return not self.file.startswith(("venv:", "python:", "built:"))


@dataclass(frozen=True)
class Site:
    """The type that was raised and the frames of the last traceback, innermost last."""

    type: str
    frames: tuple[Frame, ...]
    lines: tuple[int, ...]

    @property
    def inner(self) -> tuple[Frame, ...]:
        """From the innermost frame of the program inward."""
        last = max(index for index, frame in enumerate(self.frames) if frame.is_own)
        return self.frames[last:]


def site_of(text: str, variant: str) -> Site:
    """Raises ValueError when the text is no traceback."""
    block = _last_block(text)
    frames, lines = [], []
    for index, line in enumerate(block):
        if found := _FRAME.match(line):
            code = block[index + 1].strip() if found["function"] and block[index + 1].startswith("    ") else ""
            frames.append(Frame(_relative(found["file"], variant), found["function"] or "", code))
            lines.append(int(found["line"]))
    return Site(_type(block), tuple(frames), tuple(lines))


def _last_block(text: str) -> list[str]:
    """The lines of the traceback that says what ended the call; a group's lines without their margin."""
    lines = text.splitlines()
    top = [index for index, line in enumerate(lines) if (found := _START.match(line)) and len(found[1] or "") <= 4]
    if not top:
        raise ValueError("no traceback")
    start = top[-1]
    margin = 4 if lines[start].startswith("  +") else 0
    return [line[margin:] for line in takewhile(lambda line: margin == 0 or line[2:3] == "|", lines[start + 1 :])]


def _type(block: list[str]) -> str:
    for line in block:
        if not line.startswith(" "):
            return line.split(":")[0]
    raise ValueError("the traceback names no exception")


def _relative(file: str, variant: str) -> str:
    roots = _BY_NAME[variant]
    for name, root in (("venv:", roots.venv), ("", roots.app), ("python:", roots.python)):
        if file.startswith(root + "/"):
            return name + file[len(root) + 1 :]
    return f"built:{file}"
