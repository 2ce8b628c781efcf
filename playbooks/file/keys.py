"""The vocabulary of a playbook file: every key, where it may stand, what it takes and what it means.

Data only. The reader and the JSON Schema are both driven by these tables, and `docs/playbook-file.md` must describe
all of it. Invariant: a key that is not in these tables cannot appear in a playbook file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from playbooks.spec import OnFailure, OnLimit, ParamType, Severity

SCHEMA = "grace.playbook/1"
NAME = r"[a-z][a-z0-9_]{0,62}"
NAME_FORM = "a small letter, then small letters, digits or _, at most 63 in all"


class Takes(StrEnum):
    """What may stand under a key."""

    SCHEMA = "schema"
    TEXT = "text"
    NAME = "name"
    WORDS = "words"
    FLAG = "flag"
    COUNT = "count"
    DURATION = "duration"
    CHOICE = "choice"
    EXPRESSION = "expression"
    CONDITIONS = "conditions"
    VALUE = "value"
    VALUES = "values"
    TEMPLATES = "templates"
    TOLERANCE = "tolerance"
    SECTION = "section"
    ENTRIES = "entries"
    NAMED = "named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. `section` names the table of what is below it, `choices` its words, `least` its smallest value or
    number of entries (a duration must be above zero unless `least` is 0)."""

    takes: Takes
    meaning: str
    required: bool = False
    default: Any = None
    section: str = ""
    choices: type[StrEnum] | None = None
    least: int = 0


Table = Mapping[str, Key]

ROOT: Table = {
    "schema": Key(takes=Takes.SCHEMA, required=True, meaning="the version of this format"),
    "name": Key(takes=Takes.NAME, required=True, meaning="its name, the same as that of the file"),
    "title": Key(takes=Takes.TEXT, required=True, meaning="what it does, in a line"),
    "description": Key(takes=Takes.TEXT, default="", meaning="the first line short, the rest Markdown"),
    "tags": Key(takes=Takes.WORDS, default=(), meaning="words to find it by"),
    "enabled": Key(takes=Takes.FLAG, default=True, meaning="whether triggers start it"),
    "severity": Key(
        takes=Takes.CHOICE, choices=Severity, default=Severity.MEDIUM, meaning="how bad it is that it is needed"
    ),
    "inputs": Key(takes=Takes.NAMED, section="input", meaning="the values a run is given, by name"),
    "triggers": Key(takes=Takes.ENTRIES, section="trigger", meaning="the events that start it; any may match"),
    "policy": Key(takes=Takes.SECTION, section="policy", meaning="when a run may start and how long it may take"),
    "approval": Key(takes=Takes.SECTION, section="approval", meaning="whether someone is asked before the first step"),
    "steps": Key(takes=Takes.ENTRIES, section="step", required=True, least=1, meaning="what is done, in this order"),
    "rescue": Key(
        takes=Takes.ENTRIES, section="step", meaning="what is done after a step with `on_failure: rescue` failed"
    ),
    "always": Key(takes=Takes.ENTRIES, section="step", meaning="what is done at the end, however the run went"),
    "verify": Key(
        takes=Takes.ENTRIES, section="check", required=True, meaning="what must hold for the run to have succeeded"
    ),
}
INPUT: Table = {
    "type": Key(takes=Takes.CHOICE, choices=ParamType, default=ParamType.STRING, meaning="its type"),
    "required": Key(takes=Takes.FLAG, default=False, meaning="whether a run without it is refused"),
    "default": Key(takes=Takes.VALUE, meaning="its value when none is given"),
    "enum": Key(takes=Takes.VALUES, default=(), meaning="the values it may have"),
    "description": Key(takes=Takes.TEXT, default="", meaning="what it is"),
}
TRIGGER: Table = {
    "type": Key(takes=Takes.TEXT, required=True, meaning="the type of the event"),
    "when": Key(takes=Takes.CONDITIONS, meaning="what must hold of its issue"),
    "with": Key(takes=Takes.TEMPLATES, meaning="inputs made of the issue; others take its field of the same name"),
}
POLICY: Table = {
    "concurrency": Key(takes=Takes.SECTION, section="concurrency", meaning="how many runs at once"),
    "cooldown": Key(takes=Takes.DURATION, default=0.0, meaning="the rest after a run, for the same key"),
    "timeout": Key(
        takes=Takes.DURATION, least=1, meaning="how long a run may take, without waits for people and patches"
    ),
}
CONCURRENCY: Table = {
    "key": Key(takes=Takes.EXPRESSION, meaning="runs with the same value of it count together"),
    "max": Key(takes=Takes.COUNT, default=1, least=1, meaning="how many of them may run at once"),
    "on_limit": Key(
        takes=Takes.CHOICE,
        choices=OnLimit,
        default=OnLimit.DELAY,
        meaning="what happens with one too many",
    ),
}
APPROVAL: Table = {
    "required": Key(takes=Takes.FLAG, default=False, meaning="whether someone must agree"),
    "route": Key(takes=Takes.TEXT, default="operators", meaning="who is asked"),
    "ttl": Key(takes=Takes.DURATION, default=86400.0, meaning="how long the question stands; 0 is for ever"),
}
STEP: Table = {
    "id": Key(takes=Takes.NAME, meaning="its name, unique in the file"),
    "action": Key(takes=Takes.NAME, required=True, meaning="what is done"),
    "with": Key(takes=Takes.TEMPLATES, meaning="the parameters of the action"),
    "register": Key(takes=Takes.NAME, meaning="the variable that holds its result"),
    "when": Key(takes=Takes.CONDITIONS, meaning="what must hold for it to be done; else it is skipped"),
    "retry": Key(takes=Takes.SECTION, section="retry", meaning="further attempts when it fails"),
    "timeout": Key(takes=Takes.DURATION, least=1, meaning="how long each attempt may take"),
    "on_failure": Key(
        takes=Takes.CHOICE, choices=OnFailure, default=OnFailure.FAIL, meaning="what follows when it failed for good"
    ),
}
RETRY: Table = {
    "count": Key(takes=Takes.COUNT, required=True, least=1, meaning="how many further attempts"),
    "delay": Key(takes=Takes.DURATION, default=0.0, meaning="the rest before each of them"),
}
CHECK: Table = {
    "action": Key(takes=Takes.NAME, required=True, meaning="what is looked at; an action that reads"),
    "with": Key(takes=Takes.TEMPLATES, meaning="the parameters of the action"),
    "tolerance": Key(takes=Takes.TOLERANCE, section="tolerance", meaning="what its value must be"),
}
TOLERANCE: Table = {
    "min": Key(takes=Takes.VALUE, meaning="the least number"),
    "max": Key(takes=Takes.VALUE, meaning="the greatest number"),
    "pattern": Key(takes=Takes.TEXT, meaning="a regular expression that is found in the text"),
}

SECTIONS: Mapping[str, Table] = {
    "root": ROOT,
    "input": INPUT,
    "trigger": TRIGGER,
    "policy": POLICY,
    "concurrency": CONCURRENCY,
    "approval": APPROVAL,
    "step": STEP,
    "retry": RETRY,
    "check": CHECK,
    "tolerance": TOLERANCE,
}
TITLES: Mapping[str, str] = {"root": "a playbook", "check": "an entry of verify"}
"""Sections that people call otherwise than by their name."""
