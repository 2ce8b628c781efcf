"""The vocabulary of a card: every key, where it may stand, what it takes and what it means.

Data only, driven by which the reader works; `docs/drill-file.md` must describe all of it. The keys of the Chaos
Toolkit keep their meaning, those of the extension `grace` are Grace's. Invariant: a key that is not in these tables
cannot appear in a card, so what a card says and nobody would do is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from chaos.card import Cure
from playbooks.file.keys import Key, Table, Takes

CARD_ID = r"[A-Z][A-Z0-9_]{0,30}"
CARD_ID_FORM = "a capital letter, then capital letters, digits or _, at most 31 in all"
MOST_WEIGHT = 10.0
MOST_S = 86_400.0
OWN_EVENTS = ("fault.injected", "fault.undone", "drill.started", "drill.injected")
"""Every drill causes these, so that none of them shows that anything was noticed."""


class Extension(StrEnum):
    """The extensions that are understood."""

    GRACE = "grace"


class ActivityType(StrEnum):
    """What the Chaos Toolkit calls an activity."""

    PROBE = "probe"
    ACTION = "action"


class ProviderType(StrEnum):
    """How an activity is called."""

    PYTHON = "python"


class HypothesisStrategy(StrEnum):
    """When the hypothesis is looked at: before the method and after it."""

    DEFAULT = "default"


class RollbackStrategy(StrEnum):
    """When the rollbacks are done: always, once anything of the method was begun."""

    ALWAYS = "always"


class ToleranceType(StrEnum):
    """The tolerances that are a mapping."""

    RANGE = "range"
    REGEX = "regex"


ROOT: Table = {
    "title": Key(takes=Takes.TEXT, required=True, meaning="what happens, in a line"),
    "description": Key(takes=Takes.TEXT, required=True, meaning="what must come of it"),
    "tags": Key(takes=Takes.WORDS, default=(), meaning="words to find it by; the first is its category"),
    "extensions": Key(
        takes=Takes.ENTRIES, section="extension", required=True, least=1, meaning="what Grace needs to know beside it"
    ),
    "steady-state-hypothesis": Key(
        takes=Takes.SECTION, section="hypothesis", required=True, meaning="what holds before, and must hold again"
    ),
    "method": Key(
        takes=Takes.ENTRIES, section="activity", required=True, least=1, meaning="what is done, in this order"
    ),
    "rollbacks": Key(takes=Takes.ENTRIES, section="activity", meaning="what is done at the end, however it went"),
    "runtime": Key(takes=Takes.SECTION, section="runtime", meaning="the strategies, for the Chaos Toolkit"),
}
EXTENSION: Table = {
    "name": Key(takes=Takes.CHOICE, choices=Extension, required=True, meaning="whose extension this is"),
    "card": Key(takes=Takes.TEXT, required=True, meaning="the name of the card, unique among all"),
    "weight": Key(takes=Takes.VALUE, default=1.0, meaning="the risk: how often it is due, how likely it is drawn"),
    "micro": Key(takes=Takes.FLAG, default=False, meaning="whether the policy micro_chaos may start it"),
    "radius": Key(takes=Takes.WORDS, default=(), meaning="whose incidents belong to it, beside those of its targets"),
    "expect": Key(takes=Takes.SECTION, section="expect", required=True, meaning="what must come of it: the gates"),
    "approve": Key(takes=Takes.FLAG, default=False, meaning="whether it approves what its own incidents ask for"),
    "cure": Key(
        takes=Takes.CHOICE, choices=Cure, default=Cure.NONE, meaning="what is done once a work order for it is there"
    ),
    "timeout": Key(takes=Takes.DURATION, default=180.0, least=1, meaning="how long all of it may take, until the end"),
}
EXPECT: Table = {
    "trigger": Key(takes=Takes.SECTION, section="trigger", required=True, meaning="the event that must tell of it"),
    "playbook": Key(takes=Takes.TEXT, required=True, meaning="what must repair it"),
    "work_orders": Key(takes=Takes.COUNT, default=0, meaning="how many work orders must be made, at least"),
    "detect_within": Key(takes=Takes.DURATION, default=60.0, least=1, meaning="until the trigger, from the injection"),
    "heal_within": Key(takes=Takes.DURATION, default=120.0, least=1, meaning="until all is well, from the injection"),
}
TRIGGER: Table = {
    "type": Key(takes=Takes.TEXT, required=True, meaning="the type of the event, as a pattern"),
    "subject": Key(takes=Takes.TEXT, meaning="what it is about, as a pattern; else one of what the method is done to"),
    "where": Key(takes=Takes.TEMPLATES, meaning="what its data must hold; texts are patterns"),
}
HYPOTHESIS: Table = {
    "title": Key(takes=Takes.TEXT, required=True, meaning="what holds, in a line"),
    "probes": Key(takes=Takes.ENTRIES, section="probe", required=True, least=1, meaning="how that is seen"),
}
ACTIVITY: Table = {
    "type": Key(takes=Takes.CHOICE, choices=ActivityType, required=True, meaning="whether it reads or acts"),
    "name": Key(takes=Takes.TEXT, required=True, meaning="its name, unique in the card"),
    "provider": Key(takes=Takes.SECTION, section="provider", required=True, meaning="the function"),
    "timeout": Key(takes=Takes.VALUE, meaning="how long its answer may take, in seconds"),
    "pauses": Key(takes=Takes.SECTION, section="pauses", meaning="rests around it"),
}
PROBE: Table = {
    "type": ACTIVITY["type"],
    "name": ACTIVITY["name"],
    "tolerance": Key(takes=Takes.TOLERANCE, section="tolerance", required=True, meaning="what its value must be"),
    "provider": ACTIVITY["provider"],
    "timeout": ACTIVITY["timeout"],
}
PROVIDER: Table = {
    "type": Key(takes=Takes.CHOICE, choices=ProviderType, required=True, meaning="how it is called"),
    "module": Key(takes=Takes.TEXT, required=True, meaning="where the function is"),
    "func": Key(takes=Takes.TEXT, required=True, meaning="the fault, the step or the probe"),
    "arguments": Key(takes=Takes.TEMPLATES, meaning="its arguments by name"),
}
PAUSES: Table = {
    "before": Key(takes=Takes.VALUE, default=0.0, meaning="seconds before it"),
    "after": Key(takes=Takes.VALUE, default=0.0, meaning="seconds after it"),
}
TOLERANCE: Table = {
    "type": Key(takes=Takes.CHOICE, choices=ToleranceType, required=True, meaning="which of the two it is"),
    "range": Key(takes=Takes.VALUES, default=(), meaning="the least number and the greatest"),
    "pattern": Key(takes=Takes.TEXT, meaning="a regular expression that is found in the text"),
}
RUNTIME: Table = {
    "hypothesis": Key(takes=Takes.SECTION, section="hypothesis_strategy", meaning="when the hypothesis is looked at"),
    "rollbacks": Key(takes=Takes.SECTION, section="rollback_strategy", meaning="when the rollbacks are done"),
}
HYPOTHESIS_STRATEGY: Table = {
    "strategy": Key(takes=Takes.CHOICE, choices=HypothesisStrategy, required=True, meaning="before and after"),
}
ROLLBACK_STRATEGY: Table = {
    "strategy": Key(takes=Takes.CHOICE, choices=RollbackStrategy, required=True, meaning="whatever happened"),
}

SECTIONS: Mapping[str, Table] = {
    "root": ROOT,
    "extension": EXTENSION,
    "expect": EXPECT,
    "trigger": TRIGGER,
    "hypothesis": HYPOTHESIS,
    "activity": ACTIVITY,
    "probe": PROBE,
    "provider": PROVIDER,
    "pauses": PAUSES,
    "tolerance": TOLERANCE,
    "runtime": RUNTIME,
    "hypothesis_strategy": HYPOTHESIS_STRATEGY,
    "rollback_strategy": ROLLBACK_STRATEGY,
}
TITLES: Mapping[str, str] = {"root": "a card"}
