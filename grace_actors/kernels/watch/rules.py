"""Which event a log line is: patterns in the order in which they win, the specific before the general.

Pure: a line in, a match out. Rules of the configuration go first. Invariant: every built-in pattern is bounded, and one
from outside is refused unless its cost is bounded as well, so no line takes long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MATCH_CHARS = 2000
OWN_MATCH_CHARS = 500
PATTERN_CHARS = 300
MOST_CHOICES = 6
_EVENT = re.compile(r"[a-z][a-z_]{0,60}\.[a-z][a-z_]{0,60}")
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_FAILED = r"(?<!\b0 )\b(?:fail\w*|error|abort\w*|reject\w*)\b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One pattern. A lower-cased line without any of `marks` cannot match (looking for those first is ten times
    cheaper); with `needs_error` the line must also be of level error or worse. Without `event` it is counted only."""

    pattern: str
    event: str | None
    regex: re.Pattern[str]
    marks: tuple[str, ...] = ()
    needs_error: bool = False
    max_chars: int = MATCH_CHARS


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a line is. `file` and `reason` are empty unless the line names them."""

    pattern: str
    event: str | None
    file: str = ""
    reason: str = ""


def _rule(pattern: str, event: str | None, marks: str, *sources: str, flags: int = re.IGNORECASE) -> Rule:
    return Rule(pattern=pattern, event=event, regex=re.compile("|".join(sources), flags), marks=tuple(marks.split("|")))


_CRITICAL = _rule(
    *("critical", "log_pattern.critical", "critical|fatal|panic|emergency"),
    r"\b(?:CRITICAL|FATAL|PANIC|EMERGENCY)\b",
    r"(?i:^\W*(?:critical|fatal|panic)\b\W|\bfatal error\b|\blevel\"?[=:]\s?\"?(?:critical|fatal|panic)\b)",
    flags=0,
)
_ERROR = _rule(
    *("error", "log_pattern.error", "err|exception"),
    r"\b(?:ERROR|ERR)\b",
    r"\b(?:[A-Za-z_.]{1,100})?(?:Error|Exception)(?::|$)",
    r"(?i:^\W*error\b|[\s\]]error:|\blevel\"?[=:]\s?\"?err(?:or)?\b)",
    flags=0,
)
_WARNING = _rule(
    *("warning", None, "warn"), r"\bWARN(?:ING)?\b", r"(?i:^\W*warn(?:ing)?\b|\blevel\"?[=:]\s?\"?warn)", flags=0
)

BUILT_IN: tuple[Rule, ...] = (
    _rule(
        *("ingestion_failure", "ingestion.failed", "ingest"),
        rf"\bingest\w*\b.{{0,80}}?{_FAILED}",
        r"\bfail\w*\s+to\s+ingest\b",
    ),
    _rule(
        *("connection_lost", "connection.lost", "connect|broken pipe"),
        r"\bconnect\w*\b.{0,120}?(?<!\b0 )\b(?:lost|refused|reset|aborted|dropped|failed|unreachable)\b",
        r"\bconnect\w*\b.{0,120}?\b(?:timed\s?out|time-?out)\b",
        r"\b(?:lost|cannot|could not|unable to|failed to|failure to)\b.{0,20}?\b(?:re)?connect\w*\b",
        r"\bbroken pipe\b",
        r"\bConnection(?:Refused|Reset|Aborted)?Error\b",
    ),
    _rule(
        *("timeout", "pipeline.timeout", "timeout|timed out|time-out|time out"),
        r"\btimed[ -]out\b",
        r"\b(?:pipeline|job|task|stage|step|run)\s+time-?out\b",
        r"\btime-?out\b.{0,40}?\b(?:after|exceeded|reached|expired)\b",
        r"\bexceeded\b.{0,40}?\btime-?out\b",
    ),
    Rule(
        pattern="timeout",
        event="pipeline.timeout",
        regex=re.compile(r"\btime-?outs?\b|\bTimeout(?:Error|Expired|Exception)\b", re.IGNORECASE),
        marks=("timeout", "time-out"),
        needs_error=True,
    ),
    _rule(
        *("schema", "schema.invalid", "schema"),
        r"\bschema\b.{0,60}?\b(?:mismatch\w*|invalid|violat\w*|error|drift\w*|(?:valid\w*|verif\w*|check)\s+fail\w*)\b",
        r"\binvalid\b.{0,20}?\bschema\b",
        r"\b(?:does|do|did) not match\b.{0,40}?\bschema\b",
    ),
    _rule(
        *("verification", "verification.failed", "verif"),
        rf"\bverif\w*\b.{{0,60}}?(?:{_FAILED}|\bmismatch\w*|\bdid not pass\b|\bunsuccessful\b)",
        r"\bfail\w*\s+(?:to\s+)?verif\w*\b",
    ),
    _rule(
        *("memory_pressure", "memory.pressured", "memory|oom"),
        r"\bout of memory\b",
        r"\bMemoryError\b",
        r"\bOOM\b",
        r"\boom[- ]?kill\w*\b",
        r"\bcannot allocate memory\b",
        r"\bmemory\b.{0,40}?\b(?:pressure|exhausted|exceeded|limit reached)\b",
    ),
    _CRITICAL,
    _ERROR,
    _WARNING,
)
"""In the order in which they win."""

_NAMED = re.compile(
    r"\b(?:for|of|file|document|ingest(?:ing)?|reading|opening|in)\s+[\"']?"
    r"(?P<file>[^\s\"':,;()]{1,300}\.[A-Za-z][A-Za-z0-9]{0,7})(?![\w/])[\"']?(?::\s*(?P<reason>\S.*))?"
)
_PATH = re.compile(r"(?<![\w/:.])(?P<file>/[^\s\"':,;()]{1,300}\.[A-Za-z][A-Za-z0-9]{0,7})(?![\w/])")
_REASON = re.compile(r"(?i)\bfail\w*\b[^:]{0,200}:\s*(?P<reason>\S.*)")
_SPECIFIC = frozenset({"ingestion_failure", "timeout", "schema", "verification"})


class LogRules:
    """The built-in rules after those of the configuration."""

    def __init__(self, own: Sequence[Rule] = ()) -> None:
        self._rules = (*own, *BUILT_IN)
        self.events = frozenset(rule.event for rule in self._rules if rule.event)

    def match(self, line: str) -> Match | None:
        """The first rule that the line matches; None for a line that says nothing of the kind."""
        text = line[:MATCH_CHARS]
        lowered = text.lower()
        for rule in self._rules:
            if rule.marks and not any(mark in lowered for mark in rule.marks):
                continue
            if rule.needs_error and not (_ERROR.regex.search(text) or _CRITICAL.regex.search(text)):
                continue
            if rule.regex.search(text, 0, rule.max_chars):
                return _with_names(rule, text)
        return None


def _with_names(rule: Rule, text: str) -> Match:
    named = _NAMED.search(text) if rule.pattern in _SPECIFIC else None
    found = named or _PATH.search(text)
    reason = (named and named["reason"]) or ((why := _REASON.search(text)) and why["reason"]) or ""
    return Match(
        pattern=rule.pattern,
        event=rule.event,
        file=found["file"] if found else "",
        reason=reason.strip()[:200] if rule.pattern in _SPECIFIC else "",
    )


def own_rule(pattern: str, event: str) -> Rule:
    """A rule of the configuration. Raises ValueError saying what is wrong with it and what is allowed."""
    if not _EVENT.fullmatch(event):
        raise ValueError(
            f"event is {event!r:.80}; allowed is noun.past_tense in small letters, such as payment.refused"
        )
    if not pattern or len(pattern) > PATTERN_CHARS:
        raise ValueError(f"pattern has {len(pattern)} characters; 1 to {PATTERN_CHARS} are allowed")
    try:
        regex = re.compile(pattern)
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"pattern {pattern!r:.100} is no regular expression: {error}") from error
    if regex.search(""):
        raise ValueError(f"pattern {pattern!r:.100} matches every line; name what the line must contain")
    choices, is_nested = _choices(tree)
    if is_nested or choices > MOST_CHOICES:
        what = "repeats something that itself varies" if is_nested else f"varies in too many places ({choices})"
        raise ValueError(
            f"pattern {pattern!r:.100} {what} and could take very long; allowed are together {MOST_CHOICES} of `?` and"
            " `|`, where `*`, `+` and `{n,m}` count two, and none of them inside a repetition"
        )
    return Rule(pattern=pattern, event=event, regex=regex, max_chars=OWN_MATCH_CHARS)


def _choices(items: Iterable[Any], *, is_inside: bool = False) -> tuple[int, bool]:
    """How often a match can go more than one way, and whether that is so inside a repetition: then the ways multiply
    with the length of the line."""
    total, is_nested = 0, False
    for code, value in items:
        here, parts, is_deeper = 0, _inner(value), is_inside
        if code in _REPEATS:
            low, high, body = value
            here, parts, is_deeper = 0 if low == high else 1 if high - low == 1 else 2, [body], is_inside or high > 1
        elif code is codes.BRANCH:
            here, parts = 1, value[1]
        elif code in (codes.GROUPREF, codes.GROUPREF_EXISTS):
            here = 1
        is_nested = is_nested or (is_inside and here > 0)
        for part in parts:
            inner, is_bad = _choices(part, is_inside=is_deeper)
            total, is_nested = total + inner, is_nested or is_bad
        total += here
    return total, is_nested


def _inner(value: Any) -> list[Any]:
    """The sub-patterns of a group or an assertion."""
    parts = value if isinstance(value, tuple | list) else [value]
    return [part for part in parts if isinstance(part, parser.SubPattern)]
