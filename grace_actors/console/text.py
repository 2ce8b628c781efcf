"""Text broken into lines that fit, for people.

Pure, and free of the library that draws tables: what is printed when something is wrong must need little.
Invariant: only spaces become line ends; no word is broken, lost or joined.
"""

from __future__ import annotations

import textwrap


def wrapped(text: str, width: int, *, hang: int = 0) -> str:
    """Text with lines that fit, broken between words. What is set in stays set in, with `hang` columns more from the
    second line on."""
    lines: list[str] = []
    for line in text.splitlines():
        lead = line[: len(line) - len(line.lstrip())] + " " * hang
        parts = textwrap.wrap(line, width, subsequent_indent=lead, break_long_words=False, break_on_hyphens=False)
        lines += parts or [""]
    return "\n".join(lines)
