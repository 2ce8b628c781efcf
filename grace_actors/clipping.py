"""Shortens texts that may hold secrets, before anybody has looked for them.

Half a secret is not recognised as one any more, so a cut never leaves part of a word behind, nor the body of a key
without its first line. Pure. Invariant: every word of a clipped text was a whole word of the given one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_KEY_EDGE = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_NO_PART = "(the end of a private key is left out)"


def clip_line(text: str, most_chars: int) -> str:
    """The words at its beginning that fit, and how long it was; as it is when all of it fits."""
    if len(text) <= most_chars:
        return text
    head = text[:most_chars]
    if not text[most_chars].isspace():
        words = re.match(r"(?s)(.*)\s", head)
        head = words[1] if words else ""
    return f"{head.rstrip()} ... ({len(text)} characters)".lstrip()


def last_lines(lines: Sequence[str], *, most: int, most_bytes: int) -> list[str]:
    """The last lines that fit, `most` at most. The size is that of JSON, where an odd character takes six bytes."""
    kept: list[str] = []
    room = most_bytes
    for line in reversed(lines[-most:]):
        room -= json_bytes(line)
        if room < 0:
            break
        kept.append(line)
    return kept[::-1]


def head_and_tail(text: str, most_bytes: int) -> str:
    """All of it, or its first and last lines; the end gets three times as much as the beginning."""
    if json_bytes(text) <= most_bytes:
        return text
    lines = [clip_line(line, 1000) for line in text.split("\n")]
    room = most_bytes - 200
    head: list[str] = []
    for line in lines:
        room -= json_bytes(line)
        if room < most_bytes * 3 // 4:
            break
        head.append(line)
    tail = last_lines(lines[len(head) :], most=len(lines), most_bytes=most_bytes * 3 // 4 - 200)
    gap = len(lines) - len(head) - len(tail)
    return "\n".join([*head, f"... ({gap} lines are left out)", without_half_a_key("\n".join(tail))])


def without_half_a_key(text: str) -> str:
    """The end of a private key whose beginning was cut off goes, too."""
    edge = _KEY_EDGE.search(text)
    return text if edge is None or edge[1] == "BEGIN" else f"{_NO_PART}{text[edge.end() :]}"


def printable(text: str) -> str:
    """Without control characters but tabs and line ends; what is no text becomes the replacement character."""
    return _CONTROL.sub("\ufffd", text)


def json_bytes(value: object) -> int:
    """How long it is as JSON of ASCII alone."""
    return len(json.dumps(value))
