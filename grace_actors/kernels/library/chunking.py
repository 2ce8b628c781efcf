"""Cuts a text into chunks of 100 to 1000 characters, at the ends of paragraphs and sentences where there are any.

Pure and streaming: text comes in pieces of any size. Invariant: the chunks put together are the text, none is longer
than MOST, and none shorter than LEAST unless the whole text is.
"""

from __future__ import annotations

import re

LEAST = 100
MOST = 1000

_SENTENCE = re.compile(r"[.!?…。！？][\"'»”)\]]{0,3}\s+")  # noqa: RUF001 - full-width marks end sentences too


class Chunker:
    """Feed text, take chunks; `finish` gives the rest."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """The chunks that are complete. Enough is held back for a last chunk that is not too short."""
        self._rest += text
        chunks: list[str] = []
        at = 0
        while len(self._rest) - at >= MOST + LEAST:
            cut = _border(self._rest[at : at + MOST], LEAST)
            chunks.append(self._rest[at : at + cut])
            at += cut
        self._rest = self._rest[at:]
        return chunks

    def finish(self) -> list[str]:
        """What is left, in one chunk or two."""
        rest, self._rest = self._rest, ""
        if not rest:
            return []
        if len(rest) <= MOST:
            return [rest]
        most = min(MOST, len(rest) - LEAST)
        cut = _border(rest[:most], max(LEAST, len(rest) - MOST))
        return [rest[:cut], rest[cut:]]


def _border(window: str, least: int) -> int:
    """Where to cut: the last good border in the second half of the window, else the last one from `least` on, else
    its end. A paragraph is better than a sentence, that than a line, that than a word."""
    for low in (max(least, len(window) // 2), least):
        for cut in (_after(window, "\n\n"), _sentence_end(window, low), _after(window, "\n"), _after(window, " ")):
            if cut >= low:
                return cut
    return len(window)


def _after(window: str, mark: str) -> int:
    at = window.rfind(mark)
    return at + len(mark) if at >= 0 else -1


def _sentence_end(window: str, low: int) -> int:
    ends = [match.end() for match in _SENTENCE.finditer(window, max(0, low - 10))]
    return ends[-1] if ends else -1
