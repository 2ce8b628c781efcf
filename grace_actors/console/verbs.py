"""The one table of verbs: command line, prompt, completion, help and docs/cli.md all read it.

A new group of verbs is a module with VERBS, named here. Importing the table must stay cheap: what a verb
needs beyond the client is imported when it runs.
Invariant: names are unique and the table's order is the order of help.
"""

from __future__ import annotations

from collections.abc import Mapping

from grace_actors.console import (
    about,
    approvals,
    ask,
    chaos_verbs,
    checkup,
    control,
    drills,
    figures,
    incidents,
    inject,
    kong,
    logs,
    offline,
    playbooks,
    runs,
    signatures,
    watch,
    why,
    work_orders,
)
from grace_actors.console.errors import UsageError, nearest
from grace_actors.console.table import Verb

GROUPS: Mapping[str, tuple[Verb, ...]] = {
    "look": (*watch.VERBS, *logs.VERBS),
    "heal": (
        *incidents.VERBS,
        *why.VERBS,
        *approvals.VERBS,
        *work_orders.VERBS,
        *runs.VERBS,
        *signatures.VERBS,
        *figures.VERBS,
    ),
    "act": (*ask.VERBS, *control.VERBS, *inject.VERBS),
    "exercise": (*drills.VERBS, *chaos_verbs.VERBS, *kong.VERBS),
    "try out": (*offline.VERBS, *playbooks.VERBS),
    "about": (*checkup.VERBS, *about.VERBS),
}
VERBS: Mapping[str, Verb] = {verb.name: verb for verbs in GROUPS.values() for verb in verbs}


def find_verb(word: str) -> Verb:
    """The verb of this name. Raises UsageError with the nearest ones."""
    verb = VERBS.get(word) or VERBS.get(word.replace("_", "-"))
    if verb is None:
        raise UsageError(f"unknown verb {word!r}", allowed=VERBS, near=nearest(word, VERBS), hint="see `help`")
    return verb
