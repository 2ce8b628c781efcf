"""Finds secrets in a text, known values and suspicious shapes, and takes them out.

Holds known values in memory; must never put one into a result, a message or a log. Invariant: no known value of at
least LEAST_CHARS characters is left in a redacted text, and redacting again changes nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from grace_actors.kernels.secrets.patterns import PATTERNS

LEAST_CHARS = 4
"""A shorter value is in too many innocent words to be looked for."""
_ENCODED_FROM = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret in a text: where it is and what kind it is of, never what it is."""

    kind: str
    start: int
    end: int


class Redactor:
    """Knows the secret values by name; made anew when they change."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._names: dict[str, str] = {}
        for name, value in values.items():
            for form in _forms(value):
                self._names.setdefault(form, name)
        longest_first = sorted(self._names, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def findings(self, text: str) -> list[Finding]:
        """All secrets in the text in order, without overlaps: a known value goes before a shape."""
        found: list[Finding] = []
        if self._known is not None:
            found += [Finding(self._names[m.group()], m.start(), m.end()) for m in self._known.finditer(text)]
        lowered = text.lower()
        for pattern in PATTERNS:
            if not any(mark in lowered for mark in pattern.marks):
                continue
            group = "secret" if "secret" in pattern.regex.groupindex else 0
            found += [Finding(pattern.kind, *match.span(group)) for match in pattern.regex.finditer(text)]
        return _without_overlaps(found)

    def redact(self, text: str) -> tuple[str, list[Finding]]:
        """The text with every finding replaced by `[redacted:<kind or name>]`, and the findings."""
        found = self.findings(text)
        parts, at = [], 0
        for one in found:
            parts += [text[at : one.start], f"[redacted:{one.kind}]"]
            at = one.end
        return "".join([*parts, text[at:]]), found


def _forms(value: str) -> Iterable[str]:
    """The value as it is, line by line when it has several, and as it looks in a URL or in base64."""
    if len(value) >= LEAST_CHARS:
        yield value
    lines = [line.strip() for line in value.splitlines() if len(line.strip()) >= _ENCODED_FROM]
    if len(lines) > 1:
        yield from lines
    if len(value) >= _ENCODED_FROM:
        yield quote(value, safe="")
        yield base64.b64encode(value.encode()).decode()


def _without_overlaps(found: list[Finding]) -> list[Finding]:
    """Keep the first of overlapping findings, stretched over all of them; the sort is stable, so a known value,
    which was found first, gives its name."""
    kept: list[Finding] = []
    for one in sorted(found, key=lambda finding: finding.start):
        if kept and one.start < kept[-1].end:
            last = kept[-1]
            kept[-1] = Finding(last.kind, last.start, max(last.end, one.end))
        else:
            kept.append(one)
    return kept
