"""Replaces what differs between two reports of one failure: ids, numbers, times, places, quoted values.

It serves comparison: two messages that say the same of different things become one text. Hiding secrets is another
matter (`grace_actors.kernels.masking`). Names of code in the interpreter's own phrases stay, they tell failures
apart. Invariant: masking twice changes nothing more, and what is masked holds no digit but in codes.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_CHARS = 2_000
"""Read of a line, before masking; cutting first would cut values in different places."""
MAX_MASKED = 300

_TOP = (
    "com|net|org|edu|gov|mil|int|info|biz|io|dev|app|cloud|ai|co|de|uk|fr|nl|eu|us|ca|au|jp|cn|ru|ch|at|se|no|fi|dk|es|pl|br"
    "|local|localdomain|internal|intranet|intra|lan|corp|home|arpa|test|example|invalid|cluster"
)
_FILES = (
    "txt|md|rst|json|jsonl|ya?ml|toml|ini|cfg|conf|env|csv|tsv|xml|html?|log|out|err|db|sqlite3?|sql|wal|py|pyc|so|exe|sh"
    "|gz|zip|tar|tgz|xz|bz2|zst|pdf|png|jpe?g|gif|svg|sock|pid|lock|tmp|bak|pem|crt|key|keys|bin|dat|parquet|pkl|pickle"
)
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s?[AP]M)?(?:\s?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_DATE = (
    rf"\d{{4}}([-/.])\d\d?\1\d\d?(?:[T_ ]{_CLOCK})?"
    rf"|{_DAY}\d{{1,2}}[ -]{_MONTH}[ -]\d{{2,4}}(?:,?\s+{_CLOCK})?"
    rf"|{_DAY}{_MONTH}\s+\d{{1,2}}(?:,?\s+\d{{4}})?(?:,?\s+{_CLOCK}(?:\s+\d{{4}})?)?"
    rf"|\d\d?/\d\d?/\d{{4}}(?:,?\s+{_CLOCK})?"
    r"|\d{8}T\d{6}(?:\.\d+)?Z?"
    r"|\d{1,2}:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
)
_UNIT = r"(?:ns|us|µs|ms|s|secs?|seconds?|millis(?:econds?)?|mins?|minutes?|hrs?|hours?|days?|weeks?)"
_KEPT = (
    r"(?:\b(?:named?|attribute|module|arguments?|function|method|variable|import name|keyword) '[A-Za-z_][\w.<>]*'"
    r"(?: (?:from|and|in) '[A-Za-z_][\w.<>]*')*(?: is not defined)?|'[A-Za-z_][\w.<>]*' object)"
)

_QUOTED = r"(?<![\w'\"<])[bBrRuU]?(?:'(?:[^'\\\n]|\\.)*'(?!\w)|\"(?:[^\"\\\n]|\\.)*\"(?!\w)|`[^`\n]*`)"


_SHAPES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("'[", re.compile(r"'\[[^\n]*\]'(?!\w)"), "<quoted>"),
    ("@", re.compile(r"[\w.!#$%&'*+=?^{|}~-]+@[A-Za-z0-9](?:[\w-]*\w)?(?:\.[\w-]+)+"), "<email>"),
    ("://", re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>`]*[^\s'\"<>`.,;:!?)\]}]"), "<url>"),
    ("/", re.compile(r"(?<![\w/<>])(?:~|\.{1,2})?/[\w.@%+~=,-]*[\w@%+~=-](?:/[\w.@%+~=,-]*[\w@%+~=-])*/?"), "<path>"),
    ("/", re.compile(r"(?<![\w/<>.-])[\w.-]+(?:/[\w.-]+)+\.[A-Za-z]\w{0,4}\b"), "<path>"),
    ("\\", re.compile(r"(?<!\w)(?:[A-Za-z]:\\|\\\\)[^\s'\"<>|:*?]+"), "<path>"),
    (".", re.compile(rf"(?<![\w/.<-])[\w-]++(?:\.(?:{_FILES}))+\b(?![\w(-]|\.\w)"), "<path>"),
    (".", re.compile(rf"(?<![\w.<-])(?:\w[\w-]*+\.)+(?:{_TOP})\b(?![\w(-]|\.\w)"), "<host>"),
    ("localhost", re.compile(r"\blocalhost\b"), "<host>"),
    (".", re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)"), "<host>"),
    (
        ":",
        re.compile(
            r"(?<![\w:])\[?(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}"
            r"|(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})?::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})?)"
            r"(?:%\w+)?\]?(?![\w:])"
        ),
        "<host>",
    ),
    ("-", re.compile(r"\b00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]\b"), "<id>"),
    ("-", re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    ("", re.compile(rf"(?=[\dA-Z])(?:{_DATE})"), "<date>"),
    ("", re.compile(rf"(?<![\w.])-?(?:\d+(?:\.\d+)?(?:\s?{_UNIT}\b|[hm](?=\d|\b)))+"), "<duration>"),
    (
        "",
        re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d+|\.\d+)(?:[eE][-+]?\d+)?(?!\w)|(?<![\w.])[-+]?\d+[eE][-+]?\d+\b"),
        "<n>",
    ),
    (
        "",
        re.compile(
            r"(?:(?<![\w)])[-+])?\b(?:0[xX][0-9a-fA-F]+|[0-9a-fA-F]{7,})\b|\b(?=[A-Za-z]*\d+[A-Za-z]+\d)[A-Za-z0-9]{8,}\b"
        ),
        "<n>",
    ),
)
"""In this order: what may contain another comes first. The word before each must be there for it to be tried."""

_NUMBER = re.compile(r"(\b(?:[Ee]rror|[Ee]rrno) -?[0-9]{1,5}\b)|(?<![\w)])[-+]\d+|\d+")
"""A number behind `error` is a code: it says what happened, like a word."""
_TRUTH = re.compile(r"(?<==)(?:[Tt]rue|[Ff]alse)\b")
_VALUES = re.compile(_QUOTED)
_VALUES_BUT_NAMES = re.compile(rf"({_KEPT})|{_QUOTED}")
_ROW = re.compile(r"(<\w+>)(?:, ?\1)+")
_ADVICE = re.compile(r"[.?]? (?:Or did|Did|did) you (?:mean|forget)\b.*$")
_BLANKS = re.compile(r"\s+")
_NAMED = re.compile(r"\b(named|called) (?!<)\S+")


def masked(line: str) -> str:
    """One line with every value replaced by its kind, without the interpreter's advice."""
    text = _VALUES_BUT_NAMES.sub(lambda found: found[1] or "<quoted>", _masked(line))
    return _ROW.sub(r"\1", text)[:MAX_MASKED]


@lru_cache(maxsize=64)  # two hashes look at the same message
def outline(line: str) -> str:
    """The part of a message that a program writes the same each time: no names either, and nothing behind the first
    colon, where values stand that nothing marks as such. A single word before it may be one too."""
    text, colon, _ = _VALUES.sub("<quoted>", _masked(line)).partition(": ")
    if colon and " " not in text:
        return "<word>"
    return _NAMED.sub(r"\1 <word>", _ROW.sub(r"\1", text))[:MAX_MASKED]


@lru_cache(maxsize=64)
def _masked(line: str) -> str:
    text = _ADVICE.sub("", _BLANKS.sub(" ", line[:MAX_CHARS]).strip())
    for sign, shape, replacement in _SHAPES:
        if sign in text:
            text = shape.sub(replacement, text)
    return _TRUTH.sub("<bool>", _NUMBER.sub(lambda found: found[1] or "<n>", text))
