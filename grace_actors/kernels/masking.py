"""Masks what looks like a secret in one line of text, where the secret manager cannot be asked.

Best effort by shape: values after telling names, bearer tokens, credentials in URLs, keys of known form. It must not
know any real secret. Invariant: masking twice changes nothing more.
"""

from __future__ import annotations

import re

MASK = "***"

_SHAPES = (
    (
        re.compile(
            r"(?i)((?:password|passwd|secret|token|api[_-]?key|private[_-]?key)[\w.-]{0,80}\s{0,80}[=:]\s*)"
            r"(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w+/.=~-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"([a-z0-9]://[^\s/:@]{0,200}:)[^\s/@]{1,500}@", re.IGNORECASE), rf"\1{MASK}@"),
    (re.compile(r"\b(?:sk|pk|ghp|gho|ghs|xox[abp]|AKIA)[-_A-Za-z0-9]{12,}\b"), MASK),
    (re.compile(r"\beyJ[\w-]{8,2000}\.[\w-]{8,8000}\.[\w-]*"), MASK),
)


def first_line(text: str, *, max_chars: int = 300) -> str:
    """The first line that is not blank, shortened."""
    for line in text.splitlines():
        if line.strip():
            return line.strip()[:max_chars]
    return ""


def masked(text: str) -> str:
    """The text with what looks like a secret replaced by `***`."""
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text
