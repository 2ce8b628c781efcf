"""What secrets look like when nobody told us about them: tokens, keys, passwords in assignments.

Pure. Each pattern has a kind; the group `secret` is what must not be shown, else all of the match. Invariant: every
pattern is bounded, so that a hostile text costs linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of secret and how it is recognised. A lower-cased text without any of `marks` holds none: looking for
    those first makes most texts ten times cheaper."""

    kind: str
    what: str
    marks: tuple[str, ...]
    regex: re.Pattern[str]


def _pattern(kind: str, what: str, marks: str, source: str, flags: int = 0) -> Pattern:
    return Pattern(kind, what, tuple(marks.split("|")), re.compile(source, flags))


_END = r"(?![A-Za-z0-9])"
_BEGIN = r"(?<![A-Za-z0-9])"
# What redaction or masking put in place of a value is no value: redacting twice changes nothing.
_VALUE = (
    r"[\"']?(?P<secret>(?<=[\"'])(?!\[redacted:|\*\*\*)[^\"'\n]{1,500}"
    r"|(?<![\"'])(?!\[redacted:|\*\*\*)[^\s\"',;&<>{}()\[\]]{3,500})"
)

PATTERNS: tuple[Pattern, ...] = (
    _pattern(
        "private_key",
        "a private key in PEM form",
        "private key-----",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
        r"(?:[^-]{0,20000}-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|[^-]{0,20000})",
    ),
    _pattern(
        "aws_access_key",
        "an AWS access key id",
        "akia|asia|abia|acca",
        _BEGIN + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}" + _END,
    ),
    _pattern(
        "aws_secret_key",
        "an AWS secret access key in an assignment",
        "aws",
        r"aws.{0,20}secret.{0,20}[=:]\s{0,3}[\"']?(?P<secret>[A-Za-z0-9/+=]{40})(?![A-Za-z0-9/+=])",
        re.IGNORECASE,
    ),
    _pattern(
        "github_token",
        "a GitHub token",
        "ghp_|gho_|ghu_|ghs_|ghr_|github_pat_",
        _BEGIN + r"(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})" + _END,
    ),
    _pattern("slack_token", "a Slack token", "xox", _BEGIN + r"xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    _pattern("google_api_key", "a Google API key", "aiza", _BEGIN + r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _pattern(
        "api_key",
        "a key of a model or payment provider",
        "sk-|sk_|rk-|rk_|pk-|pk_",
        _BEGIN + r"(?:sk|rk|pk)[-_][A-Za-z0-9_-]{20,250}",
    ),
    _pattern(
        "jwt",
        "a JSON web token",
        "eyj",
        _BEGIN + r"eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{0,2000}",
    ),
    _pattern(
        "bearer",
        "a bearer or basic credential of an HTTP header",
        "bearer|basic",
        r"\b(?:bearer|basic)\s{1,3}(?P<secret>(?!\[redacted:|\*\*\*)[A-Za-z0-9+/._~=-]{8,4000})",
        re.IGNORECASE,
    ),
    _pattern(
        "url_password",
        "a password in a URL",
        "://",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"']{0,200}:(?P<secret>(?!\[redacted:|\*\*\*)[^\s/@\"']{1,200})@",
        re.IGNORECASE,
    ),
    _pattern(
        "assignment",
        "a value assigned to password, secret, token or key",
        "pass|pwd|secret|token|key",
        r"(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|"
        r"access[_-]?token|refresh[_-]?token|token|private[_-]?key|client[_-]?secret)[\"']?\s{0,3}(?:=|:)\s{0,3}"
        + _VALUE,
        re.IGNORECASE,
    ),
)
