"""Finds out what may repair an incident: what the signature actor knows, and which playbooks match its events.

It chooses nothing. Invariant: outcomes that are on their way to the knowledge base arrive before it is asked, unless it
is silent; and a silent knowledge base means that nothing is known, never that something is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from grace_actors.healing.library import Library
from grace_actors.healing.outbox import Outbox
from grace_actors.kernel import Answer, Context, Data
from playbooks.incidents.choice import Candidate, Knowledge, candidates_of, known_repair

if TYPE_CHECKING:
    from grace_actors.healing.casework import Casework

SIGNATURE = "signature"
ASK_S, TRIES = 2.0, 3
Then = Callable[[Knowledge], None]


class Knowing:
    """Answers `look_up` with Knowledge."""

    def __init__(self, ctx: Context, cases: Casework, library: Library, outbox: Outbox, *, confirm: bool) -> None:
        self._ctx, self._cases, self._library, self._outbox = ctx, cases, library, outbox
        self._confirm = confirm

    def look_up(self, id: str, then: Then) -> None:
        """What is known of an incident that is open."""
        matched = candidates_of((entry.playbook for entry in self._library.entries.values()), self._cases.events_of(id))
        self._outbox.after_drained(SIGNATURE, lambda: self._ask(id, matched, then, TRIES))

    def _ask(self, id: str, matched: list[Candidate], then: Then, tries: int) -> None:
        hashes = json.loads(self._cases.row(id)["hashes"])

        def on_answer(answer: Answer) -> None:
            if answer.ok:
                self._rate(self._known(answer.value, hashes[0], matched), matched, then)
            elif tries > 1:
                self._ask(id, matched, then, tries - 1)
            else:
                then(Knowledge(matched=tuple(matched)))

        self._ctx.ask(SIGNATURE, "lookup", {"hashes": hashes}, on_answer, timeout_s=ASK_S)

    def _known(self, found: Data, specific: str, matched: list[Candidate]) -> Knowledge:
        usable = {name for name, entry in self._library.entries.items() if entry.playbook.enabled}
        repair = known_repair(found["repairs"], usable) if found["known"] else None
        if repair is None:
            return Knowledge()
        candidate = self._candidate(repair, matched)
        is_specific = found.get("matched") == specific
        is_auto = bool(repair["auto_apply"]) and is_specific
        if not is_auto and not self._confirm and any(one.playbook == candidate.playbook for one in matched):
            return Knowledge()
        return Knowledge(
            known=candidate, is_auto=is_auto, is_specific=is_specific, confidence=int(repair["confidence"])
        )

    def _candidate(self, repair: Mapping[str, Any], matched: list[Candidate]) -> Candidate:
        """With the inputs that its trigger gives now, else those with which it worked."""
        name, params = str(repair["playbook"]), dict(repair["params"])
        playbook = self._library.entries[name].playbook
        now = next((one for one in matched if one.playbook == name), None)
        asks, counts = playbook.approval.required, (int(repair["successes"]), int(repair["failures"]))
        inputs = now.inputs if now is not None and not params else params
        return Candidate(
            playbook=name, inputs=inputs, params=params, asks=asks, successes=counts[0], failures=counts[1]
        )

    def _rate(self, knowledge: Knowledge, matched: list[Candidate], then: Then) -> None:
        """With the past of the playbooks that match; it only matters where there are several."""

        def on_answer(answer: Answer) -> None:
            past = answer.value if answer.ok and isinstance(answer.value, dict) else {}
            rated = [_with_past(one, past.get(one.playbook)) for one in matched]
            then(replace(knowledge, matched=tuple(rated)))

        if len(matched) < 2:
            then(replace(knowledge, matched=tuple(matched)))
        else:
            names = [one.playbook for one in matched]
            self._ctx.ask(SIGNATURE, "standing", {"playbooks": names}, on_answer, timeout_s=ASK_S)


def _with_past(one: Candidate, found: Any) -> Candidate:
    if not isinstance(found, dict):
        return one
    return replace(one, successes=int(found["successes"]), failures=int(found["failures"]))
