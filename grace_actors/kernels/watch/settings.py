"""The configuration of trigger_mesh, checked.

Plain data in, settings out. Invariant: a value that is not as allowed is a ValueError that names the key, the value and
what is allowed, before anything starts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grace_actors.kernels.watch.checks import Limits
from grace_actors.kernels.watch.rules import Rule, own_rule
from supervisors.durations import DURATION_FORMS, format_duration, nearest_match, parse_duration

MOST_RULES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set."""

    limits: Limits
    interval_s: float
    repeat_window_s: float
    repeat_after_s: float
    good_after_s: float
    log_interval_s: float
    log_fold_s: float
    log_rules: tuple[Rule, ...]
    log_ignore: frozenset[str]


DURATIONS: Mapping[str, tuple[str, float, float]] = {
    "interval": ("30s", 1, 3600),
    "silent": ("30s", 1, 3600),
    "repeat_window": ("10m", 10, 86_400),
    "repeat_after": ("15m", 0, 86_400),
    "good_after": ("60s", 0, 86_400),
    "log_interval": ("1s", 0.1, 60),
    "log_fold": ("10s", 0, 3600),
}
"""Key -> default, and the range in seconds."""
NUMBERS: Mapping[str, tuple[float, float, float]] = {
    "latency_ms": (500.0, 1, 600_000),
    "cpu_percent": (90.0, 1, 100),
    "own_percent": (10.0, 0, 100),
    "memory_percent": (85.0, 1, 100),
    "memory_critical_percent": (90.0, 1, 100),
    "load": (4.0, 0.01, 10_000),
    "repeats": (5, 2, 1_000),
    "risk": (0.7, 0, 1),
}
"""Key -> default, and the range."""
KEYS = (*DURATIONS, *NUMBERS, "log_rules", "log_ignore")


def settings(config: Mapping[str, Any]) -> Settings:
    """Raises ValueError for the first thing that is wrong."""
    for key in config:
        if key not in KEYS:
            near = nearest_match(str(key), KEYS)
            hint = f"did you mean {near}?" if near else f"allowed are {', '.join(KEYS)}"
            raise ValueError(f"trigger_mesh has no setting {key!r:.60}; {hint}")
    spans = {
        key: _duration(key, config.get(key, default), low, high) for key, (default, low, high) in DURATIONS.items()
    }
    numbers = {key: _number(key, config.get(key, default), low, high) for key, (default, low, high) in NUMBERS.items()}
    if numbers["repeats"] != int(numbers["repeats"]):
        raise _wrong("repeats", config["repeats"], "a whole number from 2 to 1000")
    return Settings(
        limits=Limits(
            silent_s=spans["silent"],
            latency_ms=numbers["latency_ms"],
            cpu_percent=numbers["cpu_percent"],
            own_percent=numbers["own_percent"],
            memory_percent=numbers["memory_percent"],
            memory_critical_percent=numbers["memory_critical_percent"],
            load=numbers["load"],
            repeats=int(numbers["repeats"]),
            risk=numbers["risk"],
        ),
        interval_s=spans["interval"],
        repeat_window_s=spans["repeat_window"],
        repeat_after_s=spans["repeat_after"],
        good_after_s=spans["good_after"],
        log_interval_s=spans["log_interval"],
        log_fold_s=spans["log_fold"],
        log_rules=_rules(config.get("log_rules", [])),
        log_ignore=_names(config.get("log_ignore", [])),
    )


def _duration(key: str, value: Any, low: float, high: float) -> float:
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise _wrong(key, value, f"a duration ({DURATION_FORMS}): {error}") from None
    if not low <= seconds <= high:
        raise _wrong(key, value, f"a duration from {format_duration(low)} to {format_duration(high)}")
    return seconds


def _number(key: str, value: Any, low: float, high: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise _wrong(key, value, f"a number from {low:g} to {high:g}")
    return float(value)


def _rules(value: Any) -> tuple[Rule, ...]:
    allowed = f"a list of at most {MOST_RULES} mappings {{pattern: REGEX, event: NOUN.PAST_TENSE}}"
    if not isinstance(value, list) or len(value) > MOST_RULES:
        raise _wrong("log_rules", value, allowed)
    found = []
    for number, each in enumerate(value, 1):
        is_pair = isinstance(each, Mapping) and set(each) == {"pattern", "event"}
        if not is_pair or not all(isinstance(text, str) for text in each.values()):
            raise _wrong(f"log_rules, number {number}", each, "a mapping {pattern: REGEX, event: NOUN.PAST_TENSE}")
        try:
            found.append(own_rule(each["pattern"], each["event"]))
        except ValueError as error:
            raise ValueError(f"trigger_mesh: log_rules, number {number}: {error}") from None
    return tuple(found)


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _wrong("log_ignore", value, "a list of names of actors")
    return frozenset(value)


def _wrong(key: str, value: Any, allowed: str) -> ValueError:
    return ValueError(f"trigger_mesh: {key} is {value!r:.100}; allowed is {allowed}")
