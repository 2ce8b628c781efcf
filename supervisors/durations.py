"""Reads and writes durations and sizes as people write them: `500ms`, `6h30m`, `512MB`.

Also the spelling help of error messages. Plain functions over text and numbers; they know no files.
Invariant: `parse_duration(format_duration(x)) == x` for whole milliseconds.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable

DURATION_FORMS = "seconds as a number, or 500ms, 30s, 6h30m, 1d"
SIZE_FORMS = "bytes as a number, or 512kB, 10MB, 1GiB"

_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|d|h|m|s)")
_SIZES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZES |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]+)?) ?([a-z]*)")
LONGEST_S = 100 * 365 * 86400.0


def parse_duration(value: object) -> float:
    """Seconds from a number or a text such as `6h30m`: units fall in size and appear once.
    Raises ValueError saying what was seen."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r:.60} is not a duration")
    seconds = _duration_of_text(value.strip()) if isinstance(value, str) else _finite(value)
    if seconds < 0:
        raise ValueError(f"{value!r:.60} is negative")
    if seconds > LONGEST_S:
        raise ValueError(f"{value!r:.60} is longer than 100 years")
    return seconds


def _finite(number: float) -> float:
    try:
        seconds = float(number)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise ValueError(f"{number!r:.60} is not a finite number")
    return seconds


def _duration_of_text(text: str) -> float:
    if re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text):
        return float(text)
    parts = _PART.findall(text)
    units = [unit for _, unit in parts]
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 60:
        raise ValueError(f"{text[:60]!r} is not a duration")
    if units != [unit for unit in _UNITS_S if unit in units]:
        raise ValueError(f"{text[:60]!r} is not a duration: units must fall in size, each at most once")
    milliseconds = sum(float(number) * (_UNITS_S[unit] * 1000 if unit != "ms" else 1) for number, unit in parts)
    return milliseconds / 1000


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as the same number of milliseconds: `1h30m`, `250ms`."""
    rest = round(seconds * 1000)
    parts: list[str] = []
    for unit, unit_s in _UNITS_S.items():
        count, rest = divmod(rest, round(unit_s * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: object) -> int:
    """Bytes from a whole number or a text such as `512MB` (powers of ten) or `1GiB` (powers of two).
    Raises ValueError saying what was seen."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{value!r:.60} is not a size")
    if isinstance(value, int):
        if not 0 <= value <= 2**60:
            raise ValueError(f"{value!r:.60} is not a size a file can have")
        return value
    match = _SIZE.fullmatch(value.strip().lower())
    if match is None or (match[2] or "b") not in _SIZES:
        raise ValueError(f"{value[:60]!r} is not a size")
    return parse_size(round(float(match[1]) * _SIZES[match[2] or "b"]))


def nearest_match(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that `word` was probably meant to be, if one is near."""
    folded = {candidate.lower(): candidate for candidate in allowed}
    found = difflib.get_close_matches(word[:100].lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None
